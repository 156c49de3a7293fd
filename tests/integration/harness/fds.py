"""Run by a test as the system user of the pooler: takes SHOW FDS over the Unix socket as `pgbouncer`, with the descriptors, and prints what they are.

    fds.py SOCKET_DIR PORT  ->  JSON: [{"row": {column: value}, "local": [host, port] or path, "peer": ..., "listens": bool, "options": {name: number}}]
"""
import array
import json
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import wire  # noqa: E402


def receive_rows(sock):
    """Messages of one answer, and the descriptors that came with its rows, in their order."""
    buffer, out, passed = b"", [], []
    while True:
        data, ancillary, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(4))
        if not data:
            raise SystemExit("closed")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[:4])
                passed.append(fds[0])
        buffer += data
        while len(buffer) >= 5:
            length = 1 + struct.unpack_from("!i", buffer, 1)[0]
            if len(buffer) < length:
                break
            out.append((chr(buffer[0]), buffer[5:length]))
            buffer = buffer[length:]
            if out[-1][0] == "Z":
                return out, passed


OPTIONS = {"keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE), "keepidle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
           "keepintvl": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), "keepcnt": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
           "user_timeout": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), "defer_accept": (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT),
           "nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY), "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF), "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF)}


def options_of(s):
    """Of TCP; nothing of a Unix socket."""
    if s.family == socket.AF_UNIX:
        return {}
    return {name: s.getsockopt(*option) for name, option in OPTIONS.items()}


def end_of(name):
    try:
        return name()
    except OSError:
        return None


def main():
    """The test's side is Weir.sockets()."""
    c = wire.Wire(sys.argv[1], int(sys.argv[2])).login("pgbouncer", "pgbouncer")
    c.send(wire.query("show fds"))
    names, found = [], []
    messages, passed = receive_rows(c.sock)
    if len(passed) != sum(kind == "D" for kind, _ in messages):
        raise SystemExit(f"{len(passed)} descriptors for {messages}")
    for kind, body in messages:
        if kind == "E":
            raise SystemExit(str(wire.PgError(wire.parse_fields(body))))
        if kind == "T":
            names = [name for name, _ in wire.parse_columns(body)]
        if kind != "D":
            continue
        with socket.socket(fileno=passed[len(found)]) as s:
            found.append({"row": dict(zip(names, wire.parse_row(body))), "local": end_of(s.getsockname), "peer": end_of(s.getpeername),
                          "listens": bool(s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)), "options": options_of(s)})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
