"""The port of metrics_listen: who gets in, what is refused and how, TLS, reloads, restarts, and that nothing there disturbs the traffic."""
import base64
import contextlib
import http.client
import signal
import socket
import ssl
import subprocess
import threading
import time

from harness.case import Case, beyond_pgbouncer, wait_until
from harness.gate import Gate
from harness.tls import Authority
from harness.util import SLOW, free_port, run_as, tied
from harness.weir import BIN, Weir

TOKEN = "s3cret-token"
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
           "Connection": "close"}


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read().decode()


class Http(Case):
    """A pooler with a port for HTTP; `self.get(path)` asks there."""
    section = {}

    def setUp(self):
        self.http_port = free_port()
        self.start(weir={"metrics_listen": self.http_port, **self.section})

    def get(self, path="/healthz", method="GET", port=None, token=None, headers=None, tls=None, timeout=30, host="127.0.0.1"):
        port = port or self.http_port
        made = http.client.HTTPSConnection(host, port, timeout=timeout, context=tls) if tls else http.client.HTTPConnection(host, port, timeout=timeout)
        with contextlib.closing(made) as connection:
            connection.request(method, path, headers={**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})})
            return Answer(connection.getresponse())

    def raw(self, sent, timeout=30):
        """What comes back for these bytes, until the end of the stream."""
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.http_port), timeout)) as sock:
            got = b""
            with contextlib.suppress(ConnectionError):
                sock.sendall(sent)
                while chunk := sock.recv(65536):
                    got += chunk
            return got.decode("latin-1")

    def is_closed(self, port=None):
        with contextlib.closing(socket.socket()) as sock:
            return sock.connect_ex(("127.0.0.1", port or self.http_port)) != 0

    def assert_status(self, status, path="/healthz", **kw):
        answer = self.get(path, **kw)
        self.assertEqual(answer.status, status, f"{path}: {answer.body}")
        return answer

    def told(self, command):
        """The error of a console command, with its detail."""
        with self.weir.console() as c:
            error = c.run(command).error
            return f"{error.message}\n{error.fields.get('D')}"

    def set_section(self, **options):
        """RELOAD with other options of [weir]; None takes one out."""
        self.weir.weir_section.update(options)
        self.weir.weir_section = {k: v for k, v in self.weir.weir_section.items() if v is not None}
        self.weir.reload()


