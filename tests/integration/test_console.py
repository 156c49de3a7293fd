"""The console: databases `pgbouncer` and `weir`, PgBouncer's commands and columns, for psql and for drivers."""
import asyncio
import re
import subprocess
import threading
import time

import asyncpg
import psycopg

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.util import run_as
from harness.weir import IS_PGBOUNCER, SANITIZER

from harness.wire import query

S, I, Q, N, T = 25, 23, 20, 1700, 25  # type oids: text, int4, int8, numeric, time as text
STATS = ["server_assignment_count", "xact_count", "query_count", "received", "sent", "xact_time", "query_time", "wait_time", "client_parse_count", "server_parse_count",
         "bind_count", "client_login_count"]
CONNECTIONS = ("type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls "
               "application_name prepared_statements id").split()
COLUMNS = {
    "clients": CONNECTIONS,
    "servers": CONNECTIONS,
    "pools": "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested "
             "sv_login maxwait maxwait_us pool_mode load_balance_hosts".split(),
    "databases": "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode load_balance_hosts max_connections "
                 "current_connections max_client_connections current_client_connections paused disabled".split(),
    "users": "name pool_size reserve_pool_size pool_mode max_user_connections current_connections max_user_client_connections current_client_connections".split(),
    "stats": ["database"] + [f"total_{s}" for s in STATS] + [f"avg_{s}" for s in ("server_assignment_count", "xact_count", "query_count", "recv", "sent", "xact_time",
                                                                                   "query_time", "wait_time", "client_parse_count", "server_parse_count", "bind_count",
                                                                                   "client_login_count")],
    "totals": ["name", "value"],
    "lists": ["list", "items"],
    "config": ["key", "value", "default", "changeable"],
    "mem": "name size used free memtotal".split(),
    "version": ["version"],
}
WRONG = "08P01" if IS_PGBOUNCER else "28P01"  # SQLSTATE of a wrong password
LISTS = ("databases users peers pools peer_pools free_clients used_clients login_clients free_servers used_servers dns_names dns_zones dns_queries dns_pending").split()


