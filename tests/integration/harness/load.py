"""A load of K clients for T seconds, from processes of its own, that records each transaction and checks each answer.

    result = Load(weir.host, weir.port, "app", clients=16, seconds=5).run()
    with Load(..., kind="write", rate=200) as load:   # began: all clients are logged in
        at = time.monotonic()
        gate.freeze()
    after = load.result().between(at, at + 3)
    after.shares(), after.percentile(99), after.error_rate(), after.errors()

Closed loop: each client sends its next transaction when the last one is answered. With `rate` (transactions per second of all clients together) each has a
time at which it is due, and its latency counts from then, also when its client was still busy. Every query selects its client and sequence number: anything
else than these back is a violation. Times are those of time.monotonic(), the same in all processes.

kinds: "read"; "write" (inserts into load_rows, see prepare()); "block" (begin, read, read, commit, each a round trip, on one server).
`work`: seconds of pg_sleep in each, which makes capacity a matter of connections and not of the machine.
"""
import collections
import json
import math
import pathlib
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time

from . import wire

TABLE = "create table if not exists load_rows(client int, seq bigint); grant all on load_rows to public"
HERE = pathlib.Path(__file__).resolve().parent.parent
AGAIN = 0.05  # seconds until a client that lost its connection comes again

# error: "" or an SQLSTATE or one of closed, reset, refused, timeout, wrong; stage: login or query; port: of the server that answered, 0 unless it did
Sample = collections.namedtuple("Sample", "start latency port replica error stage client seq")


def prepare(cluster, database):
    cluster.sql(TABLE, database)


class Client:
    def __init__(self, number, load):
        self.number, self.load, self.conn, self.seq = number, load, None, 0

    def login(self):
        began = time.monotonic()
        try:
            w = wire.Wire(self.load["host"], self.load["port"], timeout=self.load["patience"])
            try:
                self.conn = w.login(self.load["user"], self.load["database"], application_name=f"load{self.number}")
            except BaseException:
                w.drop()
                raise
            self.load.logins.append((began, time.monotonic() - began))
            return True
        except (OSError, wire.Closed, wire.PgError) as e:
            self.load.add(Sample(began, time.monotonic() - began, 0, False, error_name(e), "login", self.number, 0))
            return False

    def texts(self):
        token, work = f"{self.number}:{self.seq}", f", pg_sleep({self.load['work']})" if self.load["work"] else ""
        read = f"select '{token}', current_setting('port'), pg_is_in_recovery(){work}"
        kind = self.load["kind"]
        if kind == "read":
            return [read]
        if kind == "write":
            return [f"insert into load_rows values ({self.number}, {self.seq}) returning client || ':' || seq, current_setting('port'), pg_is_in_recovery(){work}"]
        return ["begin", read, read, "commit"]

    def transact(self, due):
        self.seq += 1
        port, replica, error = 0, False, ""
        try:
            for text in self.texts():
                reply = self.conn.run(text)
                if reply.errors:
                    error = reply.error.code
                    if reply.closed or reply.error.severity in ("FATAL", "PANIC"):
                        self.lose()
                        break
                    if reply.status != "I":
                        self.conn.run("rollback")
                    break
                if reply.closed:
                    raise wire.Closed("closed")
                if text in ("begin", "commit"):
                    ok = reply.tags == [text.upper()]
                else:
                    ok = len(reply.rows) == 1 and reply.rows[0][0] == f"{self.number}:{self.seq}" and port in (0, int(reply.rows[0][1]))
                    if ok:
                        port, replica = int(reply.rows[0][1]), reply.rows[0][2] == "t"
                if not ok:
                    error = "wrong"
                    self.load.violations.append(f"client {self.number}, sequence {self.seq}, {text!r}: {str(reply)[:300]}")
                    self.lose()
                    break
        except (OSError, wire.Closed) as e:
            error = error_name(e)
            self.lose()
        self.load.add(Sample(due, time.monotonic() - due, 0 if error else port, replica, error, "query", self.number, self.seq))

    def lose(self):
        if self.conn:
            self.conn.drop()
        self.conn = None

    def run(self, begin, index):
        load, nth = self.load, 0
        while not load.over.is_set():
            if self.conn is None:
                if not self.login():
                    load.over.wait(AGAIN)
                    continue
            due = time.monotonic()
            if load["rate"]:
                due = begin + (nth * load["of"] + index) / load["rate"]
                nth += 1
                if due > time.monotonic() and load.over.wait(due - time.monotonic()):
                    break
            if due > load.until:
                break
            self.transact(due)
            if self.conn is None or load["think"]:
                load.over.wait(load["think"] or AGAIN)
        if self.conn:
            self.conn.close()


