"""Rate limits: where they are asked, what they let through, what becomes of the rest; and a pool of connections in a storm of them.

Limits that must refuse have rates so low (2/h) that how fast the machine is does not matter; those that must delay are only bounded from below."""
import re
import threading
import time

from harness import pool_storm, wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.util import SLOW
from harness.weir import Weir
from harness.wire import bind, execute, msg, one, parse, query, sync


def limit(at="transaction", **keys):
    return {"at": at, **keys}


class RateCase(Case):
    def counts(self, name):
        """The row of SHOW RATE_LIMITS, numbers as numbers."""
        (row,) = self.weir.show("rate_limits", name=name)
        return {k: int(v) if v is not None and v.isdigit() else v for k, v in row.items()}

    def limited(self, reply, rule="x", code="53400"):
        self.assert_error(reply, code, f'rate limit "{rule}" exceeded')
        self.assertRegex(reply.error.fields["D"], rf'^Rule "{rule}", key ".*", limit ".*", retry after \d+ ms\.$')
        return reply.error

    def wait_units_back(self, name="x"):
        """The reply leaves before the unit comes back, and other sessions may be on other workers."""
        wait_until(lambda: "(" not in self.counts(name)["hottest_keys"], what="all units to come back")

    def exhaust(self, client, count):
        for _ in range(count):
            self.assertEqual(client.one("select 1"), "1")
        self.limited(client.run("select 1"))


@beyond_pgbouncer
class Arrivals(RateCase):
    def test_connections_are_limited_per_address_and_closed_before_any_byte(self):
        self.start(limits={"x": limit("accept", key="address", address="127.0.0.2, 127.0.0.3", rate="2/h", burst=2)})
        for _ in range(2):
            self.raw(source="127.0.0.2").login()
        for _ in range(2):
            c = self.raw(source="127.0.0.2")
            try:
                c.send(wire.SSL_REQUEST)
            except OSError:
                pass
            self.assertEqual(c.expect_close().messages, [])
        self.raw(source="127.0.0.3").login()  # a key of its own
        self.assert_serves()                  # not concerned
        self.assert_serves(host=self.weir.socket_dir)
        row = self.counts("x")
        self.assertEqual((row["at"], row["allowed"], row["rejected"], row["keys"]), ("accept", 3, 2, 2))
        self.assertIn("address=127.0.0.2 2/2", row["hottest_keys"])

    def test_connections_are_limited_per_network(self):
        self.start(limits={"x": limit("accept", key="address", address_prefix4=30, address="127.0.0.0/28, !127.0.0.1", rate="2/h", burst=1)})
        self.raw(source="127.0.0.5").login()
        with self.assertRaises((wire.Closed, OSError)):
            self.raw(source="127.0.0.6").login()
        self.raw(source="127.0.0.9").login()
        self.assertIn("address=127.0.0.4/30 1/1", self.counts("x")["hottest_keys"])

    def test_the_unix_socket_is_never_closed_out(self):
        self.start(limits={"x": limit("accept", rate="1/h", burst=5)})
        wait_until(lambda: self._is_refused(), what="the connections to be used up")
        with self.weir.connect("admin", "pgbouncer", host=self.weir.socket_dir) as c:
            self.assertTrue(c.run("show rate_limits").rows)

    def _is_refused(self):
        try:
            self.weir.connect().close()
            return False
        except (wire.Closed, OSError):
            return True

    def test_logins_are_limited_per_user(self):
        self.start(limits={"x": limit("login", key="user, database", user="!app3", rate="2/h", burst=2)})
        for _ in range(2):
            self.client()
        error = self.refused()
        self.assertEqual((error.severity, error.code, error.message), ("FATAL", "53300", 'rate limit "x" exceeded'))
        self.assertRegex(error.fields["D"], r'^Rule "x", key "user=app database=app", limit "2/h, burst 2", retry after \d+ ms\.$')
        for _ in range(4):
            self.assert_serves(user="app3")
        self.assert_serves(user="app2")
        for _ in range(5):
            self.weir.console().close()
        self.assertEqual(self.counts("x")["rejected"], 1)

    def test_logins_are_limited_per_application(self):
        self.start(limits={"x": limit("login", key="application_name", application_name="web*", rate="2/h", burst=1)})
        self.client(application_name="web1")
        self.assertEqual(self.refused(application_name="web1").code, "53300")
        self.client(application_name="web2")
        for _ in range(3):
            self.client(application_name="psql")

    def test_logins_that_are_only_logged_go_on(self):
        self.start(limits={"x": limit("login", rate="1/h", action="log"), "y": limit("accept", address="127.0.0.2", rate="1/h", action="log")})
        for _ in range(5):
            self.client()
            self.raw(source="127.0.0.2").login("app2")
        self.assertEqual((self.counts("x")["allowed"], self.counts("x")["logged"]), (1, 9))
        self.assertEqual((self.counts("y")["allowed"], self.counts("y")["logged"]), (1, 4))
        self.weir.wait_log('rate limit "x": login would be rejected')


