"""Leak detection: each kind brought about for real, what is told of it, what is done about it, and that work as usual is no leak."""
import contextlib
import re
import select
import threading
import time

from harness import wire
from harness.case import Case, background, subset, wait_until
from harness.fake_backend import FakeBackend
from harness.util import SLOW

OFF = {name: 0 for name in ("leak_idle_transaction", "leak_hold", "leak_pin", "leak_session_idle", "leak_statements", "leak_orphan",
                            "leak_buffer_time", "leak_count_check")}


class LeakCase(Case):
    def watch(self, **options):
        """A pooler with no rule but these; `weir_leak_…` are its options of [weir], the rest those of [pgbouncer]."""
        ours = {k: v for k, v in options.items() if k.startswith("leak_")}
        return self.start(weir={**OFF, **ours}, **{k: v for k, v in options.items() if k not in ours})

    def leaks(self, kind=None):
        return self.weir.show("leaks", **({"kind": kind} if kind else {}))

    def leak(self, kind, timeout=20, **want):
        """Waits for the only report of that kind to read so."""
        def there():
            rows = self.leaks(kind)
            return len(rows) == 1 and all(rows[0][k] == v for k, v in want.items()) and rows[0]
        try:
            return wait_until(there, timeout, f"a report of {kind} with {want}", interval=0.05)
        except AssertionError as e:
            raise AssertionError(f"{e}; there are {self.leaks()}; log:\n{self.weir.log()[-2000:]}") from None

    def totals(self):
        return {r["kind"]: {k: int(v) for k, v in r.items() if v.isdigit()} for r in self.weir.show("leak_totals")}

    def logged(self, pattern):
        self.weir.wait_log(re.compile(pattern))

    def assert_no_leaks(self):
        self.assertEqual(self.leaks(), [])
        self.assertNotIn("LEAK", self.weir.log())


class IdleInTransaction(LeakCase):
    def test_it_is_told_and_so_is_its_end(self):
        self.watch(leak_idle_transaction=1)
        c = self.client(application_name="shop")
        c.sql("begin")
        c.sql("select 'secret', 42")
        row = self.leak("L1", state="open", count="1", open="1")
        pid = c.server_pid()
        self.assertEqual((row["user"], row["database"], row["application_name"], row["server_pid"]), ("app", "app", "shop", str(pid)))
        self.assertEqual((row["first_query"], row["last_query"], row["reason"]), ("begin", "select ?, ?", "transaction"))
        self.assertEqual(row["client_addr"], "127.0.0.1:%d" % c.sock.getsockname()[1])
        self.assertGreaterEqual(int(row["held_ms"]), 1000)
        self.assertGreaterEqual(int(row["transaction_ms"]), 1000)
        self.assertRegex(row["digest"], "^[0-9a-f]{16}$")
        c.sql("commit")
        row = self.leak("L1", state="released", open="0")
        self.assertGreaterEqual(int(row["released_after_ms"]), 1000)
        self.logged(r"WARNING LEAK L1 idle in transaction: C-0x\w+ app/app @127.0.0.1:\d+ \(shop\) on 127.0.0.1:\d+ pid \d+, for \d")
        self.logged(r"LEAK L1 released after \d+\.\d s")
        self.assertNotIn("secret", self.weir.log())
        self.assertEqual(self.totals()["L1"], {"found": 1, "open": 0, "killed": 0})

    def test_a_failed_transaction_is_one_too(self):
        self.watch(leak_idle_transaction=1)
        c = self.client()
        c.sql("begin")
        c.run("select 1/0")
        self.assertEqual(self.leak("L1")["reason"], "failed transaction")
        c.sql("rollback")
        self.leak("L1", state="released")

    @subset("tsan", "asan")
    def test_the_client_is_ended_and_its_server_can_be_used_again(self):
        self.watch(leak_idle_transaction=0.5, leak_idle_transaction_kill=1, default_pool_size=1)
        a = self.client()
        a.sql("create table t(x int)")
        a.sql("begin")
        a.sql("insert into t values (1)")
        pid = a.server_pid()
        b = self.client()
        b.send(wire.query("select count(*), pg_backend_pid() from t"))
        self.fatal(a, "25P03", "idle-in-transaction timeout")
        self.assertEqual(b.collect().check().rows, [("0", str(pid))])  # rolled back, not closed
        row = self.leak("L1", state="killed")
        self.assertGreaterEqual(int(row["released_after_ms"]), 1000)
        self.logged("LEAK L1 killed after")
        self.assertEqual(self.totals()["L1"]["killed"], 1)
        self.assert_idle()

    def test_leaks_that_are_alike_share_a_report(self):
        self.watch(leak_idle_transaction=0.5)
        clients = self.clients(3)
        for i, c in enumerate(clients):
            c.sql("begin")
            c.sql(f"select {i}")
        wait_until(lambda: [r["open"] for r in self.leaks("L1")] and sum(int(r["open"]) for r in self.leaks("L1")) == 3, 20, "three leaks")
        self.assertEqual(len(self.leaks("L1")), 1)
        clients[0].sql("rollback")
        clients[1].close()
        self.leak("L1", state="open", count="3", open="1")
        clients[2].sql("rollback")
        self.leak("L1", state="released", count="3", open="0")


