"""A scripted PostgreSQL server: each accepted connection runs `script(peer)` in a thread of its own.

    def script(peer):
        peer.startup()
        peer.login_ok()
        peer.serve()
    with FakeBackend(script) as fake: ...  databases={"app": fake.connstr}
"""
import socket
import struct
import threading
import time

from .wire import Closed, cstr, msg

CANCEL_REQUEST = 80877102
PARAMETERS = {"server_version": "15.0", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "TimeZone": "Etc/UTC",
              "standard_conforming_strings": "on", "integer_datetimes": "on", "IntervalStyle": "postgres", "application_name": "",
              "is_superuser": "off", "session_authorization": "app", "in_hot_standby": "off", "default_transaction_read_only": "off"}


def error(message, code="XX000", severity="ERROR", **more):
    fields = {"S": severity, "V": severity, "C": code, "M": message, **more}
    return msg("E", b"".join(k.encode() + cstr(v) for k, v in fields.items() if v is not None) + b"\0")


def notice(message, code="00000"):
    return msg("N", b"".join(k.encode() + cstr(v) for k, v in {"S": "NOTICE", "V": "NOTICE", "C": code, "M": message}.items()) + b"\0")


def ready(status="I"):
    return msg("Z", status.encode())


def parameter(name, value):
    return msg("S", cstr(name) + cstr(value))


def row(*values):
    raw = [str(v).encode() for v in values]
    return msg("D", struct.pack("!h", len(raw)) + b"".join(struct.pack("!i", len(r)) + r for r in raw))


def columns(*names):
    return msg("T", struct.pack("!h", len(names)) + b"".join(cstr(n) + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0) for n in names))


def result(*values):
    """The whole answer to a simple query with one row."""
    return columns(*(f"c{i}" for i in range(len(values)))) + row(*values) + msg("C", cstr("SELECT 1")) + ready()


class Peer:
    def __init__(self, sock):
        self.sock, self.buffer, self.params, self.cancel_key = sock, b"", {}, None

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def recv_exact(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise Closed("the pooler closed the connection")
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def startup(self):
        """Reads a StartupMessage (refusing SSL and GSS encryption first); its parameters are in self.params. Or a cancel request: then the key
        is in self.cancel_key."""
        while True:
            (length,) = struct.unpack("!i", self.recv_exact(4))
            body = self.recv_exact(length - 4)
            (code,) = struct.unpack_from("!i", body)
            if code in (80877103, 80877104):
                self.send(b"N")
                continue
            self.code = code
            if code == CANCEL_REQUEST:
                self.cancel_key = body[4:]
                return self
            parts = body[4:].split(b"\0")
            self.params = {k.decode(): v.decode() for k, v in zip(parts[0::2], parts[1::2]) if k}
            return self

    def recv(self):
        head = self.recv_exact(5)
        return chr(head[0]), self.recv_exact(struct.unpack("!i", head[1:])[0] - 4)

    def login_ok(self, key=struct.pack("!ii", 4711, 815), before=b"", **changed):
        """`before` goes in front of AuthenticationOk; `key` is the body of BackendKeyData."""
        self.send(before, msg("R", struct.pack("!i", 0)), b"".join(parameter(k, v) for k, v in {**PARAMETERS, **changed}.items()), msg("K", key), ready())

    def serve(self, answer=None):
        """Answers simple queries with `answer(sql)` (bytes) until Terminate."""
        while True:
            kind, body = self.recv()
            if kind == "X":
                return
            if kind == "Q":
                sql = body[:-1].decode()
                reply = answer(sql) if answer else None
                if reply is None:
                    reply = msg("I") + ready() if not sql.strip() else msg("C", cstr("SET")) + ready() if sql.lower().startswith("set") else result(1)
                self.send(reply)


def answers(messages):
    """What a server whose every statement returns one row says to a list of (type, body)."""
    out = b""
    for kind, body in messages:
        if kind == "Q":
            out += result(1)
        elif kind in "PBC":
            out += msg({"P": "1", "B": "2", "C": "3"}[kind])
        elif kind == "D":
            out += (msg("t", struct.pack("!h", 0)) if body[:1] == b"S" else b"") + columns("c0")
        elif kind == "E":
            out += row(1) + msg("C", cstr("SELECT 1"))
        elif kind == "S":
            out += ready()
    return out


def slow_line(seconds):
    """A script for a server at the end of a long line: whatever arrives together is answered together, `seconds` later."""
    def script(peer):
        peer.startup()
        peer.login_ok()
        while True:
            messages = [peer.recv()]
            time.sleep(seconds)
            peer.sock.setblocking(False)
            try:
                peer.buffer += peer.sock.recv(1 << 20)
            except BlockingIOError:
                pass
            peer.sock.setblocking(True)
            while len(peer.buffer) >= 5 and len(peer.buffer) >= 1 + struct.unpack_from("!i", peer.buffer, 1)[0]:
                messages.append(peer.recv())
            if any(kind == "X" for kind, _ in messages):
                return
            peer.send(answers(messages))
    return script


class FakeBackend:
    def __init__(self, script):
        self.script, self.accepted, self.peers, self.failures = script, 0, [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.connstr = f"host=127.0.0.1 port={self.port} dbname=app"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.peers.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self.script(Peer(sock))
        except (OSError, Closed):
            pass
        except Exception as e:  # noqa: BLE001  (a bug of the script, shown by the test)
            self.failures.append(e)
        finally:
            sock.close()

    def close(self):
        self.listener.close()
        for sock in self.peers:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        if self.failures:
            raise self.failures[0]