@beyond_pgbouncer
class Requests(Http):
    def test_answers_and_their_headers(self):
        for path, status in (("/healthz", 200), ("/no-such-page", 404), ("/../../etc/passwd", 404), ("/%2e%2e/%2e%2e/etc/passwd", 404),
                             ("/healthz/", 404), ("/healthz/../healthz", 404), ("/HEALTHZ", 404), ("/..%2f..%2fetc/passwd", 404)):
            answer = self.assert_status(status, path)
            for name, value in HEADERS.items():
                self.assertEqual(answer.headers[name], value, (path, name))
            self.assertTrue(answer.headers["Content-Security-Policy"].startswith("default-src 'none'; "))
            self.assertEqual(int(answer.headers["Content-Length"]), len(answer.body))
        self.assertEqual(self.get("/healthz").body, "ok\n")
        self.assertNotIn("no-such", self.get("/no-such-page?x=no-such").body)  # nothing is repeated

    def test_head_is_get_without_the_body(self):
        whole, head = self.get("/healthz"), self.get("/healthz", method="HEAD")
        self.assertEqual((head.status, head.body), (200, ""))
        self.assertEqual(head.headers["Content-Length"], whole.headers["Content-Length"])
        text = self.raw(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(text.endswith("\r\n\r\n"), text)

    def test_only_get_and_head(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "CONNECT"):
            answer = self.raw(f"{method} /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            self.assertRegex(answer, r"^HTTP/1\.1 (405|400) ", method)
            if " 405 " in answer.split("\r\n")[0]:
                self.assertIn("\r\nAllow: GET, HEAD\r\n", answer)
        self.assertIn(" 405 ", self.raw(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").split("\r\n")[0])

    def test_bad_requests_are_answered(self):
        for sent, status in (
                (b"GET /healthz?" + b"a" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "414"),
                (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "4.."),
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20000 + b"\r\n\r\n", "4.."),
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100 + b"\r\n", "431"),
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "413"),
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "4.."),
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", "4.."),
                (b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "4.."),
                (b"NONSENSE\r\n\r\n", "400"),
                (b"GET /healthz HTTP/9.9\r\n\r\n", "[45].."),
                (b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "4.."),
                (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", "4..")):
            answer = self.raw(sent)
            self.assertRegex(answer, rf"^HTTP/1\.[01] {status} ", sent[:60])
            self.assertIn("\r\nX-Content-Type-Options: nosniff\r\n", answer)
            self.assertNotIn("aaaa", answer)
        whole = f"GET http://127.0.0.1:{self.http_port}/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        self.assertTrue(self.raw(whole.encode()).startswith("HTTP/1.1 200 "))
        self.assertEqual(self.raw(b"GET http://elsewhere/healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "")  # we are no proxy
        self.assert_status(200)
        self.assert_serves()

    def test_a_request_that_does_not_come_to_an_end(self):
        began = time.monotonic()
        self.raw(b"GET /healthz HT")
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.http_port), 30)) as sock:  # byte by byte
            with contextlib.suppress(ConnectionError, socket.timeout):
                sock.settimeout(0.1)
                while time.monotonic() < began + 60 * SLOW:
                    sock.sendall(b"G")
                    with contextlib.suppress(socket.timeout):
                        if not sock.recv(100):
                            break
        self.assertLess(time.monotonic() - began, 30 * SLOW)
        self.assert_status(200)

    def test_a_crowd_that_says_nothing(self):
        """They hold up others for seconds, not for as long as they like; and the traffic not at all."""
        crowd, stop = [], threading.Event()

        def press():
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    sock = socket.socket()
                    crowd.append(sock)
                    sock.setblocking(False)
                    sock.connect_ex(("127.0.0.1", self.http_port))
                    if len(crowd) % 2:
                        sock.send(b"GET /healthz HTTP/1.1\r\n")
                if len(crowd) >= 300:
                    return
        pressing = threading.Thread(target=press)
        pressing.start()
        try:
            for _ in range(50):
                self.assert_serves()
            pressing.join()
            wait_until(lambda: self.answers(), 60, "an answer for somebody who asks")
            self.assertLess(self.weir.open_files(), 200)
        finally:
            stop.set()
            pressing.join()
            for sock in crowd:
                sock.close()
        wait_until(lambda: self.answers(), 30, "an answer when they are gone")

    def answers(self):
        try:
            return self.get("/healthz", timeout=10).status == 200
        except OSError:
            return False

    def test_loopback_only(self):
        with open("/proc/net/tcp") as f:
            listening = [line.split()[1] for line in f if line.split()[3] == "0A"]
        self.assertEqual([a for a in listening if a.endswith(f":{self.http_port:04X}")], [f"0100007F:{self.http_port:04X}"])

    def test_no_port_without_the_option(self):
        before = len(self.listening_ports())
        self.set_section(metrics_listen=None)
        wait_until(self.is_closed, 30, "the port to be closed")
        self.assertEqual(len(self.listening_ports()), before - 1)

    def listening_ports(self):
        told = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        return [line for line in told.splitlines() if f"pid={self.weir.pid}," in line]


@beyond_pgbouncer
class Token(Http):
    section = {"metrics_token": TOKEN}

    def test_who_gets_in(self):
        basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
        for path in ("/no-such-page", "/"):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN},
                            {"Authorization": "Basic " + base64.b64encode(b"x:wrong").decode()}, {"Authorization": f"Basic {TOKEN}"}):
                answer = self.assert_status(401, path, headers=headers)
                self.assertEqual(answer.headers.get_all("WWW-Authenticate"), ['Bearer realm="weir"', 'Basic realm="weir", charset="UTF-8"'])
        self.assert_status(404, "/no-such-page", token=TOKEN)
        self.assert_status(404, "/no-such-page", headers={"Authorization": f"Basic {basic}"})
        self.assert_status(200, "/healthz")
        self.assert_status(200, "/readyz")

    def test_it_is_told_nowhere(self):
        self.get("/no-such-page", token=TOKEN)
        self.assertNotIn(TOKEN, str(self.weir.show("config")))
        self.set_section(metrics_token="another-s3cret")
        self.assertNotIn("s3cret", self.weir.wait_log("configuration reloaded"))

    def test_reload(self):
        self.set_section(metrics_token="another")
        self.assert_status(401, "/x", token=TOKEN)
        self.assert_status(404, "/x", token="another")
        self.set_section(metrics_token=None)
        self.assert_status(404, "/x")
        self.weir.admin("set metrics_token = 'third'")
        self.assert_status(401, "/x")
        self.assert_status(404, "/x", token="third")

    def test_a_file(self):
        path = f"{self.weir.dir}/token"
        self.weir.files["token"] = "  from-a-file\n"
        self.set_section(metrics_token=None, metrics_token_file=path)
        self.assert_status(401, "/x", token=TOKEN)
        self.assert_status(404, "/x", token="from-a-file")
        self.weir.files["token"] = "anew\n"
        self.weir.reload()
        self.assert_status(404, "/x", token="anew")
        for content, text in ((" \n", "there is no token in it"), ("two words", "not a token")):
            self.weir.files["token"] = content
            self.weir.write()
            self.assertIn(f'metrics_token_file "{path}": {text}', self.told("reload"))
        self.assert_status(404, "/x", token="anew")  # as before
        self.weir.weir_section["metrics_token"] = TOKEN
        self.weir.write()
        self.assertIn("both metrics_token and metrics_token_file are set", self.told("reload"))