class HeldTooLong(LeakCase):
    def test_a_running_query_is_told_and_its_end_too(self):
        self.watch(leak_hold=1)
        c = self.client()
        c.send(wire.query("select pg_sleep(600)"))
        row = self.leak("L2", state="open")
        self.assertEqual((row["last_query"], row["reason"], row["transaction_ms"]), ("select pg_sleep(?)", "", None))
        c.cancel()
        self.assert_error(c.collect(), "57014")
        self.leak("L2", state="released")

    @subset("tsan", "asan")
    def test_the_query_is_cancelled_and_the_session_goes_on(self):
        self.watch(leak_hold=0.5, leak_hold_cancel=1)
        c = self.client()
        self.assert_error(c.run("select pg_sleep(60)"), "57014")
        self.assertEqual(c.one("select 1"), "1")
        self.leak("L2", state="killed")
        self.assert_idle()

    def test_prepared_statements_are_told_by_their_text(self):
        self.watch(leak_hold=1)
        c = self.client()
        c.send(wire.parse("nap", "select pg_sleep($1)"), wire.sync())
        c.collect().check()
        c.send(wire.bind("", "nap", ["600"]), wire.execute(), wire.sync())
        row = self.leak("L2", state="open", last_query="select pg_sleep($1)")
        self.assertEqual(row["prepared_statements"], "1")
        c.cancel()
        self.assert_error(c.collect(), "57014")

    def test_in_session_pooling_a_transaction_counts_from_its_begin(self):
        self.watch(leak_hold=1, pool_mode="session")
        c = self.client()
        c.sql("select 1")
        time.sleep(1.5)  # nothing must happen
        self.assertEqual(self.leaks(), [])
        began = time.monotonic()
        c.sql("begin")
        row = self.leak("L2", state="open", reason="session pooling, transaction")
        self.assertLessEqual(int(row["transaction_ms"]), (time.monotonic() - began) * 1000)
        c.sql("commit")
        self.leak("L2", state="released")


class Pinned(LeakCase):
    def test_the_reason_is_told(self):
        self.watch(leak_pin=1)
        c = self.client()
        c.sql("create table p(x text)")
        c.send(wire.query("copy p from stdin"))
        c.collect(until="G")
        self.assertEqual(self.leak("L3", state="open")["reason"], "COPY")
        c.send(wire.copy_done())
        c.collect().check()
        self.leak("L3", state="released", last_query="copy p from stdin")

    def test_a_batch_without_its_sync(self):
        self.watch(leak_pin=1)
        c = self.client()
        c.send(wire.one("select 1"), wire.flush())
        c.collect(until="C")
        self.assertIn("batch without Sync", self.leak("L3", state="open")["reason"])
        c.send(wire.sync())
        c.collect().check()
        self.leak("L3", state="released")


