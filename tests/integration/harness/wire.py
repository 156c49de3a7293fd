"""A raw client of the PostgreSQL protocol 3: any message, any order, any bytes, and helpers for the common cases.

Builders return bytes; `Wire` is one connection. `Reply.types` is the sequence of message types without the
asynchronous ones (notices, parameter changes, notifications), e.g. "1" "2" "T" "D" "C" "Z" as "12TDCZ".
"""
import base64
import contextlib
import hashlib
import hmac
import os
import select
import socket
import struct

from .util import SLOW

TIMEOUT = 25 * SLOW  # seconds for anything to be answered; hanging, not slowness, is what it catches
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_REQUEST = struct.pack("!ii", 8, 80877104)
ASYNC_TYPES = "NSA"


class Closed(Exception):
    """The other side closed the connection."""


class PgError(Exception):
    """An ErrorResponse. `messages_before` counts nothing; fields by their protocol letter."""

    def __init__(self, fields):
        self.fields = fields
        self.severity = fields.get("V", fields.get("S", ""))
        self.code = fields.get("C", "")
        self.message = fields.get("M", "")
        super().__init__(f"{self.severity} {self.code}: {self.message}")


# ---- builders ---------------------------------------------------------------------------------------------

def cstr(text):
    return (text if isinstance(text, bytes) else text.encode()) + b"\0"