@beyond_pgbouncer
class Tls(Http):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = Authority()
        cls.addClassCleanup(cls.ca.remove)
        cls.one = cls.ca.issue("metrics-one", san=("IP:127.0.0.1",))
        cls.two = cls.ca.issue("metrics-two", san=("IP:127.0.0.1",))

    def setUp(self):
        self.section = {"metrics_tls_cert_file": self.one[0], "metrics_tls_key_file": self.one[1]}
        super().setUp()
        self.context = ssl.create_default_context(cafile=self.ca.path("ca.crt"))

    def shown(self):
        with contextlib.closing(self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.http_port), 30), server_hostname="127.0.0.1")) as s:
            return dict(x[0] for x in s.getpeercert()["subject"])["commonName"]

    def test_https_and_nothing_else(self):
        self.assert_status(200, tls=self.context)
        self.assertEqual(self.shown(), "metrics-one")
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.get("/healthz")
        old = ssl.create_default_context(cafile=self.ca.path("ca.crt"))
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            self.get("/healthz", tls=old)
        self.assert_status(200, tls=self.context)
        self.assertNotIn("BEGIN", self.weir.log())

    def test_by_curl(self):
        for more, code in ((["--cacert", self.ca.path("ca.crt")], 0), (["--cacert", self.ca.path("ca.crt"), "--http1.0"], 0), ([], None)):
            done = subprocess.run(["curl", "-sS", *more, f"https://127.0.0.1:{self.http_port}/healthz"], capture_output=True, text=True)
            self.assertEqual(done.returncode == 0 and done.stdout == "ok\n", code == 0, done.stderr)

    def test_another_certificate(self):
        self.set_section(metrics_tls_cert_file=self.two[0], metrics_tls_key_file=self.two[1])
        self.assertEqual(self.shown(), "metrics-two")
        self.assertIn("metrics_tls_key_file", self.told(f"set metrics_tls_key_file = '{self.one[1]}'"))
        self.assertEqual(self.shown(), "metrics-two")
        self.assertIn('metrics_tls_cert_file "/nowhere"', self.told("set metrics_tls_cert_file = '/nowhere'"))

    def test_handshakes_that_do_not_come_to_an_end(self):
        with contextlib.ExitStack() as crowd:
            for i in range(12):
                sock = crowd.enter_context(contextlib.closing(socket.socket()))
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", self.http_port))
                with contextlib.suppress(OSError):
                    sock.send((b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01")[i % 3])
            wait_until(lambda: self.answers(tls=self.context), 60, "an answer for somebody who asks")

    def test_off_and_on(self):
        self.set_section(metrics_tls_cert_file=None, metrics_tls_key_file=None)
        wait_until(lambda: self.answers(), 30, "plain HTTP")
        self.set_section(metrics_tls_cert_file=self.one[0], metrics_tls_key_file=self.one[1])
        wait_until(lambda: self.answers(tls=self.context), 30, "HTTPS")

    def answers(self, **kw):
        try:  # one that came to the server that is about to go may wait in vain
            return self.get("/healthz", timeout=5, **kw).status == 200
        except (OSError, http.client.HTTPException):
            return False


@beyond_pgbouncer
class Port(Http):
    def test_reload_moves_it(self):
        before, self.http_port = self.http_port, free_port()
        self.set_section(metrics_listen=f"*:{self.http_port}")
        self.assert_status(200)
        wait_until(lambda: self.is_closed(before), 30, "the port before to be closed")
        self.weir.wait_log("metrics_listen can be reached from elsewhere and everybody may look")
        self.set_section(metrics_listen=None)
        wait_until(self.is_closed, 30, "the port to be closed")
        self.weir.admin(f"set metrics_listen = '{self.http_port}'")
        self.assert_status(200)

    def test_a_port_that_is_taken(self):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
            taken = other.getsockname()[1]
            message = f"cannot listen on 127.0.0.1:{taken} (metrics_listen): Address already in use"
            self.assertIn(message, self.told(f"set metrics_listen = '{taken}'"))
            self.assert_status(200)
            second = Weir(self.pg, weir={"metrics_listen": taken})
            self.addCleanup(second.stop)
            ran = subprocess.run(tied([BIN, second.ini_path]), capture_output=True, text=True, timeout=30 * SLOW, cwd=second.dir, **run_as())
            self.assertEqual(ran.returncode, 1)
            self.assertIn(f"FATAL {message}", ran.stderr)

    def test_beside_another_process(self):
        """With so_reuseport each needs a port of its own."""
        second = Weir(self.pg, weir={"metrics_listen": free_port()})
        self.addCleanup(second.stop)
        second.start()
        self.assert_status(200)
        self.assert_status(200, port=second.weir_section["metrics_listen"])

    def test_no_address(self):
        for value in ("x", "0", "[::1]:9127"):
            self.assertIn("; give a port (9127) or IPv4-ADDRESS:PORT", self.told(f"set metrics_listen = '{value}'"))

    def test_the_process_ends_without_waiting(self):
        """Also when somebody is just asking."""
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.http_port), 30)) as sock:
            sock.sendall(b"GET /healthz HT")
            self.weir.signal(signal.SIGINT)
            self.assertEqual(self.weir.wait_exit(), 0)

    def test_another_process_takes_over(self):
        held = self.client()
        marks = self.weir.log().count("process up: ")
        before = self.weir.proc
        with open(self.weir.log_path, "ab") as log:
            after = subprocess.Popen(tied([BIN, "-R", self.weir.ini_path]), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.weir.dir,
                                     start_new_session=True, **run_as())
        wait_until(lambda: self.weir.log().count("process up: ") > marks or after.poll() is not None, 30, "the new process to be up")
        self.weir.proc = after
        self.assertEqual(before.wait(30 * SLOW), 0)
        self.weir.wait_log("metrics and status page: listening on", count=2)
        self.assert_status(200)
        self.assertEqual(held.run("select 1").rows, [("1",)])


