"""The rig itself, without a pooler: replication and what can be done to it, every fault of the gate, the load's records."""
import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import wire
from harness.case import Case, replicated, wait_until
from harness.gate import TO_CLIENT, TO_SERVER, Gate
from harness.load import Load, Result, Sample, prepare
from harness.postgres import bindir
from harness.replication import children
from harness.util import SLOW, process_alive, stopped
from harness.wire import query

LOST = (wire.Closed, OSError)


class Replicated(Case):
    make_cluster = staticmethod(replicated)

    def setUp(self):
        self.addCleanup(self.pg.heal)

    def check_replicates(self):
        value = str(time.monotonic_ns())
        self.pg.sql(f"create table if not exists rig(x text); insert into rig values ('{value}')")
        self.pg.wait_in_sync()
        for s in self.pg.servers:
            self.assertEqual(s.one(f"select count(*) from rig where x = '{value}'"), "1", s.name)


class Replication(Replicated):
    def test_replicas_follow(self):
        self.assertEqual(sorted(self.pg.roles()), ["primary", "replica", "replica"])
        self.check_replicates()
        with self.assertRaises(wire.PgError) as caught:
            self.pg.servers[self.pg.replicas[0]].sql("create table no()")
        self.assertEqual(caught.exception.code, "25006")

    def test_databases(self):
        name = self.pg.take_database()
        for s in self.pg.servers:
            with s.connect("app", name) as c:
                self.assertEqual(c.one("select current_database()"), name)
        self.pg.give_database(name)
        self.assertEqual(self.pg.one(f"select count(*) from pg_database where datname = '{name}'"), "0")

    def test_switchover_and_back(self):
        first = self.pg.leader
        timeline = self.pg.primary.timeline()
        for _ in range(self.pg.size):
            self.pg.switchover()
            self.assertEqual(self.pg.roles()[self.pg.leader], "primary")
            self.assertEqual(self.pg.roles().count("replica"), 2)
            self.check_replicates()
        self.assertEqual(self.pg.leader, first)
        self.assertEqual(self.pg.primary.timeline(), timeline + self.pg.size)

    def test_the_primary_dies(self):
        old, new = self.pg.leader, self.pg.replicas[0]
        self.pg.kill9(old)
        self.assertEqual(self.pg.roles()[old], "down")
        self.pg.promote(new)
        self.assertEqual((self.pg.leader, self.pg.roles()[new]), (new, "primary"))
        self.pg.rejoin(old)
        self.assertEqual(self.pg.roles()[old], "replica")
        self.check_replicates()

    def test_two_primaries(self):
        old, new = self.pg.leader, self.pg.replicas[1]
        self.pg.promote(new)
        self.assertEqual(self.pg.roles().count("primary"), 2)
        self.assertGreater(self.pg.servers[new].timeline(), self.pg.servers[old].timeline())
        self.pg.servers[old].sql("create table diverged as select generate_series(1, 1000)")
        self.pg.heal()
        self.assertEqual(self.pg.roles().count("primary"), 1)
        self.assertEqual(self.pg.servers[old].one("select count(*) from pg_class where relname = 'diverged'"), "0")
        self.check_replicates()

    def test_a_fresh_copy(self):
        i = self.pg.replicas[0]
        self.pg.rejoin(i, fresh=True)
        self.assertEqual(self.pg.rejoined_by[i], "copy")
        self.check_replicates()

    def test_frozen(self):
        i = self.pg.replicas[0]
        s = self.pg.servers[i]
        with s.connect() as c:
            self.pg.freeze(i)
            self.assertTrue(all(stopped(p) for p in [s.proc.pid, *children(s.proc.pid)]))
            c.send(query("select 1"))
            self.assertFalse(c.readable(0.2))
            self.assertEqual(s.role(), "silent")
            self.pg.thaw(i)
            self.assertEqual(c.collect().value, "1")
        self.check_replicates()

    def test_stopped_and_started(self):
        i = self.pg.replicas[1]
        for mode in ("fast", "immediate"):
            self.pg.stop(i, mode)
            self.assertEqual(self.pg.roles()[i], "down")
            self.pg.start(i)
        self.check_replicates()

    def test_lag(self):
        i, other = self.pg.replicas
        self.pg.pause_replay(i)
        self.pg.sql("create table late as select generate_series(1, 1000)")
        self.pg.wait_in_sync(only=[other])
        self.assertGreater(self.pg.lag_bytes(i), 10_000)
        self.assertEqual(self.pg.servers[i].one("select count(*) from pg_class where relname = 'late'"), "0")
        self.pg.resume_replay(i)
        self.pg.wait_in_sync()
        self.assertEqual(self.pg.lag_bytes(i), 0)
        self.pg.sql("drop table late")

    def test_nothing_is_left(self):
        with type(self.pg)(replicas=1) as extra:
            extra.freeze(1)
            extra.kill9(0)
            servers = list(extra.servers)
            pids = [p for s in servers for p in [s.proc.pid, *children(s.proc.pid)]]
        for s in servers:
            self.assertFalse(os.path.exists(s.dir))
        wait_until(lambda: not any(process_alive(p) for p in pids), 10, "all processes to be gone")