def msg(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def startup_packet(params, version=(3, 0)):
    body = struct.pack("!HH", *version) + b"".join(cstr(k) + cstr(v) for k, v in params.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def cancel_packet(key):
    body = struct.pack("!i", 80877102) + key
    return struct.pack("!i", len(body) + 4) + body


def query(sql):
    return msg("Q", cstr(sql))


def parse(name, sql, types=()):
    return msg("P", cstr(name) + cstr(sql) + struct.pack("!h", len(types)) + b"".join(struct.pack("!I", t) for t in types))


def bind(portal="", statement="", values=(), result_formats=()):
    body = cstr(portal) + cstr(statement) + struct.pack("!h", 0) + struct.pack("!h", len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            raw = value if isinstance(value, bytes) else str(value).encode()
            body += struct.pack("!i", len(raw)) + raw
    return msg("B", body + struct.pack("!h", len(result_formats)) + b"".join(struct.pack("!h", f) for f in result_formats))


def describe(kind="P", name=""):
    return msg("D", kind.encode() + cstr(name))


def execute(portal="", rows=0):
    return msg("E", cstr(portal) + struct.pack("!i", rows))


def close(kind="S", name=""):
    return msg("C", kind.encode() + cstr(name))


def sync():
    return msg("S")


def flush():
    return msg("H")


def terminate():
    return msg("X")


def copy_data(data):
    return msg("d", data)


def copy_done():
    return msg("c")


def copy_fail(reason="client gave up"):
    return msg("f", cstr(reason))


def password(text):
    return msg("p", cstr(text))


def function_call(oid, args=()):
    body = struct.pack("!IhhH", oid, 1, 0, len(args))  # text arguments
    for arg in args:
        raw = str(arg).encode()
        body += struct.pack("!i", len(raw)) + raw
    return msg("F", body + struct.pack("!h", 0))


def one(sql, values=(), name=""):
    """A whole extended round without its Sync: Parse (unnamed unless named), Bind, Describe, Execute."""
    return parse(name, sql) + bind("", name, values) + describe("P", "") + execute()


# ---- replies ----------------------------------------------------------------------------------------------

def parse_fields(body):
    fields = {}
    for part in body.split(b"\0"):
        if part:
            fields[chr(part[0])] = part[1:].decode("utf-8", "replace")
    return fields


def parse_row(body):
    (count,), at, row = struct.unpack_from("!H", body), 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            row.append(None)
        else:
            row.append(body[at:at + length].decode("utf-8", "replace"))
            at += length
    return tuple(row)


def parse_columns(body):
    """[(name, type oid)] of a RowDescription."""
    (count,), at, columns = struct.unpack_from("!H", body), 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        columns.append((body[at:end].decode(), struct.unpack_from("!I", body, end + 7)[0]))
        at = end + 19
    return columns


class Reply:
    """Everything up to and including one ReadyForQuery (or to the close of the connection)."""

    def __init__(self):
        self.messages, self.rows, self.tags, self.errors, self.notices = [], [], [], [], []
        self.columns, self.status, self.closed, self.copied = [], "", False, bytearray()

    def add(self, kind, body):
        self.messages.append((kind, body))
        if kind == "D":
            self.rows.append(parse_row(body))
        elif kind == "C":
            self.tags.append(body[:-1].decode())
        elif kind == "E":
            self.errors.append(PgError(parse_fields(body)))
        elif kind == "N":
            self.notices.append(PgError(parse_fields(body)))
        elif kind == "T":
            self.columns = parse_columns(body)
        elif kind == "d":
            self.copied += body
        elif kind == "Z":
            self.status = chr(body[0])

    @property
    def types(self):
        return "".join(kind for kind, _ in self.messages if kind not in ASYNC_TYPES)

    @property
    def error(self):
        return self.errors[0] if self.errors else None

    @property
    def value(self):
        return self.rows[0][0] if self.rows else None

    def check(self):
        if self.errors:
            raise self.errors[0]
        return self

    def __repr__(self):
        return f"Reply({self.types!r}, rows={self.rows[:3]}, tags={self.tags}, errors={self.errors}, closed={self.closed})"


# ---- SCRAM ------------------------------------------------------------------------------------------------

class ScramClient:
    def __init__(self, secret):
        self.secret = secret.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first_bare = f"n=,r={self.nonce}"

    def first(self):
        data = ("n,," + self.first_bare).encode()
        return msg("p", cstr("SCRAM-SHA-256") + struct.pack("!i", len(data)) + data)

    def final(self, challenge):
        server_first = challenge.decode()
        parts = dict(p.split("=", 1) for p in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.secret, base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={parts['r']}"
        auth = f"{self.first_bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), auth, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        self.server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
        return msg("p", f"{without_proof},p={proof}".encode())

    def verify(self, final):
        if base64.b64decode(final.decode()[2:]) != self.server_signature:
            raise AssertionError("the server's SCRAM signature is wrong")


def scram_verifier(secret, salt=None, iterations=4096):
    """A SCRAM-SHA-256 secret as PostgreSQL and userlist.txt store it."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    b64 = lambda raw: base64.b64encode(raw).decode()
    return f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored)}:{b64(server)}"


def md5_secret(user, secret):
    return "md5" + hashlib.md5((secret + user).encode()).hexdigest()


# ---- connection -------------------------------------------------------------------------------------------

class Wire:
    """One connection. `host` may be a folder: then it is a Unix socket. `source` is the address it comes from."""

    def __init__(self, host, port, timeout=TIMEOUT, rcvbuf=None, source=None):
        self.host, self.port = host, port
        if host.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX)
            address = f"{host}/.s.PGSQL.{port}"
        else:
            self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            address = (host, port)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        try:
            if source:
                self.sock.bind((source, 0))
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        if not host.startswith("/"):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.at = 0
        self.params, self.key, self.negotiated, self.auth_requests, self.notices = {}, b"", None, [], []

    # -- bytes and messages
    def send(self, *parts):
        self.sock.sendall(b"".join(parts))
        return self

    def _fill(self):
        if self.at:
            del self.buffer[:self.at]
            self.at = 0
        try:
            data = self.sock.recv(262144)
        except ConnectionResetError as e:
            raise Closed("connection reset") from e
        if not data:
            raise Closed(f"connection closed{' in mid-message' if self.buffer else ''}")
        self.buffer += data

    def recv_exact(self, count):
        while len(self.buffer) - self.at < count:
            self._fill()
        data = bytes(self.buffer[self.at:self.at + count])
        self.at += count
        return data

    def recv(self):
        """The next message as (type, body)."""
        head = self.recv_exact(5)
        (length,) = struct.unpack_from("!i", head, 1)
        if length < 4:
            raise AssertionError(f"the server sent a message of length {length}")
        kind, body = chr(head[0]), self.recv_exact(length - 4)
        if kind == "S":
            name, value = body[:-1].split(b"\0")[:2]
            self.params[name.decode()] = value.decode()
        return kind, body

    def collect(self, until="Z"):
        """Messages up to one of the types in `until`, or to the end of the connection (`closed`)."""
        reply = Reply()
        try:
            while True:
                kind, body = self.recv()
                reply.add(kind, body)
                if kind in until:
                    break
        except Closed:
            reply.closed = True
        self.notices += reply.notices
        return reply

    def collect_many(self, count):
        return [self.collect() for _ in range(count)]

    def expect_close(self):
        """Reads to the end of the connection and returns what came before it."""
        return self.collect(until="")

    def readable(self, seconds=0.0):
        return self.at < len(self.buffer) or bool(select.select([self.sock], [], [], seconds)[0])

    # -- login
    def login(self, user="app", database="app", secret=None, version=(3, 0), **params):
        """Startup and authentication; raises PgError or Closed when refused. Unknown names go in as given."""
        self.send(startup_packet({"user": user, "database": database, **params}, version))
        return self.authenticate(user, secret)

    def authenticate(self, user, secret):
        scram = None
        while True:
            kind, body = self.recv()
            if kind == "E":
                raise PgError(parse_fields(body))
            if kind == "K":
                self.key = body
            elif kind == "N":
                self.notices.append(PgError(parse_fields(body)))
            elif kind == "v":
                self.negotiated = body
            elif kind == "Z":
                return self
            elif kind == "R":
                (request,) = struct.unpack_from("!i", body)
                self.auth_requests.append(request)
                if request == 3:
                    self.send(password(secret or ""))
                elif request == 5:
                    inner = hashlib.md5(((secret or "") + user).encode()).hexdigest()
                    self.send(password("md5" + hashlib.md5(inner.encode() + body[4:8]).hexdigest()))
                elif request == 10:
                    scram = ScramClient(secret or "")
                    self.send(scram.first())
                elif request == 11:
                    self.send(scram.final(body[4:]))
                elif request == 12:
                    scram.verify(body[4:])
                elif request != 0:
                    raise AssertionError(f"unknown authentication request {request}")

    # -- common use
    def run(self, sql):
        """A simple query; errors are in the reply."""
        return self.send(query(sql)).collect()

    def sql(self, text):
        """A simple query that must succeed: its rows."""
        reply = self.run(text)
        if reply.closed:
            raise reply.error or Closed(f"closed during {text!r}")
        return reply.check().rows

    def one(self, text):
        return self.sql(text)[0][0]

    def extended(self, sql, values=(), name=""):
        return self.send(one(sql, values, name), sync()).collect()

    def server_pid(self):
        return int(self.one("select pg_backend_pid()"))

    def cancel(self, key=None):
        """Sends a CancelRequest over a connection of its own and waits until the other side closes it."""
        with Wire(self.host, self.port) as w:
            w.send(cancel_packet(self.key if key is None else key))
            w.expect_close()

    def half_close(self):
        with contextlib.suppress(OSError):  # closed by the other side already
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Goes away with RST, as a killed client behind a dead network would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        if self.sock.fileno() >= 0:
            try:
                self.sock.send(terminate())
            except OSError:
                pass
            self.sock.close()

    def drop(self):
        """Closes without Terminate."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
