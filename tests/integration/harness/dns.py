"""A small DNS server on 127.0.0.1: names and their addresses, zones and their serial numbers, silence and failures. It counts questions."""
import os
import socket
import struct
import threading

A, SOA, AAAA = 1, 6, 28
NXDOMAIN, SERVFAIL = 3, 2


def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split(".") if part) + b"\0"


class Dns:
    """`hosts` maps names to addresses (IPv4 and IPv6 mixed), `zones` names to serial numbers; both may be changed at any time. `is_silent`:
    no answers at all; `fails`: SERVFAIL for everything."""

    def __init__(self, hosts=None, zones=None):
        self.hosts, self.zones, self.questions = dict(hosts or {}), dict(zones or {}), []
        self.is_silent = self.fails = False
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def resolv_conf(self, path):
        with open(path, "w") as f:
            f.write(f"# of a test\nnameserver 127.0.0.1:{self.port}\noptions timeout:1 attempts:2\n")
        os.chmod(path, 0o644)
        return path

    def count(self, name, kind=A):
        return self.questions.count((name, kind))

    def run(self):
        while True:
            try:
                packet, peer = self.sock.recvfrom(2000)
            except OSError:
                return
            answer = self.answer(packet)
            if answer and not self.is_silent:
                try:
                    self.sock.sendto(answer, peer)
                except OSError:
                    pass

    def answer(self, packet):
        ident, _, count = struct.unpack("!HHH", packet[:6])
        if count != 1:
            return None
        name, at = [], 12
        while packet[at]:
            name.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
            at += 1 + packet[at]
        question, name = packet[12:at + 5], ".".join(name)
        kind = struct.unpack("!H", packet[at + 1:at + 3])[0]
        self.questions.append((name, kind))
        records, known = [], name in self.hosts or name in self.zones
        for ip in self.hosts.get(name, ()):
            family, wanted = (socket.AF_INET6, AAAA) if ":" in ip else (socket.AF_INET, A)
            if kind == wanted:
                records.append(socket.inet_pton(family, ip))
        if kind == SOA and name in self.zones:
            records.append(labels(f"ns.{name}") + labels(f"root.{name}") + struct.pack("!IIIII", self.zones[name], 1, 1, 1, 1))
        code = SERVFAIL if self.fails else 0 if known else NXDOMAIN
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 3600, len(r)) + r for r in records if not self.fails)
        return struct.pack("!HHHHHH", ident, 0x8180 | code, 1, 0 if self.fails else len(records), 0, 0) + question + body

    def close(self):
        self.sock.close()