def error_name(e):
    if isinstance(e, wire.PgError):
        return e.code
    if isinstance(e, (socket.timeout, TimeoutError)):
        return "timeout"
    if isinstance(e, ConnectionRefusedError):
        return "refused"
    if isinstance(e, ConnectionError) or "reset" in str(e):
        return "reset"
    return "closed"


class Worker(dict):
    """The part of a load in one process; a thread for each client."""

    def __init__(self, settings):
        super().__init__(settings)
        self.samples, self.logins, self.violations, self.over = [], [], [], threading.Event()
        self.add = self.samples.append
        self.until = math.inf

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: self.over.set())
        clients = [Client(self["first"] + n, self) for n in range(self["clients"])]
        if self["eager"]:
            for c in clients:
                c.login()
        sys.stdout.buffer.write(b"r")
        sys.stdout.buffer.flush()
        if sys.stdin.buffer.read(1):  # all processes are ready
            begin = time.monotonic()
            self.until = begin + self["seconds"]
            end = threading.Timer(self["seconds"], self.over.set)
            end.daemon = True
            end.start()
            threads = [threading.Thread(target=c.run, args=(begin, c.number), daemon=True) for c in clients]
            for t in threads:
                t.start()
            for t in threads:
                while t.is_alive():
                    t.join(0.2)  # signals come through
            pickle.dump((begin, [tuple(s) for s in self.samples], self.logins, self.violations), sys.stdout.buffer, -1)
            sys.stdout.buffer.flush()