@beyond_pgbouncer
@subset("tsan", "asan")
class Rejections(RateCase):
    def begin(self, burst=2, **keys):
        return self.start(limits={"x": limit(**{"rate": "2/h", "burst": burst, "action": "reject", **keys})})

    def test_the_session_survives_and_goes_on_when_it_may(self):
        self.begin()
        c = self.client()
        self.exhaust(c, 2)
        error = self.limited(c.run("select 1"))
        self.assertEqual(error.severity, "ERROR")
        self.assertIn('key "all", limit "2/h, burst 2"', error.fields["D"])
        self.assertEqual(c.run("select 1").types, "EZ")
        self.assertEqual(c.run("select 1").status, "I")
        self.weir.limits = {}
        self.weir.reload()
        self.assertEqual(c.one("select 2"), "2")
        self.assertEqual(self.weir.show("rate_limits"), [])
        self.assert_idle()

    def test_extended_batches_are_discarded_up_to_their_sync(self):
        self.begin()
        c = self.client()
        self.exhaust(c, 2)
        reply = c.extended("select $1::int", ("1",))
        self.limited(reply)
        self.assertEqual(reply.types, "EZ")
        for pieces in ((one("select 1"), one("select 2"), sync()), (parse("", "select 1"),), (bind(),), (execute(),)):
            c.send(*pieces)
        c.send(sync())
        for want in ("EZ", "EZ"):
            self.assertEqual(c.collect().types, want)
        self.assertFalse(c.readable(0.1))
        self.assertEqual(c.send(msg("F", b"\0" * 10)).collect().types, "EZ")
        self.assertEqual(c.send(sync()).collect().types, "EZ")
        self.weir.limits = {}
        self.weir.reload()
        self.assertEqual(c.extended("select 7").value, "7")

    def test_pipelines_are_rejected_request_by_request(self):
        self.begin(burst=1)
        c = self.client()
        self.exhaust(c, 1)
        batch = one("select 1") + sync()
        c.send(query("select 1") + batch + batch + query("select 2") + batch)
        self.assertEqual([r.types for r in c.collect_many(5)], ["EZ"] * 5)
        self.assertEqual(c.run("select 1").types, "EZ")

    def test_a_pipeline_that_has_begun_is_not_cut(self):
        self.begin(burst=1)
        c = self.client()
        c.send(b"".join(one(f"select {n}") + sync() for n in range(20)) + query("select 20"))
        self.assertEqual([r.value for r in c.collect_many(21)], [str(n) for n in range(21)])
        self.limited(c.run("select 1"))

    def test_an_open_transaction_is_never_limited(self):
        self.begin(burst=1)
        c = self.client()
        c.sql("begin")
        c.sql("create temp table t (a int) on commit drop")
        for _ in range(10):
            self.assertEqual(c.one("select 1"), "1")
            self.assertEqual(c.extended("select 2").value, "2")
        c.send(query("copy t from stdin"))
        self.assertEqual(c.collect("GE").types, "G")
        c.send(msg("d", b"1\n"), msg("d", b"2\n"), msg("c"))
        self.assertEqual(c.collect().tags, ["COPY 2"])
        self.assertEqual(c.one("select count(*) from t"), "2")
        self.assertEqual(c.run("select 1/0").status, "E")
        self.assertEqual(c.run("rollback").status, "I")
        self.limited(c.run("begin"))
        self.assertEqual(self.counts("x")["rejected"], 1)

    def test_what_belonged_to_a_rejected_request_is_ignored(self):
        self.begin(burst=1)
        c = self.client()
        self.exhaust(c, 1)
        c.send(query("copy t from stdin"), msg("d", b"1\n"), msg("c"))
        self.assertEqual(c.collect().types, "EZ")
        big = "select '" + "x" * 300_000 + "'"  # longer than what is held back whole
        self.assertEqual(c.run(big).types, "EZ")
        c.send(parse("", big), bind(), execute(), sync())
        self.assertEqual(c.collect().types, "EZ")
        self.assertFalse(c.readable(0.1))
        self.assertEqual(c.run("select 1").types, "EZ")

    def test_a_named_statement_survives_the_rejection_of_its_use(self):
        self.begin(burst=2)
        c = self.client()
        self.assertEqual(c.send(parse("s", "select 5"), sync()).collect().types, "1Z")
        self.assertEqual(c.send(bind("", "s"), execute(), sync()).collect().value, "5")
        self.assertEqual(c.send(bind("", "s"), execute(), sync()).collect().types, "EZ")
        self.assertEqual(c.send(parse("s2", "select 6"), sync()).collect().types, "EZ")
        self.weir.limits = {}
        self.weir.reload()
        self.assertEqual(c.send(bind("", "s"), execute(), sync()).collect().value, "5")
        self.assertEqual(c.send(parse("s2", "select 6"), bind("", "s2"), execute(), sync()).collect().value, "6")

    def test_users_and_databases_have_limits_of_their_own(self):
        self.start(limits={"x": limit(key="user, database", rate="2/h", burst=2, action="reject")}, databases={"app": "{pg}", "other": "{pg}"})
        self.exhaust(self.client(), 2)
        self.exhaust(self.client(user="app2"), 2)
        self.exhaust(self.client(database="other"), 2)
        self.limited(self.client().run("select 1"))
        row = self.counts("x")
        self.assertEqual((row["keys"], row["allowed"], row["rejected"]), (3, 6, 4))
        self.assertIn("user=app database=app 2/2", row["hottest_keys"])

    def test_applications_have_limits_of_their_own(self):
        self.begin(key="application_name")
        self.exhaust(self.client(application_name="one"), 2)
        self.exhaust(self.client(application_name="two"), 2)
        self.limited(self.client(application_name="one").run("select 1"))

    def test_a_rule_concerns_only_whom_it_names(self):
        self.begin(user="app2", database="a*")
        free, bound = self.client(), self.client(user="app2")
        self.exhaust(bound, 2)
        for _ in range(5):
            free.one("select 1")
        self.assertEqual(self.counts("x")["allowed"], 2)

    def test_the_kind_of_query(self):
        self.begin(query_class="write, copy", burst=1)
        c = self.client()
        c.sql("create table kinds (a int)")
        for _ in range(3):
            c.sql("select * from kinds")
        c.sql("-- a comment\n insert into kinds values (1)")
        self.limited(c.run("/* another */ update kinds set a = 2"))
        self.limited(c.run("copy kinds to stdout"))
        self.limited(c.extended("delete from kinds"))
        self.assertEqual(c.extended("select a from kinds").value, "1")
        self.assertEqual(c.send(parse("w", "insert into kinds values (3)"), sync()).collect().types, "EZ")
        self.assertEqual(c.send(parse("r", "select 1"), sync()).collect().types, "1Z")
        self.assertEqual(c.send(bind("", "r"), execute(), sync()).collect().value, "1")

    def test_the_kind_of_a_statement_prepared_before(self):
        self.start(limits={"x": limit(key="query_class", rate="2/h", burst=2, action="reject")})
        c = self.client()
        c.sql("create table kinds (a int)")
        c.send(parse("w", "insert into kinds values (3)"), sync()).collect().check()
        c.send(bind("", "w"), execute(), sync()).collect().check()
        error = self.limited(c.send(bind("", "w"), execute(), sync()).collect())
        self.assertIn('key "all query_class=write"', error.fields["D"])
        self.assertEqual(c.one("select count(*) from kinds"), "1")

    def test_life_signs_pass(self):
        self.begin(burst=1)
        c = self.client()
        self.exhaust(c, 1)
        for send in (query(""), parse("", "") + bind() + execute() + sync()):
            reply = wait_until(lambda: (lambda r: r if not r.errors else None)(c.send(send).collect()), what="an empty statement to pass")
            self.assertIn("I", reply.types)
        self.limited(c.run("select 1"))

    def test_session_pooling_is_limited_by_session(self):
        self.start(pool_mode="session", limits={"x": limit(rate="2/h", burst=2, action="reject")})
        first, second, third = self.clients(3)
        for c in (first, second):
            for _ in range(3):
                self.assertEqual(c.one("select 1"), "1")
        self.limited(third.run("select 1"))
        self.limited(third.run("select 1"))


