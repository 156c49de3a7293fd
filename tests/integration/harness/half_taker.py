"""Half a process that takes over: speaks as `weir -R` does up to a point, and dies there or does something else.

    half_taker.py SOCKET STAGE        run as the system user of the pooler

Stages: hello (it is let in, and goes), waits (it is let in, and stays until its input ends), begin (it asks for everything, and goes), some (it takes the first bytes), all (it has everything and never says
so), silent (as all, but it stays until its input ends), nonsense (it answers with something else). Prints one line for what it has seen.
"""
import array
import socket
import struct
import sys


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def main():
    path, stage = sys.argv[1:]
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    buffer = b""
    fds = []

    def receive():
        data, ancillary, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(253 * 4))
        for _, _, payload in ancillary:
            fds.extend(array.array("i", payload[:len(payload) // 4 * 4]))
        if not data:
            print("closed", len(fds), flush=True)
            sys.exit(0)
        return data

    def next_message():
        nonlocal buffer
        while len(buffer) < 5 or len(buffer) < 1 + struct.unpack("!i", buffer[1:5])[0]:
            buffer += receive()
        total = 1 + struct.unpack("!i", buffer[1:5])[0]
        found, buffer = buffer[:total], buffer[total:]
        return found[:1], found[5:]

    body = struct.pack("!i", 196608) + b"user\0pgbouncer\0database\0pgbouncer\0\0"
    sock.sendall(struct.pack("!i", len(body) + 4) + body)
    while next_message()[0] != b"Z":
        pass
    sock.sendall(message(b"Q", b"TAKEOVER 1\0"))
    kind, body = next_message()
    if kind != b"h":
        print("refused", body, flush=True)
        return
    if stage == "waits":
        print("let in", flush=True)
        sys.stdin.read()
        return
    if stage != "hello":
        sock.sendall(message(b"b", b"\0"))
    if stage == "some":
        receive()
    if stage in ("all", "silent", "nonsense"):
        kinds = []
        while not kinds or kinds[-1] != b"z":
            kinds.append(next_message()[0])
        print("has", "".join(sorted(k.decode() for k in kinds)), len(fds), flush=True)
    if stage == "nonsense":
        sock.sendall(message(b"x", b"\0"))
        receive()
    if stage == "silent":
        sys.stdin.read()


main()