class SessionIdle(LeakCase):
    def test_it_is_told_and_so_is_its_end(self):
        self.watch(leak_session_idle=1, pool_mode="session")
        c = self.client()
        c.sql("select 1")
        row = self.leak("L4", state="open")
        self.assertEqual((row["reason"], row["last_query"]), ("session pooling", "select ?"))
        c.close()
        self.leak("L4", state="released")
        self.assert_idle()

    def test_the_client_is_ended(self):
        self.watch(leak_session_idle_close=1, pool_mode="session", default_pool_size=1)
        a, b = self.clients(2)
        pid = a.server_pid()
        b.send(wire.query("select pg_backend_pid()"))
        self.fatal(a, "57P05", "idle-session timeout")
        self.assertEqual(int(b.collect().check().value), pid)
        self.leak("L4", state="killed")

    def test_one_that_only_waits_for_work_in_transaction_pooling_is_none(self):
        self.watch(leak_session_idle=0.5, leak_session_idle_close=0.5)
        c = self.client()
        c.sql("select 1")
        time.sleep(1.2)  # nothing must happen
        self.assertEqual(c.one("select 2"), "2")
        self.assert_no_leaks()


class Statements(LeakCase):
    def prepare(self, c, first, last):
        for i in range(first, last):
            c.send(wire.parse(f"s{i}", f"select {i}"), wire.sync())
            c.collect().check()

    def test_growth_is_told_and_so_is_its_end(self):
        self.watch(leak_statements=10)
        c = self.client()
        self.prepare(c, 0, 10)
        self.assertEqual(self.leaks(), [])
        self.prepare(c, 10, 15)
        row = self.leak("L5", state="open", count="1", reason="of one client")
        self.assertEqual(row["prepared_statements"], "11")
        c.close()
        self.leak("L5", state="released")

    def test_the_hard_limit(self):
        self.watch(leak_statements_max=10)
        c = self.client()
        self.prepare(c, 0, 10)
        c.send(wire.parse("s10", "select 10"), wire.sync())
        self.fatal(c, "54000", "too many prepared statements")
        self.leak("L5", state="killed")
        self.assert_serves()
        self.assert_idle()


class Orphans(LeakCase):
    def test_a_server_that_its_client_has_left_and_that_does_not_end(self):
        end = threading.Event()

        def script(peer):
            peer.startup()
            if peer.code == 80877102:
                return  # a cancel request, which this one does not obey
            peer.login_ok()
            peer.serve(lambda sql: end.wait(30) and None if "hang" in str(sql) else None)
        with FakeBackend(script) as fake:
            self.watch(leak_orphan=1, databases={"app": fake.connstr})
            c = self.client()
            address = "127.0.0.1:%d" % c.sock.getsockname()[1]
            c.send(wire.query("select hang"))
            self.weir.wait_pool(sv_active=1)
            c.drop()
            row = self.leak("L7", state="open")
            self.assertEqual((row["client_addr"], row["last_query"], row["reason"]), (address, "select hang", "the client is gone"))
            end.set()
            self.leak("L7", state="released")

    @subset("tsan", "asan")
    def test_a_client_that_hangs_up_behind_more_than_is_read_of_it(self):
        self.watch(leak_orphan=0.5, default_pool_size=1)
        c = self.client(host=self.weir.socket_dir)  # where the end overtakes what is before it
        c.send(wire.query("select pg_sleep(600)"))
        self.weir.wait_pool(sv_active=1)
        one, sent = wire.query("select '" + "x" * 100_000 + "'"), 0
        c.sock.setblocking(False)
        while select.select([], [c.sock], [], 0.5)[1]:  # until neither the server nor the pooler takes any more
            with contextlib.suppress(BlockingIOError):
                sent += c.sock.send(one[sent % len(one):])
        c.half_close()
        row = self.leak("L7", state="killed")
        self.assertEqual(row["first_query"], "select pg_sleep(?)")
        self.assert_idle()
        self.assert_serves()