@beyond_pgbouncer
@subset("tsan", "asan")
class Delays(RateCase):
    def timed(self, client, count):
        began = time.monotonic()
        for _ in range(count):
            client.one("select 1")
        return time.monotonic() - began

    def test_a_delay_shapes_the_rate(self):
        self.start(limits={"x": limit(key="user", rate="20/s", burst=1, max_delay=30)})
        self.assertGreaterEqual(self.timed(self.client(), 40), 1.9)
        row = self.counts("x")
        self.assertEqual((row["allowed"], row["rejected"]), (40, 0))
        self.assertGreater(row["delayed"], 0)
        self.assertLess(self.timed(self.client(user="app2"), 1), 10 * SLOW)

    def test_many_clients_share_a_rate(self):
        self.start(limits={"x": limit(rate="50/s", burst=1, max_delay=30)})
        clients = self.clients(10)
        began = time.monotonic()
        threads = [threading.Thread(target=self.timed, args=(c, 10)) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertGreaterEqual(time.monotonic() - began, 1.9)
        self.assertEqual((self.counts("x")["allowed"], self.counts("x")["rejected"]), (100, 0))
        self.assert_idle()

    def test_who_would_wait_too_long_is_rejected_at_once(self):
        self.start(limits={"x": limit(rate="1/h")})
        c = self.client()
        self.exhaust(c, 1)
        self.assertEqual((self.counts("x")["delayed"], self.counts("x")["rejected"]), (0, 1))

    def parked(self, sent=query("select 1")):
        """A client whose transaction is held back for some 30 s."""
        self.start(limits={"x": limit(rate="2/min", burst=1, max_delay=60)})
        self.client().one("select 1")
        c = self.client()
        c.send(sent)
        self.weir.wait_waiting(1)
        self.assertEqual([r["state"] for r in self.weir.show("clients", database="app")].count("waiting"), 1)
        self.assertEqual(self.weir.pool()["sv_active"], 0)
        return c

    def test_a_client_that_waits_can_cancel(self):
        c = self.parked()
        c.cancel()
        self.assert_error(c.collect(), "57014")
        self.limits_off()
        self.assertEqual(c.one("select 3"), "3")

    def limits_off(self):
        self.weir.limits = {}
        self.weir.reload()

    def test_a_client_that_waits_may_go_away(self):
        c = self.parked()
        c.drop()
        self.weir.wait_waiting(0)
        self.assertFalse([r for r in self.weir.show("clients", database="app") if r["state"] == "waiting"])

    def test_a_reload_lets_those_go_who_need_not_wait(self):
        c = self.parked(query("select 4") + one("select 5") + sync())
        self.limits_off()
        self.assertEqual([r.value for r in c.collect_many(2)], ["4", "5"])

    def test_a_shutdown_does_not_wait_for_them(self):
        c = self.parked()
        self.weir.admin("shutdown wait_for_servers")
        self.fatal(c)
        self.weir.wait_exit()

    def test_a_client_that_waits_is_not_read_without_end(self):
        c = self.parked()
        c.sock.settimeout(1)
        sent = 0
        with self.assertRaises(TimeoutError):
            while sent < 200_000_000:
                sent += c.sock.send(query("select '" + "x" * 60_000 + "'"))
        self.assertLess(sent, 100_000_000)
        c.drop()


@beyond_pgbouncer
@subset("tsan", "asan")
class Concurrency(RateCase):
    def begin(self, most=1, **keys):
        self.start(limits={"x": limit(**{"key": "user", "concurrency": most, "action": "reject", **keys})})
        return self.clients(most + 1)

    def test_so_many_transactions_at_a_time(self):
        *holders, other = self.begin(most=2)
        for c in holders:
            c.sql("begin")
        error = self.limited(other.run("select 1"))
        self.assertIn('key "user=app", limit "2 at a time"', error.fields["D"])
        self.assertEqual(self.client(user="app2").one("select 1"), "1")
        self.assertIn("user=app 2/1 (2)", self.counts("x")["hottest_keys"])
        holders[0].sql("commit")
        wait_until(lambda: not other.run("select 1").errors, what="the unit to come back")

    def test_units_come_back_however_a_transaction_ends(self):
        holder, other = self.begin()
        for end in ("rollback", "drop", "reset", "terminate", "kill", "fatal"):
            with self.subTest(end):
                pid = int(holder.sql("begin; select pg_backend_pid()")[0][0])
                self.limited(other.run("select 1"))
                if end == "rollback":
                    holder.run("rollback")
                elif end == "kill":
                    self.pg.sql(f"select pg_terminate_backend({pid})")
                    holder.expect_close()
                elif end == "fatal":
                    holder.send(b"?\0\0\0\4")
                    holder.expect_close()
                else:
                    getattr(holder, "close" if end == "terminate" else end)()
                wait_until(lambda: not other.run("select 1").errors, what="the unit to come back")
                self.wait_units_back()
                if end != "rollback":
                    holder = self.client()

    def test_units_come_back_from_those_who_wait_for_a_server(self):
        self.start(default_pool_size=1, limits={"x": limit(key="user", concurrency=2, action="reject")})
        holder, waiter, other = self.clients(3)
        holder.sql("begin")
        waiter.send(query("select 1"))
        self.weir.wait_waiting(1)
        self.limited(other.run("select 1"))
        waiter.cancel()
        self.assert_error(waiter.collect(), "57014")
        other.send(query("select 1"))
        self.weir.wait_waiting(1)
        other.drop()
        self.weir.wait_waiting(0)
        waiter.send(query("select 2"))
        self.weir.wait_waiting(1)
        holder.sql("commit")
        self.assertEqual(waiter.collect().value, "2")
        self.wait_units_back()

    def test_who_is_delayed_gets_the_unit_that_comes_back(self):
        holder, other = self.begin(action="delay", max_delay=60)
        holder.sql("begin")
        other.send(query("select 2"))
        self.weir.wait_waiting(1)
        self.assertFalse(other.readable(0.2))
        holder.sql("commit")
        self.assertEqual(other.collect().value, "2")
        self.assertEqual((self.counts("x")["delayed"], self.counts("x")["rejected"]), (1, 0))

    def test_who_is_delayed_too_long_is_rejected(self):
        holder, other = self.begin(action="delay", max_delay=0.3)
        holder.sql("begin")
        began = time.monotonic()
        self.limited(other.run("select 2"))
        self.assertGreaterEqual(time.monotonic() - began, 0.25)
        holder.sql("commit")
        wait_until(lambda: not other.run("select 3").errors, what="the unit to come back")

    def test_a_crowd_stays_within_the_limit(self):
        self.start(default_pool_size=20, limits={"x": limit(concurrency=3, max_delay=60)})
        stop, most = threading.Event(), []

        def watch():
            while True:
                most.append(self.weir.count("state <> 'idle'"))
                if stop.is_set():
                    return

        def work(c):
            for _ in range(10):
                c.one("select pg_sleep(0.002)")
        with background(watch):
            threads = [threading.Thread(target=work, args=(c,)) for c in self.clients(12)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            stop.set()
        self.assertLessEqual(max(most), 3)
        self.wait_units_back()
        self.assertEqual((self.counts("x")["allowed"], self.counts("x")["rejected"]), (120, 0))


@beyond_pgbouncer
class Bytes(RateCase):
    def test_bytes_are_paid_for_before_the_next_transaction(self):
        self.start(limits={"x": limit(key="user", bytes_per_second=1000, action="reject")})
        c = self.client()
        self.assertEqual(len(c.one("select repeat('x', 50000)")), 50000)
        error = self.limited(c.run("select 1"))
        self.assertIn('limit "1000 bytes/s"', error.fields["D"])
        self.assertGreater(int(re.search(r"retry after (\d+) ms", error.fields["D"]).group(1)), 1000)
        self.limited(self.client().run("select 1"))
        self.assertEqual(self.client(user="app2").one("select 1"), "1")

    def test_what_the_client_sends_counts_too(self):
        self.start(limits={"x": limit(key="user", bytes_per_second=1000, action="reject")})
        c = self.client()
        self.assertEqual(c.one("select length('" + "x" * 50000 + "')"), "50000")
        self.limited(c.run("select 1"))

    def test_a_delay_shapes_the_bytes(self):
        self.start(limits={"x": limit(bytes_per_second=100_000, max_delay=30)})
        c = self.client()
        began = time.monotonic()
        for _ in range(5):
            c.one("select repeat('x', 50000)")
        # A second's worth is free, and the last one is not paid for.
        self.assertGreaterEqual(time.monotonic() - began, 0.9)


@beyond_pgbouncer
class Settings(RateCase):
    def test_a_dry_run_changes_nothing_but_counts(self):
        self.start(limits={"x": limit(key="user", rate="1/h", concurrency=1, action="log")})
        holder, c = self.clients(2)
        holder.sql("begin")
        for _ in range(9):
            self.assertEqual(c.one("select 1"), "1")
        row = self.counts("x")
        self.assertEqual((row["allowed"], row["logged"], row["rejected"], row["delayed"]), (1, 9, 0, 0))
        log = self.weir.wait_log('rate limit "x": transaction would be rejected (key "user=app"')
        self.assertLess(log.count("would be rejected"), 9)

    def test_show_tells_all_of_a_limit(self):
        self.start(limits={"a": limit("accept", key="address", address="127.0.0.9", rate="100/s", burst=200),
                           "z": limit(key="user, query_class", rate="6000/min", concurrency=7, bytes_per_second=1_000_000, max_delay=0.25)})
        self.client().one("select 1")
        self.wait_units_back("z")
        rows = self.weir.show("rate_limits")
        self.assertEqual([r["name"] for r in rows], ["a", "z"])
        z = rows[1]
        self.assertEqual({k: z[k] for k in ("at", "key", "rate", "burst", "concurrency", "bytes_per_second", "action", "max_delay_ms")},
                         {"at": "transaction", "key": "user, query_class", "rate": "6000/min", "burst": "100", "concurrency": "7",
                          "bytes_per_second": "1000000", "action": "delay", "max_delay_ms": "250"})
        self.assertEqual(z["hottest_keys"], "user=app query_class=read 1/0")
        with self.weir.console("stats") as c:
            self.assertEqual(len(c.run("show rate_limits").rows), 2)

    def test_a_reload_keeps_what_was_counted(self):
        rule = limit(key="user", rate="2/h", burst=2, action="reject")
        self.start(limits={"x": rule})
        c = self.client()
        self.exhaust(c, 2)
        self.weir.reload()
        self.limited(c.run("select 1"))
        self.assertEqual(self.counts("x")["rejected"], 2)
        rule["burst"] = 3
        self.weir.reload()
        self.exhaust(c, 1)
        rule["action"] = "log"
        self.weir.reload()
        self.assertEqual(c.one("select 1"), "1")
        self.assertEqual(self.counts("x")["logged"], 1)
        rule.update(key="database", action="reject")
        self.weir.reload()
        self.assertEqual(self.counts("x")["allowed"], 0)
        self.exhaust(c, 3)

    def test_a_reload_brings_limits_to_sessions_that_are_there(self):
        self.start()
        c, other = self.clients(2)
        other.sql("begin")
        self.weir.limits = {"x": limit(rate="2/h", burst=1, action="reject")}
        self.weir.reload()
        self.exhaust(c, 1)
        self.assertEqual(other.one("select 1"), "1")
        other.sql("commit")
        self.limited(other.run("select 1"))

    def test_a_bad_limit_is_refused_and_changes_nothing(self):
        self.start(limits={"x": limit(rate="2/h", burst=1, action="reject")})
        c = self.client()
        self.exhaust(c, 1)
        for keys, told in (({"rate": "0"}, "lets nothing through at all"), ({"rate": "1/d"}, "no such unit of time"), ({"kee": "user"}, "unknown key"),
                           ({"burst": "5"}, "has burst but no rate"), ({"key": "host"}, "invalid key"), ({"rate": "1", "at": "accept", "key": "user"}, "not known at accept")):
            self.weir.limits = {"x": {"at": "transaction", **keys}}
            self.weir.write()
            with self.weir.console() as console:
                error = console.run("reload").error
            self.assertIn(told, error.fields["D"] + error.message, keys)
            self.assertRegex(error.fields["D"] + error.message, r"weir\.ini:\d+: rate limit \"x\"")
            self.limited(c.run("select 1"))
        self.weir.limits = {}
        self.weir.reload()

    def test_a_bad_limit_keeps_it_from_starting(self):
        w = Weir(self.pg, limits={"a": limit(rate=1), "b": limit(rate=2)})
        self.addCleanup(w.stop)
        w.expect_exit = (1,)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)
        self.assertRegex(w.log(), r'weir\.ini:\d+: rate limit "b": has the same at, key and filters as "a"')


@beyond_pgbouncer
class PoolInAStorm(RateCase):
    """HikariCP throws a connection away at errors of class 08 and others, and when a check of it fails; a throttle must cause neither."""

    def test_no_connection_is_thrown_away(self):
        self.start(limits={"rate": limit(key="user", rate="60/s", burst=1, max_delay=0.05), "busy": limit(key="application_name", concurrency=2, action="reject")})
        result = pool_storm.run(self.weir, seconds=4 * SLOW)
        self.assertGreater(result["ok"], 0, result)
        self.assertGreater(result["rejected"], 0, result)
        self.assertGreater(result["checks"], 0, result)
        self.assertEqual((result["other_errors"], result["failed_checks"], result["created"], result["closed"]), (0, 0, result["size"], 0), result)
        self.assertGreater(self.counts("rate")["delayed"] + self.counts("rate")["rejected"], 0)
        self.assertGreater(self.counts("busy")["rejected"], 0)
        self.assert_idle()