class Load:
    """`processes` share the clients; one carries some thousand transactions per second. `eager`: logged in before the time begins."""

    def __init__(self, host, port, database="app", user="app", clients=8, seconds=5, kind="read", rate=0, work=0, think=0, processes=1, patience=wire.TIMEOUT, eager=True,
                 first=0):
        self.settings = {"host": host, "port": int(port), "database": database, "user": user, "seconds": seconds, "kind": kind, "rate": rate, "work": work,
                         "think": think, "patience": patience, "eager": eager, "of": clients}
        share = [clients // processes + (n < clients % processes) for n in range(processes)]
        self.parts = [(first + sum(share[:n]), share[n]) for n in range(processes)]
        self.running, self.outcome, self.reader = [], None, None

    def start(self):
        for first, count in self.parts:
            arguments = json.dumps({**self.settings, "first": first, "clients": count})
            self.running.append(subprocess.Popen([sys.executable, "-m", "harness.load", arguments], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        try:
            for p in self.running:
                if p.stdout.read(1) != b"r":
                    raise AssertionError(f"a load process ended with {p.wait()}")
            for p in self.running:
                p.stdin.write(b"g")
                p.stdin.flush()
        except BaseException:
            self.abandon()
            raise
        return self

    def finish(self):
        """Ends it before its time."""
        for p in self.running:
            p.terminate()
        return self.result()

    def result(self):
        """Waits for the end."""
        if self.outcome is None:
            samples, logins, violations, begin = [], [], [], math.inf
            limit = threading.Timer(self.settings["seconds"] + 3 * self.settings["patience"] + 30, self.abandon)
            limit.start()
            try:
                for p in self.running:
                    data = p.stdout.read()
                    p.stdin.close()
                    if p.wait() != 0 or not data:
                        raise AssertionError(f"a load process ended with {p.returncode}")
                    at, some, in_, wrong = pickle.loads(data)
                    begin = min(begin, at)
                    samples += [Sample(*s) for s in some]
                    logins, violations = logins + in_, violations + wrong
            finally:
                limit.cancel()
                self.abandon()
            self.outcome = Result(sorted(samples), logins, violations, begin)
        return self.outcome

    def run(self):
        with self:
            return self.result()

    def abandon(self):
        for p in self.running:
            if p.poll() is None:
                p.kill()
                p.wait()

    __enter__ = start

    def __exit__(self, kind, *_):
        if kind is None:
            self.result()
        self.abandon()
        for p in self.running:
            p.stdout.close()
            p.stdin.close()


class Result:
    """Samples in order of their start. Latencies and shares are of those that succeeded."""

    def __init__(self, samples, logins=(), violations=(), begin=0.0):
        self.samples, self.logins, self.violations, self.begin = samples, list(logins), list(violations), begin
        self.good = [s for s in samples if not s.error]

    def __len__(self):
        return len(self.samples)

    def between(self, start, end=math.inf):
        """Those that began in this time."""
        return Result([s for s in self.samples if start <= s.start < end], [x for x in self.logins if start <= x[0] < end], self.violations, max(start, self.begin))

    def ended_between(self, start, end=math.inf):
        return Result([s for s in self.samples if start <= s.start + s.latency < end], self.logins, self.violations, max(start, self.begin))

    def without(self, port):
        """Those that this server did not answer."""
        return Result([s for s in self.samples if s.port != port], self.logins, self.violations, self.begin)

    def percentile(self, percent):
        """Seconds."""
        if not self.good:
            return math.nan
        ordered = sorted(s.latency for s in self.good)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    @property
    def slowest(self):
        return max((s.latency for s in self.samples), default=0.0)

    def shares(self):
        """{port of the server: part of the answers}"""
        count = collections.Counter(s.port for s in self.good)
        return collections.defaultdict(float, {port: n / len(self.good) for port, n in count.items()})

    def errors(self):
        """{SQLSTATE or kind of failure: how many}"""
        return collections.Counter(s.error for s in self.samples if s.error)

    def error_rate(self):
        return 1 - len(self.good) / len(self.samples) if self.samples else 0.0

    def throughput(self, start, end):
        """Successful transactions per second that ended in this time."""
        return sum(start <= s.start + s.latency < end for s in self.good) / (end - start)

    def longest_gap(self):
        """The longest time without a success, between the first and the last one."""
        ends = sorted(s.start + s.latency for s in self.good)
        return max((b - a for a, b in zip(ends, ends[1:])), default=0.0)

    def slices(self, width=1.0):
        """By time of start: [(seconds since begin, Result)]"""
        found = collections.defaultdict(list)
        for s in self.samples:
            found[int((s.start - self.begin) / width)].append(s)
        return [(n * width, Result(found[n], begin=self.begin + n * width)) for n in sorted(found)]

    def __str__(self):
        if not self.samples:
            return "no samples"
        ms = " ".join(f"p{p}={1000 * self.percentile(p):.1f}" for p in (50, 90, 99))
        return (f"{len(self.samples)} transactions, {ms} max={1000 * self.slowest:.1f} ms, shares { {k: round(v, 3) for k, v in sorted(self.shares().items())} }, "
                f"errors {dict(self.errors())}, violations {self.violations[:3]}")

    def table(self, width=1.0):
        """For the message of a failed assertion."""
        return "\n".join(f"{at:6.1f} s: {part}" for at, part in self.slices(width))


if __name__ == "__main__":
    Worker(json.loads(sys.argv[1])).run()