class Gates(Replicated):
    """Each fault, in front of PostgreSQL itself."""

    def setUp(self):
        self.gate = Gate(self.pg.port)
        self.addCleanup(self.gate.close)

    def connect(self, **kw):
        c = wire.Wire("127.0.0.1", self.gate.port, **kw).login("app", "postgres")
        self.addCleanup(c.drop)
        return c

    def timed(self, c, text="select 1"):
        began = time.monotonic()
        c.sql(text)
        return time.monotonic() - began

    def check_passes(self):
        with self.connect() as c:
            self.assertEqual(c.one("select 40 + 2"), "42")

    def test_passes_and_counts(self):
        a, b = self.connect(), self.connect()
        self.assertEqual(a.one("select repeat('x', 3000000)"), "x" * 3_000_000)
        c = self.gate.counters()
        self.assertEqual((c["opened"], c["open"], c["most_open"], c["logging_in"], c["most_logins"]), (2, 2, 2, 0, 1))
        self.assertGreater(c["to_client"], 3_000_000)
        self.assertLess(c["to_server"], 1000)
        a.close()
        b.drop()
        wait_until(lambda: self.gate.counters()["closed"] == 2, 10, "both connections to be closed")
        self.assertEqual(self.gate.counters()["open"], 0)

    def test_counts_logins_at_one_time(self):
        self.gate.freeze(TO_CLIENT)
        pending = [wire.Wire("127.0.0.1", self.gate.port).send(wire.startup_packet({"user": "app", "database": "postgres"})) for _ in range(5)]
        wait_until(lambda: self.gate.counters()["logging_in"] == 5, 10, "five logins")
        self.gate.thaw()
        for c in pending:
            c.authenticate("app", None)
            c.close()
        self.assertEqual((self.gate.counters()["logging_in"], self.gate.counters()["most_logins"]), (0, 5))
        self.gate.forget_peaks()
        self.check_passes()
        self.assertEqual(self.gate.counters()["most_logins"], 1)

    def test_delay(self):
        old = self.connect()
        self.gate.delay(60, jitter=20)
        self.assertGreaterEqual(self.timed(old), 0.12)
        self.gate.delay(60, way=TO_SERVER)
        self.gate.delay(0, way=TO_CLIENT)
        self.assertGreaterEqual(self.timed(old), 0.06)
        self.gate.delay(0)
        self.gate.delay(150, way=TO_CLIENT, which="new")
        new = self.connect()
        self.assertGreaterEqual(self.timed(new), 0.15)
        self.assertLess(min(self.timed(old) for _ in range(5)), 0.15)
        self.gate.clear()
        self.assertLess(min(self.timed(new) for _ in range(5)), 0.15)

    def test_delayed_data_stays_in_order(self):
        c = self.connect()
        self.gate.delay(5, jitter=30)
        c.send(*(query(f"select {n}") for n in range(3)))
        for n in range(3, 60):
            c.send(query(f"select {n}"))
        self.assertEqual([c.collect().value for _ in range(60)], [str(n) for n in range(60)])

    def test_freeze(self):
        old = self.connect()
        self.gate.freeze()
        old.send(query("select 1"))
        new = wire.Wire("127.0.0.1", self.gate.port).send(wire.startup_packet({"user": "app", "database": "postgres"}))  # is accepted
        self.addCleanup(new.drop)
        self.assertFalse(old.readable(0.2) or new.readable(0))
        self.gate.thaw()
        self.assertEqual(old.collect().value, "1")
        new.authenticate("app", None)
        self.gate.freeze(TO_CLIENT, which="existing")
        new.send(query("select 1"))
        self.assertFalse(new.readable(0.1))
        self.check_passes()
        new.drop()  # nobody tells the server yet
        wait_until(lambda: self.gate.counters()["open"] == 1, 10, "the client to be gone")
        self.gate.clear()
        old.one("select 1")
        wait_until(lambda: self.gate.counters()["closed"] == 2, 10, "the connection to be closed")

    def test_reset(self):
        a = self.connect()
        self.gate.reset()
        with self.assertRaises(LOST):
            a.one("select 1")
        self.check_passes()
        b = self.connect()
        self.gate.reset(existing=False, new=True)
        for _ in range(20):
            with self.assertRaises(LOST):
                self.connect()
        self.assertEqual(b.one("select 1"), "1")
        self.assertEqual(self.gate.counters()["refused"], 20)
        self.gate.clear()
        self.check_passes()

    def test_cut_after(self):
        old = self.connect()
        self.gate.cut_after(1000, which="existing")
        before = self.gate.counters()[TO_CLIENT]
        self.assertEqual(old.one("select 1"), "1")
        with self.assertRaises(LOST):
            old.one("select repeat('x', 5000)")
        self.assertEqual(self.gate.counters()[TO_CLIENT] - before, 1000)
        self.gate.cut_after(20, which="new")
        with self.assertRaises(LOST):
            self.connect()
        self.gate.cut_after(None)
        self.gate.cut_after(5, way=TO_SERVER, which="new", how="fin")
        raw = wire.Wire("127.0.0.1", self.gate.port).send(wire.startup_packet({"user": "app", "database": "postgres"}))
        self.addCleanup(raw.drop)
        self.assertTrue(raw.expect_close().closed)
        self.gate.clear()
        self.check_passes()
        self.assertEqual(self.gate.counters()["cut"], 3)

    def test_refuse(self):
        old = self.connect()
        for _ in range(3):
            self.gate.refuse()
            with self.assertRaises(ConnectionRefusedError):
                self.connect()
            self.assertEqual(old.one("select 1"), "1")
            self.gate.open()
            self.check_passes()

    def test_refuse_with(self):
        old = self.connect()
        self.gate.refuse_with("57P03", "the database system is starting up")
        for first in (b"", wire.SSL_REQUEST, wire.GSS_REQUEST):
            c = wire.Wire("127.0.0.1", self.gate.port)
            self.addCleanup(c.drop)
            if first:
                self.assertEqual(c.send(first).recv_exact(1), b"N")
            reply = c.send(wire.startup_packet({"user": "app", "database": "postgres"})).expect_close()
            self.assertEqual((reply.error.severity, reply.error.code, reply.error.message), ("FATAL", "57P03", "the database system is starting up"))
        self.assertEqual(old.one("select 1"), "1")
        self.gate.refuse_with(None)
        self.check_passes()

    def test_limit(self):
        c = self.connect()
        self.gate.limit(1_000_000, way=TO_CLIENT)
        self.assertGreaterEqual(self.timed(c, "select repeat('x', 200000)"), 0.15)
        self.gate.clear()
        self.assertEqual(len(c.one("select repeat('x', 20000000)")), 20_000_000)

    def test_a_server_that_does_not_listen(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        self.gate.point_to(port)
        with self.assertRaises(LOST):
            self.connect()
        self.gate.point_to(self.pg.port)
        self.check_passes()
        self.assertEqual(self.gate.counters()["failed"], 1)

    def test_a_client_that_reads_slowly_is_not_buffered_without_end(self):
        c = self.connect(rcvbuf=65536)
        c.send(query("select repeat('x', 1000000) from generate_series(1, 40)"))
        time.sleep(0.3)
        self.assertLess(self.gate.counters()[TO_CLIENT], 20_000_000)
        self.assertEqual(len(c.collect().rows), 40)

    def test_many_messages(self):
        """Pipelines, so that the gate and not PostgreSQL is what works."""
        c = self.connect()
        c.sql("set client_min_messages = error")
        used = time.thread_time()
        rounds, depth = 20, 100
        data = b"".join(query("") for _ in range(depth))
        for _ in range(rounds):
            c.send(data)
            self.assertEqual({r.types for r in c.collect_many(depth)}, {"IZ"})
        self.assertLess(time.thread_time() - used, 10 * SLOW)

    def test_pgbench(self):
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write("select 1;\n")
            script.flush()
            done = subprocess.run([f"{bindir()}/pgbench", "-h", "127.0.0.1", "-p", str(self.gate.port), "-U", "app", "-n", "-f", script.name, "-c", "8", "-t", "200", "postgres"],
                                  capture_output=True, text=True, timeout=60 * SLOW)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("number of transactions actually processed: 1600/1600", done.stdout)

    def test_storm_of_connections(self):
        """Faults come and go while clients come and go; afterwards nothing is open."""
        over = threading.Event()

        def come_and_go():
            while not over.is_set():
                with contextlib.suppress(wire.PgError, *LOST):
                    with wire.Wire("127.0.0.1", self.gate.port, timeout=5).login("app", "postgres") as c:
                        c.one("select repeat('x', 100000)")
        threads = [threading.Thread(target=come_and_go, daemon=True) for _ in range(8)]
        for t in threads:
            t.start()
        for fault in (lambda: self.gate.delay(3, 5), lambda: self.gate.freeze(), lambda: self.gate.reset(new=True), lambda: self.gate.cut_after(700),
                      lambda: self.gate.refuse(), lambda: self.gate.refuse_with("57P03"), lambda: self.gate.limit(3_000_000)) * 2:
            fault()
            time.sleep(0.03)
            self.gate.clear()
        over.set()
        for t in threads:
            t.join(30)
        self.check_passes()
        wait_until(lambda: self.gate.counters()["open"] == 0, 10, "no connections")
        wait_until(lambda: self.gate.counters()["opened"] == self.gate.counters()["closed"], 10, "all to be closed")


class Loads(Replicated):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = cls.pg.take_database()
        cls.addClassCleanup(cls.pg.give_database, cls.database)
        prepare(cls.pg, cls.database)

    def load(self, port=None, **kw):
        return Load("127.0.0.1", port or self.pg.port, self.database, **{"clients": 4, "seconds": 0.4, **kw})

    def test_reads(self):
        r = self.load().run()
        self.assertGreater(len(r), 50)
        self.assertEqual((r.error_rate(), r.violations, dict(r.shares())), (0, [], {self.pg.port: 1.0}), r)
        self.assertEqual(len(r.logins), 4)
        self.assertLessEqual(r.percentile(50), r.percentile(99))
        self.assertEqual(sum(len(part) for _, part in r.slices(0.1)), len(r))

    def test_writes_and_blocks(self):
        r = self.load(kind="write").run()
        self.assertFalse(r.errors(), r)
        self.assertEqual({(str(s.client), str(s.seq)) for s in r.good}, set(self.pg.sql("select client, seq from load_rows", self.database)))
        r = self.load(kind="block", processes=2, clients=5).run()
        self.assertFalse(r.errors() or r.violations, r)
        self.assertEqual({s.client for s in r.good}, set(range(5)))
        r = self.load(self.pg.servers[self.pg.replicas[0]].port, kind="write", seconds=0.3).run()
        self.assertEqual(set(r.errors()), {"25006"}, r)

    def test_rate(self):
        r = self.load(rate=100, clients=3).run()
        self.assertAlmostEqual(len(r), 40, delta=3)
        slow = self.load(rate=100, clients=2, work=0.05).run()  # 40 per second is what it can do
        self.assertLess(len(slow), 35)
        self.assertGreater(slow.samples[-1].latency, 0.1, "the time behind the schedule counts")

    def test_what_happened_when(self):
        with Gate(self.pg.port) as gate, self.load(gate.port, seconds=1.0, patience=5) as load:
            time.sleep(0.3)
            refused = time.monotonic()
            gate.refuse()
            gate.reset()
            down = time.monotonic()
            time.sleep(0.3)
            up = time.monotonic()
            gate.open()
            wait_until(lambda: gate.counters()["open"] == 4, 10, "the clients to come back")
            r = load.result()
        self.assertLessEqual(set(r.errors()), {"reset", "closed", "refused"})
        self.assertEqual(r.ended_between(0, refused).error_rate(), 0)
        self.assertEqual(len(r.between(down, up).ended_between(0, up).good), 0, r.table(0.1))
        self.assertGreater(len(r.between(up).good), 10)
        self.assertGreaterEqual(r.longest_gap(), 0.3)
        self.assertGreater(len(r.logins), 4)

    def test_ended_early(self):
        began = time.monotonic()
        with self.load(seconds=300) as load:
            time.sleep(0.2)
            self.assertGreater(len(load.finish()), 0)
        self.assertLess(time.monotonic() - began, 60 * SLOW)

    def test_a_wrong_answer_is_a_violation(self):
        from harness.fake_backend import FakeBackend, result

        def script(peer):
            peer.startup()
            peer.login_ok()
            peer.serve(lambda sql: result("0:999999", 5432, "f") if sql.startswith("select") else None)
        with FakeBackend(script) as fake:
            r = Load("127.0.0.1", fake.port, clients=1, seconds=0.2).run()
        self.assertEqual(set(r.errors()), {"wrong"})
        self.assertTrue(r.violations)


class Figures(unittest.TestCase):
    def test_figures(self):
        r = Result([Sample(n / 10, 0.01 * n, 1 if n % 4 else 2, False, "57P03" if n == 9 else "", "query", 0, n) for n in range(10)])
        self.assertEqual((r.percentile(0), r.percentile(50), r.percentile(100)), (0, 0.04, 0.08))
        self.assertEqual((r.errors(), r.error_rate()), ({"57P03": 1}, 1 - 9 / 10))
        self.assertEqual(dict(r.shares()), {1: 6 / 9, 2: 3 / 9})
        self.assertEqual([len(part) for _, part in r.slices(0.5)], [5, 5])
        self.assertEqual(len(r.between(0.35, 0.65)), 3)
        self.assertAlmostEqual(r.longest_gap(), 0.11)