class HalfLogins(LeakCase):
    def test_a_server_that_does_not_let_us_in(self):
        released = threading.Event()

        def script(peer):
            peer.startup()
            released.wait(30)
        with FakeBackend(script) as fake:
            self.watch(databases={"app": fake.connstr}, server_connect_timeout=1)
            self.raw().send(wire.startup_packet({"user": "app", "database": "app"}))
            row = self.leak("L8", state="killed", reason="logging in to a server")
            self.assertEqual((row["user"], row["database"]), ("app", "app"))
            released.set()

    def test_a_client_that_does_not_log_in(self):
        self.watch(client_login_timeout=1)
        c = self.raw()
        c.expect_close()
        self.leak("L8", state="killed", reason="login of a client")


class Hoarding(LeakCase):
    BIG = "select repeat('x', 1000) from generate_series(1, 100000)"

    def test_a_client_that_does_not_read_is_told(self):
        self.watch(leak_buffer_time=1)
        c = self.client(rcvbuf=4096)
        c.send(wire.query(self.BIG))
        row = self.leak("L9", state="open")
        self.assertGreater(int(row["unread_bytes"]), 65536)
        self.assertEqual(len(c.collect().check().rows), 100000)
        self.leak("L9", state="released")

    @subset("tsan", "asan")
    def test_it_is_ended(self):
        self.watch(leak_buffer_close=1, default_pool_size=1)
        c = self.client(rcvbuf=4096)
        c.send(wire.query(self.BIG))
        self.leak("L9", state="killed")
        self.assert_idle()
        self.assert_serves()

    def test_less_than_the_limit_is_none(self):
        self.watch(leak_buffer_time=0.5, leak_buffer=100_000_000)
        c = self.client(rcvbuf=4096)
        c.send(wire.query(self.BIG))
        time.sleep(1.5)  # nothing must happen
        self.assertEqual(len(c.collect().check().rows), 100000)
        self.assert_no_leaks()


class Whole(LeakCase):
    @subset("tsan", "asan")
    def test_a_busy_pooler_reports_nothing(self):
        soon = 4 * SLOW
        self.start(default_pool_size=3, weir={"leak_idle_transaction": soon, "leak_idle_transaction_kill": soon, "leak_hold": soon,
                                              "leak_hold_cancel": soon, "leak_pin": soon, "leak_statements": 50})
        until = time.monotonic() + 12  # beyond the second check of the counts

        def work(n):
            with self.weir.connect() as c:
                while time.monotonic() < until:
                    c.sql("begin")
                    c.extended("select $1::int", [n]).check()
                    c.sql("commit")
                    for i in range(3):
                        self.assertEqual(c.one(f"select {i}"), str(i))
        with background(work, 1), background(work, 2), background(work, 3), background(work, 4), background(work, 5):
            work(0)
        self.assert_no_leaks()
        self.assert_idle()

    def test_a_reload_changes_what_is_looked_for(self):
        self.watch()
        c = self.client()
        c.sql("begin")
        time.sleep(1.2)  # nothing must happen
        self.assert_no_leaks()
        self.weir.weir_section["leak_idle_transaction"] = 1
        self.weir.reload()
        self.leak("L1", state="open")
        self.weir.weir_section["leak_idle_transaction"] = 0
        self.weir.reload()
        self.leak("L1", state="released")
        self.weir.weir_section["leak_idle_transaction_kill"] = 0.5
        self.weir.reload()
        self.fatal(c, "25P03")

    def test_by_default_nothing_is_done_and_the_options_are_shown(self):
        self.start()
        config = {r["key"]: (r["value"], r["changeable"]) for r in self.weir.show("config")}
        for name in ("leak_idle_transaction_kill", "leak_hold_cancel", "leak_session_idle_close", "leak_statements_max", "leak_buffer_close"):
            self.assertEqual(config[name], ("0", "yes"), name)
        self.assertEqual(config["leak_idle_transaction"], ("30", "yes"))
        self.assertEqual(self.leaks(), [])
        self.assertEqual([r["kind"] for r in self.weir.show("leak_totals")], [f"L{i}" for i in range(1, 10)])