@beyond_pgbouncer
class Ready(Http):
    def setUp(self):
        self.http_port = free_port()

    def up(self, **more):
        self.start(weir={"metrics_listen": self.http_port, "probe_interval": 0.2, "probe_timeout": 0.1, "probe_interval_fast": 0.2}, **more)

    def told(self):
        answer = self.get("/readyz")
        return answer.status, answer.body

    def wait_told(self, status, body):
        try:
            wait_until(lambda: self.told() == (status, body), 30, "readiness")
        except AssertionError:
            self.assertEqual(self.told(), (status, body))

    def test_orders_of_the_console(self):
        self.up(databases={"app": "{pg}", "other": "{pg}"})
        self.assertEqual(self.told(), (200, "ready\n"))
        self.assert_serves()
        for order, undo, body in (("pause app", "resume app", "app: paused (PAUSE)\n"), ("disable app", "enable app", "app: disabled (DISABLE)\n"),
                                  ("suspend", "resume", "suspended (SUSPEND)\n")):
            with self.weir.console() as c:  # a SUSPEND ends with its client
                c.run(order).check()
                self.assertEqual(self.told(), (503, body))
                c.run(undo).check()
                self.assertEqual(self.told(), (200, "ready\n"))
        self.weir.admin("pause")
        status, body = self.told()
        self.assertEqual((status, body.splitlines()[0]), (503, "paused (PAUSE)"))
        self.weir.admin("resume")
        self.assertEqual(self.told(), (200, "ready\n"))

    def test_shutting_down(self):
        self.up()
        held = self.client()
        held.run("begin").check()
        self.weir.signal(signal.SIGTERM)
        self.wait_told(503, "shutting down\n")
        self.assertEqual(self.get("/healthz").status, 200)
        held.close()
        self.assertEqual(self.weir.wait_exit(), 0)

    def test_a_server_that_cannot_be_reached(self):
        """And is again, which is found out although no client comes."""
        gate = Gate(self.pg.port)
        self.addCleanup(gate.close)
        self.up(databases={"app": f"host=127.0.0.1 port={gate.port} dbname={{dbname}}", "other": "{pg}"}, server_login_retry=1, query_wait_timeout=1)
        self.assertEqual(self.told(), (200, "ready\n"))  # nobody has tried
        gate.refuse()
        self.refused_query()
        self.wait_told(503, "app: no server connection, the last login failed (SQLSTATE 08006)\n")
        gate.open()
        self.wait_told(200, "ready\n")
        self.assert_serves()
        self.assert_serves(database="other")

    def refused_query(self):
        with contextlib.suppress(Exception):
            with self.client() as c:
                c.run("select 1").check()

    def test_one_user_that_is_refused_says_nothing_of_others(self):
        self.up(databases={"app": "{pg}", "forced": "{pg} user=nobody_of_that_name"})
        with contextlib.suppress(Exception):
            self.client(user="app3", database="app").run("select 1")
        self.refused_login("forced")
        self.wait_told(503, "forced: no server connection, the last login failed (SQLSTATE 28000)\n")

    def refused_login(self, database):
        with contextlib.suppress(Exception):
            self.client(database=database).run("select 1")

    def test_routed(self):
        gates = [Gate(self.pg.port) for _ in range(2)]
        for gate in gates:
            self.addCleanup(gate.close)
        self.up(backends={f"pg{i}": f"host=127.0.0.1 port={gate.port}" for i, gate in enumerate(gates)}, databases={"app": "backends=pg0,pg1 dbname={dbname}"}, query_wait_timeout=1)
        self.wait_told(200, "ready\n")
        self.weir.admin("disable backend pg0")
        self.wait_told(200, "ready\n")
        self.weir.admin("enable backend pg0")
        self.assert_serves()
        for gate in gates:  # the last one is never taken out, but cannot be reached
            gate.refuse()
            gate.reset()
        def noticed():  # by clients: nobody probes without a user for it
            self.refused_query()
            return self.told()[0] == 503
        wait_until(noticed, 30, "it to be noticed")
        self.assertRegex(self.told()[1], r"^app: none of 2 backends can serve a transaction \(.+\)\n$")
        for gate in gates:
            gate.open()
        self.wait_told(200, "ready\n")
        self.assert_serves()
