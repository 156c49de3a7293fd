"""A fake Patroni: GET /patroni as the REST API of a real one answers it, with whatever words the test wants, or none.

    with Patroni() as patroni:              # http://127.0.0.1:PORT is patroni.url
        patroni.say("primary")              # and state, timeline
        patroni.behave("hang")              # one of FAULTS; "well" ends it
        patroni.refuse(); patroni.open()    # the port is closed
        patroni.asked, patroni.connections  # counted since the start
"""
import contextlib
import http.server
import json
import threading

from .util import free_port

HUGE = 1_000_000
FAULTS = ("hang", "garbage", "no_role", "huge_body", "huge_head", "redirect", "unavailable", "not_http")


class Patroni:
    def __init__(self, role="replica", timeline=1):
        self.port, self.role, self.state, self.timeline = free_port(), role, "running", timeline
        self.fault, self.asked, self.connections = "well", 0, 0
        self.proceed = threading.Event()  # ends what hangs
        self.server = None
        self.open()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def say(self, role, state="running", timeline=None):
        self.role, self.state, self.timeline = role, state, timeline or self.timeline

    def behave(self, fault):
        self.fault = fault

    def open(self):
        if self.server is None:
            self.server = Server(("127.0.0.1", self.port), self.handler())
            threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def refuse(self):
        """Closes the port and every connection."""
        if self.server is not None:
            server, self.server = self.server, None
            server.shutdown()
            server.server_close()
            server.drop()

    def close(self):
        self.proceed.set()
        self.refuse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def body(self):
        return json.dumps({"state": self.state, "role": self.role, "server_version": 150000, "timeline": self.timeline, "xlog": {"location": 1},
                           "patroni": {"version": "4.0.0", "scope": "rig", "name": f"p{self.port}"}}).encode()

    def handler(self):
        patroni = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                patroni.connections += 1
                super().setup()

            def log_message(self, *_):
                pass

            def do_GET(self):
                patroni.asked += 1
                with contextlib.suppress(OSError):  # it is not waited for, nor read to the end
                    patroni.answer(self)
        return Handler

    def answer(self, request):
        fault = self.fault
        if request.path != "/patroni":
            self.send(request, 404, b"")
        elif fault == "hang":
            self.proceed.wait(60)
        elif fault == "garbage":
            self.send(request, 200, b"\x00\xff<html>garbage")
        elif fault == "no_role":
            self.send(request, 200, b'{"state": "running"}')
        elif fault == "huge_body":
            self.send(request, 200, self.body()[:-1] + b', "x": "' + b"x" * HUGE + b'"}')
        elif fault == "huge_head":
            self.send(request, 200, self.body(), {f"X-{n}": "x" * 1000 for n in range(1000)})
        elif fault == "redirect":
            self.send(request, 302, self.body(), {"Location": f"{self.url}/elsewhere"})
        elif fault == "unavailable":
            self.send(request, 503, self.body())
        elif fault == "not_http":
            request.wfile.write(b"SSH-2.0-x\r\n" * 10)
            request.close_connection = True
        else:
            self.send(request, 200, self.body())

    def send(self, request, status, body, headers=None):
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args):
        self.open_sockets = set()
        super().__init__(*args)

    def process_request(self, request, client_address):
        self.open_sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open_sockets.discard(request)
        super().shutdown_request(request)

    def drop(self):
        for s in list(self.open_sockets):
            with contextlib.suppress(OSError):
                s.shutdown(2)

    def handle_error(self, request, client_address):
        pass  # a client that went away
