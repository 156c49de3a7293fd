"""Pooling: modes, sizes, limits, timeouts, order of service, and the ways to reach a server."""
import os
import threading
import time

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend, error
from harness.util import SLOW, scaled
from harness.weir import IS_PGBOUNCER, WORKERS, Weir


class Modes(Case):
    settings = {"databases": {"app": "{pg}", "one": "{pg} pool_size=1", "sess": "{pg} pool_mode=session pool_size=1",
                              "stmt": "{pg} pool_mode=statement pool_size=1", "lazy": "{pg} connect_query='set work_mem to ''7MB'''",
                              "*": "{pg}"},
                "users": {"app2": "pool_mode=session"}}

    def test_transactions_of_many_clients_share_one_server(self):
        pids = {c.server_pid() for c in self.clients(10, database="one")}
        self.assertEqual(len(pids), 1)

    def test_a_transaction_keeps_its_server_and_others_wait(self):
        a, b = self.clients(2, database="one")
        a.sql("begin")
        pid = a.server_pid()
        b.send(wire.query("select pg_backend_pid()"))
        self.weir.wait_waiting(1, database="one")
        self.assertEqual(a.server_pid(), pid)
        self.assertFalse(b.readable())
        a.sql("commit")
        self.assertEqual(int(b.collect().check().value), pid)

    def test_a_failed_transaction_keeps_its_server_until_rollback(self):
        a, b = self.clients(2, database="one")
        a.sql("begin")
        self.assert_error(a.run("select 1/0"), "22012")
        b.send(wire.query("select 'b'"))
        self.weir.wait_waiting(1, database="one")
        self.assert_error(a.run("select 1"), "25P02")
        self.assertEqual(a.run("rollback").status, "I")
        self.assertEqual(b.collect().check().value, "b")

    def test_session_mode_keeps_the_server_until_the_client_leaves(self):
        a, b = self.clients(2, database="sess")
        pid = a.server_pid()
        a.sql("set search_path to pg_catalog")
        a.sql("create temp table mine(x int)")
        a.sql("prepare p as select 1")
        a.sql("select pg_advisory_lock(7)")
        b.send(wire.query("select pg_backend_pid()"))
        self.weir.wait_waiting(1, database="sess")
        self.assertEqual(a.server_pid(), pid)
        a.close()
        self.assertEqual(int(b.collect().check().value), pid)
        self.assertIn("public", b.one("show search_path"))
        self.assertEqual(b.one("select to_regclass('pg_temp.mine') is null"), "t")
        self.assertEqual(b.one("select count(*) from pg_prepared_statements"), "0")
        self.assertEqual(b.one(f"select count(*) from pg_locks where locktype = 'advisory' and pid = {pid}"), "0")

    def test_statement_mode_runs_statements_and_refuses_transaction_blocks(self):
        a, b = self.clients(2, database="stmt")
        self.assertEqual(a.server_pid(), b.server_pid())
        self.assertEqual(a.run("select 1; select 2").check().rows, [("1",), ("2",)])
        self.assertEqual(a.extended("select $1::int", [5]).check().value, "5")
        reply = a.run("begin")
        if not reply.closed:
            reply = a.expect_close()
        self.assertIn("transaction blocks not allowed in statement pooling mode", reply.errors[-1].message)
        self.assertEqual(b.one("select 1"), "1")
        self.assertEqual(b.one("select count(*) from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()"), "0")

    def test_pool_mode_of_a_user(self):
        a, b = self.clients(2, user="app2")
        pids = [a.server_pid(), b.server_pid()]
        self.assertNotEqual(*pids)
        self.assertEqual([a.server_pid(), b.server_pid()], pids)

    def test_connect_query_runs_on_a_new_server(self):
        self.assertEqual(self.client(database="lazy").one("show work_mem"), "7MB")

    def test_wildcard_database(self):
        # `*` stands for any name; here its connection string names the database, as the tests' own one must be used.
        self.assertEqual(self.client(database="any_other").one("select current_database()"), self.weir.dbname)

    def test_sequential_queries_reuse_the_last_server(self):
        clients = self.in_transactions(5)
        for c in clients:
            c.sql("commit")
        self.assertEqual(len({clients[0].server_pid() for _ in range(10)}), 1)