class Shows(Case):
    settings = {"databases": {"app": "{pg}", "forced": "{pg} user=app2 pool_size=7 min_pool_size=1 reserve_pool=2 pool_mode=session max_db_connections=9", "zz": "{pg}"},
                "users": {"app3": "pool_mode=session max_user_connections=4"}}

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_columns(self):
        for c in self.clients(3):
            c.sql("select 1")
        for what, names in COLUMNS.items():
            with self.subTest(what):
                reply = self.weir.admin(f"show {what}")
                self.assertEqual([n for n, _ in reply.columns], names)
                self.assertEqual(reply.tags, ["SHOW"])

    @beyond_pgbouncer
    def test_column_types(self):
        expect = {"clients": [S, S, S, S, S, S, I, S, I, T, T, I, I, I, S, S, I, S, S, I, I], "lists": [S, I], "stats": [S] + [N] * 24}
        for what, types in expect.items():
            with self.subTest(what):
                self.assertEqual([t for _, t in self.weir.admin(f"show {what}").columns], types)

    def test_pools(self):
        # What an earlier client has left behind goes first.
        self.weir.admin("pause")
        self.weir.admin("resume")
        a = self.client()
        a.sql("begin")
        row = self.weir.pool()
        self.assertEqual({k: row[k] for k in ("database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle", "pool_mode")},
                         {"database": "app", "user": "app", "cl_active": 1, "cl_waiting": 0, "sv_active": 1, "sv_idle": 0, "pool_mode": "transaction"})
        a.sql("commit")
        self.weir.wait_pool(sv_active=0, sv_idle=1)
        self.assertEqual(self.weir.pool("pgbouncer", "pgbouncer")["pool_mode"], "statement")
        names = [(r["database"], r["user"]) for r in self.weir.show("pools")]
        self.assertEqual(names, sorted(names))

    def test_maxwait(self):
        self.start(default_pool_size=1)
        a, b = self.clients(2)
        a.sql("begin")
        b.send(query("select 1"))
        wait_until(lambda: self.weir.pool()["maxwait"] >= 1, 30, "a wait of a second")
        a.sql("commit")
        b.collect()
        self.weir.wait_pool(maxwait=0)

    def test_clients_and_servers(self):
        a = self.client(application_name="seen")
        b = self.client()
        a.sql("begin")
        pid = a.server_pid()
        [mine] = [r for r in self.weir.show("clients", database="app") if r["port"] == str(a.sock.getsockname()[1])]
        self.assertEqual((mine["type"], mine["user"], mine["state"], mine["addr"], mine["application_name"]), ("C", "app", "active", "127.0.0.1", "seen"))
        self.assertEqual((mine["local_addr"], mine["local_port"]), ("127.0.0.1", str(self.weir.port)))
        self.assertRegex(mine["connect_time"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+$")
        [server] = [r for r in self.weir.show("servers") if r["remote_pid"] == str(pid)]
        self.assertEqual((server["type"], server["database"], server["state"], server["port"]), ("S", "app", "active", str(self.pg.port)))
        self.assertEqual((server["link"], mine["link"]), (mine["ptr"], server["ptr"]))
        a.sql("commit")
        self.assertEqual(len(self.weir.show("clients", database="app")), 2)
        self.weir.wait_pool(sv_active=0)
        self.assertEqual([r["state"] for r in self.weir.show("servers") if r["remote_pid"] == str(pid)], ["idle"])
        b.close()
        wait_until(lambda: len(self.weir.show("clients", database="app")) == 1, 30, "one client")

    @beyond_pgbouncer
    def test_waiting_clients(self):
        self.start(default_pool_size=1)
        a, b = self.clients(2)
        a.sql("begin")
        b.send(query("select 1"))
        self.weir.wait_waiting(1)
        self.assertEqual(sorted(r["state"] for r in self.weir.show("clients", database="app")), ["active", "waiting"])
        a.sql("commit")
        b.collect()
        self.assertEqual(len({r["id"] for r in self.weir.show("clients", database="app")}), 2)

    def test_databases(self):
        rows = {r["name"]: r for r in self.weir.show("databases")}
        self.assertEqual(list(rows), sorted(rows))
        forced = rows["forced"]
        self.assertEqual((forced["port"], forced["database"], forced["force_user"], forced["pool_size"], forced["pool_mode"], forced["max_connections"]),
                         (str(self.pg.port), self.weir.dbname, "app2", "7", "session", "9"))
        if not IS_PGBOUNCER:
            self.assertEqual((forced["min_pool_size"], forced["reserve_pool_size"]), ("1", "2"))
        self.assertIn("pgbouncer", rows)
        self.assertEqual((rows["app"]["paused"], rows["app"]["disabled"]), ("0", "0"))
        self.client().sql("select 1")
        self.assertGreaterEqual(int(self.weir.show("databases", name="app")[0]["current_connections"]), 1)

    def test_users(self):
        rows = {r["name"]: r for r in self.weir.show("users")}
        self.assertLessEqual({"app", "app2", "app3", "admin", "stats"}, set(rows))
        self.assertEqual(rows["app3"]["pool_mode"], "session")
        if not IS_PGBOUNCER:
            self.assertEqual(rows["app3"]["max_user_connections"], "4")

    def test_lists_config_mem_version_help(self):
        lists = {r["list"]: r["items"] for r in self.weir.show("lists")}
        if not IS_PGBOUNCER:
            self.assertEqual(list(lists), LISTS)
        self.assertEqual(int(lists["databases"]), 4)
        config = {r["key"]: r for r in self.weir.show("config")}
        self.assertEqual((config["default_pool_size"]["value"], config["default_pool_size"]["default"], config["default_pool_size"]["changeable"]), ("5", "20", "yes"))
        self.assertEqual((config["listen_port"]["value"], config["listen_port"]["changeable"]), (str(self.weir.port), "no"))
        self.assertEqual((config["pool_mode"]["value"], config["pool_mode"]["default"]), ("transaction", "session"))
        self.assertGreater(len(config), 75 if IS_PGBOUNCER else 95)
        for row in self.weir.show("mem"):
            self.assertEqual(int(row["memtotal"]), int(row["size"]) * (int(row["used"]) + int(row["free"])))
        self.assertEqual(len(self.weir.show("version")), 1)
        reply = self.weir.admin("show help")
        self.assertIn("SHOW HELP", "".join(n.message + n.fields.get("D", "") for n in reply.notices))

    def test_stats(self):
        def total(database="app"):
            rows = self.weir.show("stats", database=database)
            return {k: int(v) for k, v in rows[0].items() if k != "database"} if rows else {}
        c = self.client(database="zz")
        c.sql("select 0")
        before = total("zz")
        for n in range(10):
            c.sql("select 1")
        c.sql("begin; select 1; commit")
        c.sql("begin")
        c.sql("select 1")
        c.sql("commit")
        want = {"total_query_count": 14, "total_xact_count": 12}

        def counted():
            now = total("zz")
            return all(now[k] - before.get(k, 0) == v for k, v in want.items()) and now["total_received"] > before["total_received"] and now["total_sent"] > before["total_sent"]
        try:
            wait_until(counted, 10, f"{want} more than before")
        except AssertionError:
            raise AssertionError(f"before {before}, now {total('zz')}, wanted {want} more") from None
        totals = {r["name"]: int(r["value"]) for r in self.weir.show("totals")}
        self.assertGreaterEqual(totals["total_query_count"], 10)

    def test_select_is_show_and_case_does_not_matter(self):
        for text in ("SHOW VERSION", "show version;", "  Show   Version  ;", "select version"):
            with self.subTest(text):
                self.assertEqual(len(self.weir.admin(text).rows), 1)

    def test_settings_that_drivers_ask_for(self):
        for name in ("client_encoding", "default_transaction_isolation", "standard_conforming_strings", "datestyle", "timezone"):
            self.assertEqual(len(self.weir.admin(f"show {name}").rows), 1)


class Access(Case):
    settings = {}

    def test_parameters(self):
        c = self.weir.console()
        self.addCleanup(c.close)
        self.assertRegex(c.params["server_version"], r"/(bouncer|weir)$|^\d")
        for name, value in {"client_encoding": "UTF8", "DateStyle": "ISO", "TimeZone": "GMT", "standard_conforming_strings": "on"}.items():
            self.assertEqual(c.params.get(name), value, name)

    @beyond_pgbouncer
    def test_both_names(self):
        for name in ("pgbouncer", "weir"):
            with self.weir.console(database=name) as c:
                self.assertTrue(c.sql("show pools"))

    def test_who_may_what(self):
        for user in ("app", "app2"):
            e = self.refused(user=user, database="pgbouncer")
            self.assertEqual(e.severity, "FATAL")
            self.assertIn("not allowed", e.message)
        with self.weir.console("stats") as c:
            for what in COLUMNS:
                self.assertFalse(c.run(f"show {what}").errors, what)
            for command in ("reload", "pause", "pause app", "resume", "resume app", "kill app", "kill", "shutdown", "suspend", "disable app", "enable app", "reconnect", "wait_close",
                            "set pool_mode = session", "kill_client 1", "show fds"):
                reply = c.run(command)
                self.assertEqual(len(reply.errors), 1, command)
                self.assertFalse(reply.closed, command)
        self.assert_serves()

    def test_bad_commands(self):
        with self.weir.console() as c:
            for text in ("bogus", "show bogus", "show", "pause no such thing", "pause nosuch_db", "resume nosuch_db", "kill nosuch_db", "select", "show pools pools pools", "'", "\"",
                         "set bogus = 1", "show pools; drop table x", "resume"):
                with self.subTest(text):
                    reply = c.run(text)
                    self.assertEqual(len(reply.errors), 1, reply)
                    self.assertEqual((reply.error.severity, reply.status), ("ERROR", "I"))
            self.assertTrue(c.sql("show pools"))

    def test_what_is_no_command_is_quoted_back(self):
        with self.weir.console() as c:
            for text in ("bogus", "show bogus;", " show pools pools ", "reload now", "suspend now", "shutdown later", "pause a b", "'"):
                with self.subTest(text):
                    self.assert_error(c.run(text), "08P01", f"invalid command '{text}', use SHOW HELP;")

    def test_an_empty_query(self):
        with self.weir.console() as c:
            for text in ("", ";", "  "):
                self.assertIn(c.run(text).types, ("IZ", "EZ"))
            self.assertTrue(c.sql("show pools"))

    def test_password_is_wanted(self):
        self.start(auth_type="md5", userlist={"admin": "adminpw", "app": "apppw"})
        for user, secret, code in (("admin", "wrong", WRONG), ("admin", "", WRONG)):
            self.assertEqual(self.refused(user=user, database="pgbouncer", secret=secret).code, code)
        self.assertIn("not allowed", self.refused(user="app", database="pgbouncer", secret="apppw").message)
        with self.weir.console(secret="adminpw") as c:
            self.assertTrue(c.sql("show pools"))

    @beyond_pgbouncer
    def test_any(self):
        """auth_type = any: whoever says the name of an administrator is one, and nobody else gets in."""
        self.start(auth_type="any", databases={"app": "{pg} user=app"})
        for user, commands in (("admin", ("show pools", "reload")), ("stats", ("show pools",))):
            with self.weir.console(user, secret="anything") as c:
                for command in commands:
                    self.assertTrue(c.run(command).check().tags)
        self.assertIn("not allowed", self.refused(user="app", database="pgbouncer").message)
        with self.weir.console("stats") as c:
            self.assert_error(c.run("reload"), "08P01", "admin access needed")

    def test_no_way_around_the_password(self):
        for auth_type in ("md5", "scram-sha-256", "plain"):
            with self.subTest(auth_type):
                self.start(auth_type=auth_type, userlist={"admin": "adminpw", "app": ""}, stats_users="", databases={"app": "{pg}", "*": "{pg}"})
                for user in ("admin", "app", "nobody", "postgres"):
                    for database in ("pgbouncer", "weir"):
                        for host in (self.weir.host, self.weir.socket_dir):
                            e = self.refused(user=user, database=database, secret="", host=host)
                            self.assertEqual(e.severity, "FATAL", (user, database, host))
                with self.weir.console(secret="adminpw") as c:
                    self.assertTrue(c.sql("show pools"))

    def test_own_user_on_the_unix_socket(self):
        """`pgbouncer` is admin without a password for the operating system user that runs the pooler, and for nobody else."""
        self.start(auth_type="md5", userlist={"admin": "adminpw"}, admin_users="", stats_users="")
        command = ["psql", "-X", "-At", "-c", "show version", f"host={self.weir.socket_dir} port={self.weir.port} user=pgbouncer dbname=pgbouncer"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", **run_as())
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 1), done.stderr)
        for c in (self.raw(),):
            with self.assertRaises(wire.PgError):
                c.login("pgbouncer", "pgbouncer", "")


@beyond_pgbouncer
class Drivers(Case):
    settings = {}

    def test_psql(self):
        for user in ("admin", "stats"):
            done = subprocess.run(["psql", "-X", "-A", "-c", "show pools", "-c", "show version", self.weir.url(user, "pgbouncer")], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.startswith("database|user|cl_active|cl_waiting"), done.stdout)

    def test_psycopg(self):
        for database in ("pgbouncer", "weir"):
            with psycopg.connect(self.weir.dsn("admin", database), autocommit=True) as c:
                c.prepare_threshold = 0
                for _ in range(3):
                    rows = c.execute("show pools").fetchall()
                    self.assertEqual(len(rows[0]), 17)
                self.assertEqual(c.execute("show lists", prepare=True).fetchone()[0], "databases")
                with self.assertRaises(psycopg.Error):
                    c.execute("bogus")
                self.assertTrue(c.execute("show version").fetchone())

    def test_asyncpg(self):
        async def go():
            c = await asyncpg.connect(self.weir.url("admin", "pgbouncer"))
            try:
                for _ in range(2):
                    rows = await c.fetch("show pools")
                    self.assertEqual(list(rows[0].keys()), COLUMNS["pools"])
                    self.assertIsInstance(rows[0]["cl_active"], int)
                self.assertEqual((await c.fetch("show stats"))[0]["database"] is not None, True)
                with self.assertRaises(asyncpg.PostgresError):
                    await c.fetch("bogus")
                self.assertTrue(await c.fetch("show version"))
            finally:
                await c.close(timeout=10)
        asyncio.run(go())

    def test_extended_protocol(self):
        with self.weir.console() as c:
            reply = c.send(wire.parse("s", "show pools"), wire.describe("S", "s"), wire.bind("", "s"), wire.describe(), wire.execute(), wire.close("S", "s"), wire.sync()).collect()
            self.assertEqual(re.sub("D+", "D", reply.types), "1tT2TDC3Z")
            reply = c.send(wire.one("bogus"), wire.one("show pools"), wire.sync()).collect()
            self.assertIn(reply.types, ("EZ", "1EZ", "12EZ"))
            replies = c.send(*[wire.one("show version") + wire.sync() for _ in range(20)]).collect_many(20)
            self.assertEqual({r.types for r in replies}, {"12TDCZ"})
            self.assertEqual(c.send(wire.parse("", "show lists"), wire.flush()).collect(until="1").types, "1")
            self.assertEqual(c.send(wire.bind(), wire.execute(), wire.sync()).collect().types.count("D"), len(LISTS))


class Commands(Case):
    @subset("tsan", "asan")
    def test_pause_and_resume(self):
        for target in ("", " app"):
            self.start()
            c, busy = self.clients(2)
            busy.sql("begin")
            console = self.weir.console()
            self.addCleanup(console.close)
            console.send(query(f"pause{target}"))
            time.sleep(0.3)
            self.assertFalse(console.readable(), "PAUSE answered while a transaction was open")
            c.send(query("select 'paused'"))
            self.assertEqual(busy.one("select 'goes on'"), "goes on")
            self.assertFalse(c.readable(0.2))
            busy.sql("commit")
            self.assertEqual(console.collect().check().tags, ["PAUSE"])
            if target:
                self.assertEqual(self.weir.show("databases", name="app")[0]["paused"], "1")
            wait_until(lambda: self.weir.count() == 0, 30, "the servers to be closed")
            self.assertFalse(c.readable())
            self.assertEqual(len(console.run(f"pause{target}").errors), 0 if target else 1, "twice")
            self.assertEqual(console.run(f"resume{target}").check().tags, ["RESUME"])
            self.assertEqual(c.collect().check().value, "paused")
            self.assertTrue(console.run(f"resume{target}").errors, "twice")
            self.assertEqual(busy.one("select 1"), "1")

    def test_pause_of_one_database_leaves_others_alone(self):
        self.start(databases={"app": "{pg}", "other": "{pg}"})
        a, o = self.client(), self.client(database="other")
        self.weir.admin("pause app")
        self.assertEqual(o.one("select 1"), "1")
        a.send(query("select 1"))
        self.weir.wait_waiting(1)
        self.weir.admin("resume app")
        self.assertEqual(a.collect().check().value, "1")

    def test_clients_may_log_in_while_paused(self):
        self.start()
        self.client().sql("select 1")
        self.weir.admin("pause")
        raw = self.raw().send(wire.startup_packet({"user": "app", "database": "app"}))
        time.sleep(0.2)
        self.weir.admin("resume")
        raw.authenticate("app", None)
        self.assertEqual(raw.one("select 1"), "1")

    @subset("tsan")
    def test_pause_under_load(self):
        self.start()
        stop, done = threading.Event(), []

        def work(n):
            with self.weir.connect() as c:
                while not stop.is_set():
                    self.assertEqual(c.one(f"select {n}"), str(n))
                    done.append(n)
        with background(work, 1), background(work, 2), background(work, 3), background(work, 4):
            try:
                for _ in range(5):
                    self.weir.admin("pause")
                    self.assertEqual(self.weir.pool()["sv_active"], 0)
                    before = len(done)
                    time.sleep(0.05)
                    self.assertLessEqual(len(done) - before, 4)
                    self.weir.admin("resume")
                    wait_until(lambda: len(done) > before + 8, 30, "work to go on")
            finally:
                stop.set()

    @beyond_pgbouncer
    def test_a_cancelled_pause_resumes(self):
        self.start()
        busy, c = self.clients(2)
        busy.sql("begin")
        console = self.weir.console()
        self.addCleanup(console.close)
        console.send(query("pause"))
        time.sleep(0.3)
        console.cancel()
        console.collect(until="ZE")
        self.assertEqual(c.one("select 'resumed'"), "resumed")
        busy.sql("commit")

    @subset("asan")
    def test_kill(self):
        self.start(databases={"app": "{pg}", "other": "{pg}"})
        idle, block, running, other = self.client(), self.client(), self.client(), self.client(database="other")
        block.sql("begin")
        running.send(query("select pg_sleep(100)"))
        wait_until(lambda: self.weir.count("state = 'active'") == 1, 30, "the query to run")
        self.assertEqual(self.weir.admin("kill app").tags, ["KILL"])
        for c in (idle, block, running):
            self.fatal(c)
        self.assertEqual(other.one("select 1"), "1")
        self.assertEqual(self.weir.show("databases", name="app")[0]["paused"], "1")
        self.weir.admin("resume app")
        self.assert_serves()

    def test_reload(self):
        self.start(default_pool_size=1)
        a, b = self.clients(2)
        a.sql("begin")
        b.send(query("begin"))
        self.weir.wait_waiting(1)
        self.weir.reload(default_pool_size=2)
        b.collect().check()
        self.assertEqual(self.weir.show("config", key="default_pool_size")[0]["value"], "2")
        self.weir.reload(default_pool_size=1)
        a.sql("commit")
        b.sql("commit")
        wait_until(lambda: self.weir.count() <= 2, 30, "the pool")
        self.assertEqual(a.one("select 1"), "1")

    def test_reload_of_databases(self):
        self.start(databases={"app": "{pg}", "gone": "{pg}"})
        kept, gone = self.client(), self.client(database="gone")
        kept.sql("select 1")
        gone.sql("select 1")
        del self.weir.databases["gone"]
        self.weir.databases["new"] = "{pg}"
        self.weir.reload()
        self.fatal(gone)
        self.assertEqual(kept.one("select 1"), "1")
        self.assertEqual(self.client(database="new").one("select 1"), "1")
        self.assertIn("gone", self.refused(database="gone").message)

    def test_reload_that_moves_a_database(self):
        self.start()
        a = self.client()
        first = a.server_pid()
        self.weir.databases["app"] = f"host={self.pg.socket_dir} port={self.pg.port} dbname={self.weir.dbname}"
        self.weir.reload()
        self.assertIsNone(a.one("select inet_client_addr()"))
        self.assertNotEqual(a.server_pid(), first)

    def test_shutdown(self):
        self.start()
        self.weir.expect_exit = (0, 1)
        c = self.client()
        console = self.weir.console()
        console.send(query("shutdown"))
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertTrue(c.expect_close().closed)
        self.assertIsNone(SANITIZER.search(self.weir.log()))

    @beyond_pgbouncer
    def test_shutdown_that_waits_for_clients(self):
        self.start()
        c = self.client()
        c.sql("select 1")
        self.weir.admin("shutdown wait_for_clients")
        time.sleep(0.3)
        self.assertTrue(self.weir.alive())
        self.assertEqual(c.one("select 1"), "1")
        with self.assertRaises((OSError, wire.PgError, wire.Closed)):
            self.weir.connect()
        c.close()
        self.assertEqual(self.weir.wait_exit(), 0)

    @beyond_pgbouncer
    def test_shutdown_that_waits_for_servers(self):
        self.start()
        c, busy = self.clients(2)
        busy.sql("begin")
        self.weir.admin("shutdown wait_for_servers")
        time.sleep(0.3)
        self.assertTrue(self.weir.alive())
        self.assertEqual(busy.run("commit").check().tags, ["COMMIT"])
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertTrue(c.expect_close().closed)