class Sizes(Case):
    @subset("tsan", "asan")
    def test_pool_size_is_never_exceeded(self):
        self.start(default_pool_size=5)
        count, seen, stop = scaled(200, 32), [], threading.Event()

        def watch():
            while not stop.is_set():
                seen.append(self.weir.count())
                time.sleep(0.002)
        clients = self.clients(count)
        with background(watch):
            for round_number in range(4):
                for i, c in enumerate(clients):
                    c.send(wire.query(f"select pg_sleep(0.003), '{i}:{round_number}'"))
                for i, c in enumerate(clients):
                    self.assertEqual(c.collect().check().rows[0][1], f"{i}:{round_number}")
            stop.set()
        self.assertEqual(max(seen), 5)
        self.assert_idle()
        self.assertEqual(self.weir.pool()["sv_idle"], 5)

    @subset("tsan", "asan")
    def test_pool_size_holds_while_clients_come_and_go(self):
        self.start(default_pool_size=3)
        most = []
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                most.append(self.weir.count())

        def churn(n):
            for i in range(scaled(20)):
                with self.weir.connect() as c:
                    self.assertEqual(c.one(f"select {n * 1000 + i}"), str(n * 1000 + i))
        threads = []
        with background(watch):
            failures = []

            def guarded(n):
                try:
                    churn(n)
                except BaseException as e:  # noqa: BLE001
                    failures.append(e)
            threads = [threading.Thread(target=guarded, args=(n,)) for n in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            stop.set()
        self.assertEqual(failures, [])
        self.assertLessEqual(max(most), 3)

    def test_sizes_of_database_and_user_override_the_default(self):
        self.start(databases={"app": "{pg} pool_size=2"}, users={} if IS_PGBOUNCER else {"app2": "pool_size=1"})
        for user, limit in (("app", 2),) if IS_PGBOUNCER else (("app", 2), ("app2", 1)):
            clients = self.clients(4, user=user)
            for c in clients:
                c.send(wire.query("begin"))
            self.weir.wait_pool(user=user, sv_active=limit, cl_waiting=4 - limit)
            self.assertEqual(self.weir.count(f"usename = '{user}'"), limit)
            for c in clients:
                c.close()

    def test_min_pool_size_is_kept_open(self):
        self.start(min_pool_size=3, server_idle_timeout=1)
        c = self.client()
        c.sql("select 1")
        wait_until(lambda: self.weir.count() == 3, 30, "three servers")
        first = {b["pid"] for b in self.weir.cluster.backends(self.weir.dbname)}
        self.pg.sql(f"select pg_terminate_backend({min(first)})")
        wait_until(lambda: self.weir.count() == 3 and {b["pid"] for b in self.pg.backends(self.weir.dbname)} != first, 30, "a replacement")

    def test_reserve_pool_opens_after_its_timeout(self):
        self.start(default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout=1)
        a, b, c = self.clients(3)
        a.sql("begin")
        began = time.monotonic()
        b.send(wire.query("begin; select 'reserve'"))
        self.assertEqual(b.collect().check().value, "reserve")
        self.assertGreater(time.monotonic() - began, 0.8)
        self.assertEqual(self.weir.count(), 2)
        c.send(wire.query("select 'third'"))
        self.weir.wait_waiting(1)
        b.sql("commit")
        self.assertEqual(c.collect().check().value, "third")
        a.sql("commit")

    def test_round_robin_uses_every_server(self):
        self.start(default_pool_size=3, server_round_robin=1)
        clients = self.in_transactions(3)
        for c in clients:
            c.sql("commit")
        self.assertEqual(len({clients[0].server_pid() for _ in range(12)}), 3)


class Limits(Case):
    def test_max_client_conn(self):
        self.start(max_client_conn=3)
        clients = self.clients(3)
        e = self.refused()
        self.assertEqual((e.severity, e.code), ("FATAL", "08P01"))
        self.assertIn("no more connections allowed (max_client_conn)", e.message)
        self.assertEqual(len(self.weir.show("pools", database="app")), 1)  # the console has room even then
        clients[0].close()

        def fits():
            try:
                return self.weir.connect()
            except wire.PgError:
                return None
        with wait_until(fits, 30, "room after a client left") as c:
            self.assertEqual(c.one("select 1"), "1")

    @subset("tsan")
    def test_max_db_connections_evicts_idle_servers_of_other_users(self):
        self.start(default_pool_size=5, max_db_connections=2)
        a1, a2 = self.in_transactions(2, user="app")
        for c in (a1, a2):
            c.sql("commit")
        self.assertEqual(self.weir.count("usename = 'app'"), 2)
        b = self.client(user="app2")
        self.assertEqual(b.one("select current_user"), "app2")
        self.assertLessEqual(self.weir.count(), 2)
        d = self.client(user="app3")
        for c, user in ((d, "app3"), (a1, "app"), (b, "app2"), (d, "app3")):
            self.assertEqual(c.one("select current_user"), user)
            self.assertLessEqual(self.weir.count(), 2)

    @subset("tsan")
    def test_max_db_connections_all_busy_then_freed_goes_to_the_other_user(self):
        self.start(default_pool_size=5, max_db_connections=2)
        a1, a2 = self.clients(2, user="app")
        warm = self.client(user="app2")
        warm.sql("select 1")
        for c in (a1, a2):
            c.sql("begin")
        warm.send(wire.query("select current_user"))
        self.weir.wait_waiting(1, user="app2")
        self.assertEqual(self.weir.count(), 2)
        a1.sql("commit")
        self.assertEqual(warm.collect().check().value, "app2")
        self.assertLessEqual(self.weir.count(), 2)
        a2.sql("commit")

    def test_max_user_connections_spans_databases(self):
        self.start(databases={"x": "{pg}", "y": "{pg}"}, max_user_connections=2)
        x1, x2, y = self.client(database="x"), self.client(database="x"), self.client(database="y")
        y.sql("select 1")
        for c in (x1, x2):
            c.sql("begin")
        y.send(wire.query("select 'y'"))
        self.weir.wait_waiting(1, database="y")
        self.assertEqual(self.weir.count("usename = 'app'"), 2)
        other = self.client(user="app2", database="y")
        self.assertEqual(other.one("select 1"), "1")
        x1.sql("commit")
        self.assertEqual(y.collect().check().value, "y")
        self.assertLessEqual(self.weir.count("usename = 'app'"), 2)
        x2.sql("commit")

    @beyond_pgbouncer
    @beyond_pgbouncer
    def test_min_pool_size_above_a_limit_does_not_thrash(self):
        """What min_pool_size opens, a limit must not close again, over and over."""
        for limit in ("max_user_connections", "max_db_connections"):
            with self.subTest(limit):
                def script(peer):
                    peer.startup()
                    peer.login_ok()
                    peer.serve()
                with FakeBackend(script) as fake:
                    self.start(databases={"app": fake.connstr, "other": fake.connstr}, min_pool_size=5, default_pool_size=10, **{limit: 2})
                    a, b = self.client(), self.client(database="other")
                    for _ in range(3):
                        a.sql("select 1")
                    wait_until(lambda: fake.accepted >= 2, 30, "servers to be opened")
                    time.sleep(1)
                    before = fake.accepted
                    time.sleep(2)  # twenty rounds of the janitor
                    self.assertLessEqual(fake.accepted - before, 1)
                    self.assertLessEqual(before, 6)
                    b.sql("select 1")
                    a.sql("select 1")
                self.doCleanups()

    def test_max_db_client_connections(self):
        self.start(databases={"app": "{pg} max_db_client_connections=2", "other": "{pg}"})
        kept = self.clients(2)
        e = self.refused()
        self.assertEqual(e.severity, "FATAL")
        self.assertRegex(e.code, "^(08P01|53300)$")
        self.assertIn("max_db_client_connections", e.message)
        self.client(database="other").sql("select 1")
        kept[0].close()
        wait_until(lambda: len(self.weir.show("clients", database="app")) == 1, 30, "the client to be gone")
        self.client().sql("select 1")

    @beyond_pgbouncer
    def test_max_user_client_connections(self):
        self.start(users={"app2": "max_user_client_connections=1"}, max_user_client_connections=3)
        self.clients(3)
        self.assertIn("max_user_client_connections", self.refused().message)
        kept = self.client(user="app2")
        self.assertIn("max_user_client_connections", self.refused(user="app2").message)
        kept.sql("select 1")
        self.client(user="app3").sql("select 1")


class Timeouts(Case):
    def test_query_wait_timeout(self):
        self.start(default_pool_size=1, query_wait_timeout=1)
        a, b = self.clients(2)
        a.sql("begin")
        b.send(wire.query("select 1"))
        e = self.fatal(b, "08P01", "query_wait_timeout")
        self.assertEqual(e.message, "query_wait_timeout")
        self.assertEqual(a.one("select 1"), "1")
        a.sql("commit")
        self.weir.wait_waiting(0)

    @beyond_pgbouncer
    def test_a_session_may_outlive_its_wait(self):
        """queue_error = keep: the request fails, simple or extended, and the session goes on with its prepared statements."""
        self.start(default_pool_size=1, query_wait_timeout=1, weir={"queue_error": "keep"})
        a, b = self.clients(2)
        b.send(wire.parse("kept", "select 42"), wire.sync()).collect()
        a.sql("begin")
        reply = b.run("select 1")
        self.assert_error(reply, "53300", "query_wait_timeout")
        self.assertEqual((reply.error.severity, reply.status), ("ERROR", "I"))
        reply = b.send(wire.bind("", "kept"), wire.execute(), wire.bind("", "kept"), wire.execute(), wire.sync()).collect()
        self.assertEqual([e.code for e in reply.errors], ["53300"], "one for the batch")
        self.assertEqual((reply.rows, reply.status), ([], "I"))
        a.sql("commit")
        self.assertEqual(b.send(wire.bind("", "kept"), wire.execute(), wire.sync()).collect().value, "42")
        self.weir.wait_waiting(0)
        self.assert_idle()

    def test_query_timeout_ends_a_long_query(self):
        self.start(default_pool_size=1, query_timeout=1)
        a, b = self.clients(2)
        a.send(wire.query("select pg_sleep(120)"))
        self.fatal(a, "08P01|57014", "query timeout")
        self.assertEqual(b.one("select 1"), "1")

    @beyond_pgbouncer
    def test_query_timeout_of_a_client_that_does_not_read(self):
        # Its server is stuck in the middle of the result: it must not stay so, nor be given away inside the transaction.
        self.start(default_pool_size=1, query_timeout=1)
        a, b = self.client(rcvbuf=4096), self.client()
        b.sql("create table touched(x int)")
        a.sql("begin; insert into touched values (1)")
        a.send(wire.query("select repeat('x', 1000) from generate_series(1, 500000)"))
        wait_until(a.readable, 30, "the first rows")
        self.assert_idle()
        self.assertEqual(b.one("select count(*) from touched"), "0")
        self.assertEqual(self.weir.count(), 1)

    def test_idle_transaction_timeout_frees_the_locks(self):
        self.start(default_pool_size=2, idle_transaction_timeout=1)
        a, b = self.clients(2)
        b.sql("create table locked(x int)")
        a.sql("begin; lock table locked")
        self.fatal(a, "08P01|25P03", "idle transaction timeout")
        self.assertEqual(b.one("select count(*) from locked"), "0")

    def test_idle_transaction_timeout_begins_anew_with_each_query(self):
        self.start(default_pool_size=2, idle_transaction_timeout=2)
        c = self.client()
        for _ in range(2):
            c.sql("begin")
            for _ in range(6):
                c.sql("select pg_sleep(0.5)")  # three seconds in all, never idle for long
            c.sql("commit")
        c.sql("begin")
        c.sql("select 1")
        self.fatal(c, "08P01|25P03", "idle transaction timeout")
        self.assert_serves()

    @beyond_pgbouncer
    def test_transaction_timeout(self):
        """From its beginning on, whatever runs in it; what comes before and after does not count."""
        self.start(default_pool_size=2, transaction_timeout=1)
        busy, short = self.clients(2)
        short.sql("create table held(x int)")
        busy.sql("begin; lock table held")
        busy.send(wire.query("select pg_sleep(60)"))
        self.fatal(busy, "08P01", "transaction timeout")
        for _ in range(3):
            short.sql("begin")
            short.sql("select pg_sleep(0.4)")
            short.sql("commit")
        self.assertEqual(short.one("select count(*) from held"), "0")
        self.assert_idle()

    def test_client_idle_timeout(self):
        self.start()
        idle, busy = self.clients(2)
        busy.send(wire.query("select pg_sleep(2.5)"))
        wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")
        self.weir.reload(client_idle_timeout=1)
        idle.sql("select 1")
        self.fatal(idle, "08P01|57P05", "client_idle_timeout")
        self.assertFalse(busy.collect().errors)

    def test_client_login_timeout(self):
        self.start(client_login_timeout=1, auth_type="md5", userlist={"app": "secret", "admin": ""})
        silent, half, unanswered = self.raw(), self.raw(), self.raw()
        half.send(b"\0\0")
        unanswered.send(wire.startup_packet({"user": "app", "database": "app"}))
        self.assertEqual(unanswered.recv()[0], "R")
        for c in (silent, half, unanswered):
            reply = c.expect_close()
            self.assertTrue(reply.closed)
            for e in reply.errors:
                self.assertEqual(e.severity, "FATAL")

    def test_server_lifetime(self):
        self.start(default_pool_size=1, server_lifetime=1)
        c = self.client()
        first = c.server_pid()
        wait_until(lambda: c.server_pid() != first, 30, "a younger server", interval=0.2)
        self.assertEqual(self.weir.count(), 1)

    def test_server_lifetime_leaves_a_server_in_use_alone(self):
        self.start(default_pool_size=1, server_lifetime=1)
        c = self.client()
        c.sql("begin")
        first = c.server_pid()
        time.sleep(2)
        self.assertEqual(c.server_pid(), first)
        c.sql("commit")

    def test_server_idle_timeout(self):
        self.start(server_idle_timeout=1)
        c = self.client()
        c.sql("select 1")
        wait_until(lambda: self.weir.count() == 0, 30, "the idle server to be closed")
        self.assertEqual(c.one("select 1"), "1")

    @beyond_pgbouncer
    def test_failed_logins_are_not_repeated_for_every_client(self):
        def refuse(peer):
            peer.startup()
            peer.send(error("the fake refuses", "28000", "FATAL"))
        with FakeBackend(refuse) as fake:
            self.start(databases={"app": fake.connstr, "good": "{pg}"}, server_login_retry=300)
            self.assertIn("the fake refuses", self.refused().message)
            for _ in range(5):
                e = self.refused()
                self.assertEqual(e.severity, "FATAL")
                self.assertIn("the fake refuses", e.message)
            self.assertLessEqual(fake.accepted, 2)
            self.assert_serves(database="good")

    @beyond_pgbouncer
    def test_a_reload_does_not_forget_failed_logins(self):
        def refuse(peer):
            peer.startup()
            peer.send(error("the fake refuses", "28000", "FATAL"))
        with FakeBackend(refuse) as fake:
            self.start(databases={"app": fake.connstr}, server_login_retry=300)
            self.refused()
            accepted = fake.accepted
            for size in (3, 4, 5):
                self.weir.reload(default_pool_size=size)
                self.assertIn("the fake refuses", self.refused().message)
            self.assertEqual(fake.accepted, accepted)

    @beyond_pgbouncer
    def test_several_servers(self):
        """A list of hosts with a port each, or backends by name: in turn, or one until it fails."""
        def script(peer):
            peer.startup()
            peer.login_ok()
            peer.serve()

        def opened(fakes, **database):
            before = [fake.accepted for fake in fakes]
            clients = self.clients(6, **database)
            for c in clients:
                c.sql("select 1")
            return [fake.accepted - count for fake, count in zip(fakes, before)]

        with FakeBackend(script) as one, FakeBackend(script) as two:
            hosts = f"host=127.0.0.1,127.0.0.1 port={one.port},{two.port}"
            self.start(pool_mode="session", default_pool_size=10, databases={"turns": hosts, "named": "backends=one,two dbname=x", "sticky": hosts + " load_balance_hosts=disable"},
                       backends={n: f"host=127.0.0.1 port={fake.port}" for n, fake in (("one", one), ("two", two))}, server_login_retry=1)
            self.assertEqual(opened((one, two), database="turns"), [3, 3])
            self.assertEqual(opened((one, two), database="named"), [3, 3])
            self.assertEqual(opened((one, two), database="sticky"), [6, 0])
            one.close()

            def is_other_used():
                self.client(database="sticky").sql("select 1")
                return two.accepted > 6
            wait_until(is_other_used, 30, "the other server to be used")

    @beyond_pgbouncer
    def test_a_refusal_that_comes_after_the_hold(self):
        """Who has waited for breaker_hold by then must not wait for one trial after the other, ever further apart."""
        is_time = threading.Event()

        def late(peer):
            peer.startup()
            is_time.wait(60)
            peer.send(error("too many", "53300", "FATAL"))
        with FakeBackend(late) as one, FakeBackend(late) as two:
            self.start(databases={"app": "backends=one,two dbname=x"}, backends={n: f"host=127.0.0.1 port={fake.port}" for n, fake in (("one", one), ("two", two))},
                       server_login_retry=300, weir={"breaker_hold": 0.5})
            c = self.raw()
            c.send(wire.startup_packet({"user": "app", "database": "app"}))
            wait_until(lambda: one.accepted + two.accepted > 0, 30, "a log-in to begin", interval=0.01)
            time.sleep(1)
            is_time.set()
            began = time.monotonic()
            refusal = self.fatal(c, "57P03", "no healthy backend")
            self.assertRegex(refusal.message, r"breaker_hold\): 127\.0\.0\.1:\d+: too many$")
            self.assertLess(time.monotonic() - began, 10 * SLOW)

    @beyond_pgbouncer
    def test_the_hold_is_not_for_those_who_wait_in_a_working_queue(self):
        """The server takes no more log-ins, but the connection that there is will serve everybody: saturation is not sickness."""
        self.pg.sql("drop role if exists alone; create role alone login connection limit 1")
        self.start(databases={"app": "backends=one dbname={dbname} pool_size=3"}, backends={"one": f"host=127.0.0.1 port={self.pg.port}"},
                   userlist={"alone": "", "admin": "", "app": ""}, weir={"breaker_hold": 0.5})
        a, b = self.clients(2, user="alone")
        a.sql("begin")
        began = time.monotonic()
        b.send(wire.query("select 1"))
        refused = 'too many connections for role "alone"'
        wait_until(lambda: refused in open(self.pg.log_path).read(), 30, "a log-in to be refused", interval=0.05)
        time.sleep(max(0, began + 2 - time.monotonic()))
        self.assertFalse(b.readable())
        a.sql("commit")
        self.assertEqual(b.collect().check().value, "1")

    @beyond_pgbouncer
    def test_a_server_that_falls_silent_while_it_authenticates(self):
        def silent(peer):
            peer.startup()
            peer.send(wire.msg("R", b"\0\0\0\5salt"))
            peer.recv()
            peer.recv_exact(1)
        with FakeBackend(silent) as fake:
            self.start(databases={"app": fake.connstr + " user=app password=x", "good": "{pg}"}, server_connect_timeout=1, client_login_timeout=5, query_wait_timeout=5)
            self.assertRegex(self.refused().code, "^(08|57)")
            self.assert_serves(database="good")
            wait_until(lambda: self.weir.pool()["sv_login"] == 0 or fake.accepted > 1, 30, "the silent server to be given up")

    def test_a_backend_that_comes_back_is_used_again(self):
        up = []

        def sometimes(peer):
            peer.startup()
            if not up:
                peer.send(error("not yet", "28000", "FATAL"))
                return
            peer.login_ok()
            peer.serve()
        with FakeBackend(sometimes) as fake:
            self.start(databases={"app": fake.connstr}, server_login_retry=1)
            self.refused()
            up.append(True)

            def again():
                try:
                    return self.weir.connect()
                except wire.PgError:
                    return None
            with wait_until(again, 30, "the pooler to try again", interval=0.2) as c:
                self.assertEqual(c.one("select 1"), "1")

    def test_nobody_listening(self):
        with FakeBackend(lambda peer: None) as fake:
            port = fake.port
        self.start(databases={"app": f"host=127.0.0.1 port={port} dbname=app", "good": "{pg}"}, query_wait_timeout=4, client_login_timeout=4)
        e = self.refused()
        self.assertEqual(e.severity, "FATAL")
        self.assertRegex(e.code, "^(08|57)")
        self.assert_serves(database="good")

    @subset("tsan")
    def test_server_connect_timeout_with_a_silent_server(self):
        def silent(peer):
            peer.startup()
            peer.recv_exact(1)
        with FakeBackend(silent) as fake:
            self.start(databases={"app": fake.connstr, "good": "{pg}"}, server_connect_timeout=1, client_login_timeout=5, query_wait_timeout=5)
            raws = [self.raw() for _ in range(5)]
            for r in raws:
                r.send(wire.startup_packet({"user": "app", "database": "app"}))
            for r in raws:
                reply = r.expect_close()
                self.assertEqual(reply.errors[-1].severity, "FATAL")
                self.assertRegex(reply.errors[-1].code, "^(08|57)")
            self.assert_serves(database="good")


class Resets(Case):
    LEAKS = ("set search_path to pg_catalog", "set role app2", "create temp table mine(x int)", "select pg_advisory_lock(7)",
             "prepare mine as select 1", "set work_mem to '9MB'", "listen here", "declare c cursor with hold for select 1")

    def check_clean(self, c):
        self.assertIn("public", c.one("show search_path"))
        self.assertEqual(c.one("select current_user"), "app")
        self.assertEqual(c.one("select to_regclass('pg_temp.mine') is null"), "t")
        self.assertEqual(c.one("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"), "0")
        self.assertEqual(c.one("select count(*) from pg_prepared_statements where from_sql"), "0")
        self.assertEqual(c.one("show work_mem"), "4MB")
        self.assertEqual(c.one("select count(*) from pg_listening_channels()"), "0")
        self.assertEqual(c.one("select count(*) from pg_cursors where name = 'c'"), "0")

    def test_reset_always_hides_the_state_of_the_client_before(self):
        self.start(default_pool_size=1, server_reset_query_always=1)
        a, b = self.clients(2)
        for leak in self.LEAKS:
            a.sql(leak)
            self.check_clean(b)

    @beyond_pgbouncer
    def test_reset_always_behind_a_client_that_vanished(self):
        self.start(default_pool_size=1, server_reset_query_always=1)
        b = self.client()
        pid = b.server_pid()
        for leave in (wire.Wire.reset, wire.Wire.drop, wire.Wire.close):
            for last in ("begin", "select 1/0"):
                a = self.client()
                a.send(wire.query("; ".join(self.LEAKS[:1] + self.LEAKS[2:])), wire.query("begin; set role app2"), wire.query(last))
                a.collect_many(3)
                leave(a)
                self.check_clean(b)
        self.assertEqual(b.server_pid(), pid)

    def test_a_reset_query_may_take_its_time(self):
        self.start(default_pool_size=1, server_reset_query_always=1, server_reset_query="select pg_sleep(0.2)")
        a, b = self.clients(2)
        pid = a.server_pid()
        for c in (b, a, b):
            self.assertEqual(c.server_pid(), pid)

    def test_reset_in_session_mode(self):
        self.start(default_pool_size=1, pool_mode="session")
        a, b = self.client(), self.client()
        pid = a.server_pid()
        for leak in self.LEAKS:
            a.sql(leak)
        a.close()
        self.check_clean(b)
        self.assertEqual(b.server_pid(), pid)

    @beyond_pgbouncer
    def test_a_failing_reset_query_closes_the_server(self):
        self.start(default_pool_size=1, pool_mode="session", server_reset_query="select 1/0")
        a, b = self.client(), self.client()
        first = a.server_pid()
        a.close()
        self.assertNotEqual(b.server_pid(), first)

    def test_check_query_runs_before_reuse(self):
        self.start(default_pool_size=1, server_check_delay=0, server_check_query="select nextval('checks')")
        c = self.client()
        self.pg.sql("create sequence checks; grant all on checks to app", database=self.weir.dbname)

        def checked():
            c.sql("select 1")
            return int(self.pg.one("select last_value from checks", database=self.weir.dbname)) > 2
        wait_until(checked, 30, "the check query to have run", interval=0.1)

    @beyond_pgbouncer
    def test_a_failing_check_query_replaces_the_server(self):
        self.start(default_pool_size=1, server_check_delay=0, server_check_query="select 1/0")
        c = self.client()
        first = c.server_pid()
        wait_until(lambda: c.server_pid() != first, 30, "another server", interval=0.1)


class Service(Case):
    """In which order, how fast and at what cost waiting clients are served."""

    @subset("tsan", "asan")
    def test_first_come_first_served(self):
        self.start(default_pool_size=1)
        holder = self.client()
        holder.sql("create sequence turns")
        holder.sql("begin")
        waiters = self.clients(12)
        for n, c in enumerate(waiters, 1):
            c.send(wire.query("select nextval('turns')"))
            self.weir.wait_waiting(n)
        holder.sql("commit")
        self.assertEqual([int(c.collect().check().value) for c in waiters], list(range(1, 13)))

    @beyond_pgbouncer
    @subset("tsan")
    def test_cold_session_clients_log_in_side_by_side(self):
        # Every server login takes a second more: one by one they would need 64.
        self.start(default_pool_size=64, pool_mode="session")
        self.addCleanup(self.pg.login_delay, 0)
        self.pg.login_delay(1)
        began = time.monotonic()
        raws = [self.raw() for _ in range(64)]
        for r in raws:
            r.send(wire.startup_packet({"user": "app", "database": "app"}))
        for r in raws:
            r.authenticate("app", None).send(wire.query("select pg_backend_pid()"))
        pids = {r.collect().check().value for r in raws}
        self.assertEqual(len(pids), 64)
        self.assertLess(time.monotonic() - began, 30)

    @beyond_pgbouncer
    def test_cold_transaction_clients_grow_the_pool_side_by_side(self):
        self.start(default_pool_size=30)
        first = self.client()
        first.sql("select 1")
        clients = self.clients(30)
        self.addCleanup(self.pg.login_delay, 0)
        self.pg.login_delay(1)
        began = time.monotonic()
        for c in clients:
            c.send(wire.query("begin"))
        for c in clients:
            c.collect().check()
        self.assertLess(time.monotonic() - began, 15)
        self.assertEqual(self.weir.count(), 30)

    def test_waiting_costs_no_cpu(self):
        self.start(default_pool_size=1)
        holder = self.client()
        holder.sql("begin")
        waiters = self.clients(50)
        for c in waiters:
            c.send(wire.query("select 1"))
        self.weir.wait_waiting(50)
        before = self.weir.cpu()
        time.sleep(2)
        self.assertLess(self.weir.cpu() - before, 0.3)
        holder.sql("commit")
        for c in waiters:
            self.assertEqual(c.collect().check().value, "1")

    @beyond_pgbouncer
    def test_few_clients_use_every_worker(self):
        if WORKERS < 2:
            return
        self.start(default_pool_size=8, weir={"fold_workers": 0})
        clients = self.clients(4)
        for _ in range(1500):
            for c in clients:
                c.send(wire.query("select 1"))
            for c in clients:
                c.collect()
        ticks = []
        for task in os.listdir(f"/proc/{self.weir.pid}/task"):
            with open(f"/proc/{self.weir.pid}/task/{task}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks.append(int(fields[11]) + int(fields[12]))
        ticks.sort(reverse=True)
        self.assertGreater(ticks[1], 0.3 * ticks[0], f"ticks of the threads: {ticks}")

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_waiters_that_leave_are_forgotten(self):
        self.start(default_pool_size=1)
        holder = self.client()
        holder.sql("begin")
        for leave in (wire.Wire.close, wire.Wire.reset, wire.Wire.drop, wire.Wire.half_close):
            gone, kept = self.clients(2)
            gone.send(wire.query("select 'gone'"))
            self.weir.wait_waiting(1)
            kept.send(wire.query("select 'kept'"))
            self.weir.wait_waiting(2)
            leave(gone)
            if leave is not wire.Wire.half_close:
                self.weir.wait_waiting(1)
            holder.sql("commit")
            self.assertEqual(kept.collect().check().value, "kept")
            holder.sql("begin")


class Addresses(Case):
    """The ways in (Unix socket, IPv4, IPv6) and the ways out."""
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.weir = w = Weir(cls.pg)
        cls.addClassCleanup(w.stop)
        rest = f"port={cls.pg.port} dbname={w.dbname}"
        w.databases = {"v4": f"host=127.0.0.1 {rest}", "v6": f"host=::1 {rest}", "name": f"host=localhost {rest}", "unix": f"host={cls.pg.socket_dir} {rest}",
                       **({} if IS_PGBOUNCER else {"list": f"host=127.0.0.1,localhost {rest}"})}
        w.write()
        w.start()

    def test_servers(self):
        for database, peer in (("v4", "127.0.0.1"), ("v6", "::1"), ("unix", None), ("name", "127.0.0.1|::1")):
            with self.subTest(database):
                address = self.client(database=database).one("select host(inet_client_addr())")
                if peer is None:
                    self.assertIsNone(address)
                else:
                    self.assertIn(address, peer.split("|"))

    @beyond_pgbouncer
    def test_a_list_of_hosts(self):
        self.assertEqual(self.client(database="list").one("select 1"), "1")

    def test_clients(self):
        for host in ("127.0.0.1", "::1", self.weir.socket_dir):
            with self.subTest(host):
                c = self.client(database="v4", host=host)
                self.assertEqual(c.one("select 1"), "1")
        addresses = {r["addr"] for r in self.weir.show("clients", database="v4")}
        self.assertLessEqual(addresses, {"127.0.0.1", "::1", "unix"})
        self.assertIn("unix", addresses)

    def test_many_unix_clients(self):
        clients = [self.client(database="v4", host=self.weir.socket_dir) for _ in range(40)]
        for n, c in enumerate(clients):
            c.send(wire.query(f"select {n}"))
        self.assertEqual([int(c.collect().value) for c in clients], list(range(40)))

    def test_a_host_name_that_does_not_resolve(self):
        self.start(databases={"app": "host=no.such.host.invalid dbname=x", "good": "{pg}"}, query_wait_timeout=3, client_login_timeout=3)
        e = self.refused()
        self.assertEqual(e.severity, "FATAL")
        self.assert_serves(database="good")
