"""Online restart (weir -R): the new process takes over sockets, clients and servers from the running one, and nobody notices."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import test_ldap
import test_pam
import test_tls
from harness import wire
from harness.case import Case, background, subset, wait_until
from harness.postgres import SECRET
from harness.tls import TlsWire, client_context
from harness.util import run_as, tied
from harness.weir import BIN
from harness.wire import bind, copy_data, copy_done, execute, parse, query, startup_packet, sync


def tearDownModule():
    test_tls.tearDownModule()  # its authority and its cluster


HALF_TAKER = str(pathlib.Path(__file__).resolve().parent / "harness" / "half_taker.py")


class Takeover(Case):
    """`self.restart()` puts another process in the place of self.weir.proc."""
    options = {"default_pool_size": 3, "databases": {"app": "{pg}", "sess": "{pg} pool_mode=session"}}

    def setUp(self):
        self.start(**self.options)

    def spawn_next(self, *flags):
        """A process that takes over; nothing is waited for."""
        log = open(self.weir.log_path, "ab")
        proc = subprocess.Popen(tied([BIN, "-R", *flags, self.weir.ini_path]), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.weir.dir,
                                env={**os.environ, **self.weir.env}, start_new_session=True, **run_as())
        log.close()
        self.addCleanup(self.reap, proc)
        return proc

    def reap(self, proc):
        if proc.poll() is None and proc is not self.weir.proc:
            proc.kill()
        if proc is not self.weir.proc:
            proc.wait()

    def restart(self, *flags, waits_for_old=True):
        before = self.weir.proc
        marks = self.weir.log().count("process up: ")
        after = self.spawn_next(*flags)
        wait_until(lambda: self.weir.log().count("process up: ") > marks or after.poll() is not None, 30, "the new process to be up")
        self.assertIsNone(after.poll(), self.weir.log()[-3000:])
        self.weir.proc = after
        self.addCleanup(self.reap, before)
        if waits_for_old:
            self.assertEqual(before.wait(20), 0, self.weir.log()[-3000:])
        return before

    def pgbench(self, mode, clients, seconds, database="app", script=None, env=None):
        self.pg.sql("create table if not exists pgb(a int primary key, b int); insert into pgb select i, 0 from generate_series(1, 100) i "
                    "on conflict do nothing; grant all on pgb to public", self.weir.dbname)
        path = f"{self.weir.dir}/script.sql"
        with open(path, "w") as f:
            f.write(script or "\\set x random(1, 100)\nbegin;\nselect * from pgb where a = :x;\nupdate pgb set b = b + 1 where a = :x;\nend;\n"
                    "select :x;\n")
        os.chmod(path, 0o644)
        # A thread for each client: pgbench prepares statements blocking, and one of its thread's clients may be who holds the server.
        return subprocess.Popen(["pgbench", "-n", "-M", mode, "-c", str(clients), "-j", str(clients), "-T", str(seconds), "-f", path, "-h", self.weir.host,
                                 "-p", str(self.weir.port), "-U", "app", database], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                cwd=self.weir.dir, env={**os.environ, **(env or {})})

    def loaded(self, mode, clients, seconds, database="app", **more):
        """pgbench, when its queries run."""
        bench = self.pgbench(mode, clients, seconds, database, **more)
        self.addCleanup(lambda: bench.poll() is None and bench.kill())
        wait_until(lambda: self.weir.pool(database) is not None and self.weir.pool(database)["sv_active"] > 0, 30, "load")
        return bench

    def assert_unharmed(self, bench, at_least=100):
        out = bench.communicate(timeout=120)[0]
        self.assertEqual(bench.returncode, 0, out)
        self.assertRegex(out, r"number of failed transactions: 0 ", out)
        self.assertNotRegex(out, r"(?i)error|fatal|aborted", out)
        done = int(re.search(r"number of transactions actually processed: (\d+)", out).group(1))
        self.assertGreater(done, at_least, out)

    def pids(self):
        """Of the servers, as PostgreSQL knows them."""
        return sorted(row["pid"] for row in self.pg.backends(self.weir.dbname))


class UnderLoad(Takeover):
    options = {"default_pool_size": 4, "databases": {"app": "{pg}", "sess": "{pg} pool_mode=session pool_size=8"}}

    def check(self, mode, database="app"):
        bench = self.loaded(mode, 8, 6, database)
        limit = 4 if database == "app" else 8
        for _ in range(3):
            self.restart()
            self.assertLessEqual(self.weir.count(), limit)
        self.assert_unharmed(bench)
        self.assertLessEqual(self.weir.count(), limit)

    @subset("asan")
    def test_simple_protocol(self):
        self.check("simple")

    def test_extended_protocol(self):
        self.check("extended")

    @subset("asan", "tsan")
    def test_prepared_statements(self):
        self.check("prepared")

    def test_session_pooling(self):
        self.check("prepared", "sess")

    def test_pool_size_holds_all_the_time(self):
        """More clients than servers, and somebody counts in pg_stat_activity while three processes follow each other."""
        bench = self.pgbench("simple", 12, 6)
        self.addCleanup(lambda: bench.poll() is None and bench.kill())
        wait_until(lambda: self.weir.pool() is not None and self.weir.pool()["cl_waiting"] > 0, 30, "a queue")
        counts, over = [], threading.Event()

        def watch():
            while not over.is_set():
                counts.append(self.weir.count())
        with background(watch):
            for _ in range(3):
                self.restart()
            over.set()
        self.assert_unharmed(bench)
        self.assertLessEqual(max(counts), 4)


class Logins(Takeover):
    """Every transaction logs in, while processes follow each other: nobody is turned away, whatever a login has to wait for."""
    password = SECRET

    def connecting(self, user, database="app", seconds=5):
        """pgbench that logs in for every transaction."""
        path = f"{self.weir.dir}/script.sql"
        with open(path, "w") as f:
            f.write("select 1;\n")
        os.chmod(path, 0o644)
        bench = subprocess.Popen(["pgbench", "-n", "-C", "-c", "8", "-j", "8", "-T", str(seconds), "-f", path, "-h", self.weir.host, "-p", str(self.weir.port),
                                  "-U", user, database], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.weir.dir,
                                 env={**os.environ, "PGPASSWORD": self.password})
        self.addCleanup(lambda: bench.poll() is None and bench.kill())
        return bench

    def check(self, user, database="app", at_least=100):
        bench = self.connecting(user, database)
        wait_until(lambda: self.transactions(database) > 20, 30, "load")
        for _ in range(3):
            self.restart()
        self.assert_unharmed(bench, at_least)

    def transactions(self, database):
        return sum(int(row["total_xact_count"]) for row in self.weir.show("stats") if row["database"] == database)


class AuthQueryLogins(Logins):
    options = {"default_pool_size": 4, "auth_type": "scram-sha-256", "userlist": {"asker": "", "admin": "of admin"}, "auth_user": "asker",
               "weir": {"workers": 2, "auth_query_ttl": 0}, "databases": {"app": "{pg}", "forced": "{pg} user=app"}}

    def setUp(self):
        self.pg.sql("do $$ begin create role asker superuser login; exception when duplicate_object then null; end $$")
        super().setUp()
        self.weir.console_secret = "of admin"

    @subset("asan", "tsan")
    def test_scram(self):
        self.check("u_scram")

    @subset("asan", "tsan")
    def test_md5(self):
        self.weir.reload(auth_type="md5")
        self.check("u_md5")

    def test_a_forced_user(self):
        self.check("u_scram", "forced")

    def test_a_secret_that_is_waited_for(self):
        """It moves, as nothing has been asked of the client: the old process has nothing to wait for."""
        self.weir.reload(auth_query="select rolname, rolpassword from pg_authid, pg_sleep(2) where rolname = $1")
        c = self.raw()
        c.send(startup_packet({"user": "u_scram", "database": "app"}))
        wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")
        self.restart()
        c.authenticate("u_scram", SECRET)
        self.assertEqual(c.one("select 1"), "1")


class PamLogins(Logins, test_pam.Pam):
    password = "right"

    def test_under_load(self):
        self.check("app", at_least=20)


class PamVerdicts(Takeover, test_pam.Pam):
    options = {"service": test_pam.EXEC}

    def test_a_verdict_that_is_waited_for(self):
        """Who has sent a password is judged by the process that has asked for it, and follows."""
        c = self.begin("stuck", "right")
        wait_until(lambda: any(line.endswith("stuck 127.0.0.1") for line in self.told()), 30, "the module to be asked")
        before = self.restart(waits_for_old=False)
        self.assertIsNone(before.poll())
        self.put("release", "")
        c.collect()
        self.assertEqual(before.wait(20), 0)


class LdapLogins(Logins, test_ldap.Ldap):
    password = "right"

    def setUp(self):
        test_ldap.Ldap.start(self, test_ldap.Ldap.options(self, self.SIMPLE))

    @subset("asan", "tsan")
    def test_under_load(self):
        self.check("app")


class State(Takeover):
    options = {"default_pool_size": 2, "databases": {"app": "{pg}", "sess": "{pg} pool_mode=session", "one": "{pg} pool_size=1",
                                                       "max": "{pg} max_db_connections=1"}}

    def test_idle_clients_keep_their_settings_and_their_servers(self):
        c = self.client(application_name="mine")
        c.sql("set timezone = 'Asia/Tokyo'")
        servers = self.pids()
        connected = self.weir.show("clients", user="app")[0]["connect_time"]
        self.restart()
        self.assertEqual(c.one("show timezone"), "Asia/Tokyo")
        self.assertEqual(c.one("show application_name"), "mine")
        self.assertEqual(self.pids(), servers)
        row = self.weir.show("clients", user="app")[0]
        self.assertEqual((row["application_name"], row["connect_time"]), ("mine", connected))

    def test_prepared_statements(self):
        c = self.client()
        c.send(parse("mine", "select $1::int + 1") + sync()).collect().check()
        self.restart()
        self.assertEqual(c.send(bind("", "mine", ["41"]) + execute() + sync()).collect().check().value, "42")
        self.fatal(c.send(parse("mine", "select 2") + sync()), text="already in use")

    def test_statements_of_before_a_change(self):
        """Who prepares after the restart what a server had before a table changed gets what it means now."""
        anew = parse("s", "select * from changed") + bind("", "s", []) + execute() + sync()
        first, changer = self.client(database="one"), self.client(database="one")
        changer.sql("create table changed(a int)")
        first.send(anew).collect().check()
        changer.sql("alter table changed add b int")
        self.restart()
        self.client(database="one").send(anew).collect().check()
        # Prepared by who changes it, who takes it back behind the restart.
        changer.sql("begin")
        changer.sql("alter table changed add c int")
        changer.send(anew).collect().check()
        self.restart()
        changer.sql("rollback")
        self.client(database="one").send(anew).collect().check()

    def test_open_transactions_go_on(self):
        c = self.client()
        c.sql("create table moved(a int)")
        c.sql("begin")
        c.sql("insert into moved values (1)")
        pid = c.one("select pg_backend_pid()")
        self.restart()
        self.assertEqual(c.one("select pg_backend_pid()"), pid)
        c.sql("insert into moved values (2)")
        c.sql("commit")
        self.assertEqual(c.one("select count(*) from moved"), "2")

    def test_running_queries_are_answered(self):
        c = self.client()
        c.send(query("select pg_sleep(1.5), 'done'"))
        wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")
        self.restart()
        self.assertEqual(c.collect().check().rows[0][1], "done")
        self.assertEqual(c.one("select 1"), "1")

    def test_copy_in_the_middle(self):
        c = self.client()
        c.sql("create table copied(a int)")
        c.send(query("copy copied from stdin"))
        c.collect("G")
        c.send(copy_data(b"1\n"))
        self.restart()
        c.send(copy_data(b"2\n") + copy_done())
        self.assertEqual(c.collect().check().tags, ["COPY 2"])

    def test_large_results_in_the_middle(self):
        """Its client reads slowly: bytes are held in the process that goes."""
        c = self.client(rcvbuf=4096)
        c.send(query("select repeat('x', 1000), i from generate_series(1, 20000) i"))
        self.weir.wait_pool(sv_active=1)
        self.restart()
        reply = c.collect().check()
        self.assertEqual([r[1] for r in reply.rows], [str(i) for i in range(1, 20001)])

    def test_waiting_clients_are_served_in_their_order(self):
        holder = self.client(database="one")
        holder.sql("begin")
        waiting = []
        for i in range(4):
            c = self.client(database="one")
            c.send(query("select clock_timestamp()"))
            waiting.append(c)
            self.weir.wait_waiting(i + 1, database="one")
        time.sleep(1)  # so that there is a time of waiting to be kept
        self.restart()
        self.weir.wait_waiting(4, database="one")
        self.assertGreaterEqual(self.weir.pool("one")["maxwait"], 1)
        holder.sql("commit")
        times = [c.collect().check().value for c in waiting]
        self.assertEqual(times, sorted(times))

    @subset("asan", "tsan")
    def test_cancel_keys_of_an_earlier_process(self):
        c = self.client()
        for _ in range(3):
            self.restart()
            c.send(query("select pg_sleep(120)"))
            wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")
            c.cancel()
            self.assert_error(c.collect(), "57014", "canceling statement due to user request")

    def test_listen_in_session_pooling(self):
        c = self.client(database="sess")
        c.sql("listen news")
        c.sql("create temporary table mine(a int)")
        self.restart()
        with self.weir.connect() as other:
            other.sql("notify news, 'hello'")
        kind, body = c.recv()
        self.assertEqual((kind, body[4:]), ("A", b"news\0hello\0"))
        self.assertEqual(c.one("select count(*) from mine"), "0")

    def test_logins_that_wait_for_the_first_server(self):
        """Nobody has told yet what the servers of a pool say of themselves, and there is no room for one."""
        holder = self.client(user="app", database="max")
        holder.sql("begin")
        waiting = self.raw()
        waiting.send(startup_packet({"user": "app2", "database": "max", "application_name": "late"}))
        self.weir.wait_pool(database="max", user="app2", cl_waiting=1)
        self.restart()
        self.weir.wait_pool(database="max", user="app2", cl_waiting=1)
        holder.sql("commit")
        waiting.authenticate("app2", None)
        self.assertEqual(waiting.one("show application_name"), "late")

    def test_clients_that_have_said_nothing_yet(self):
        silent, half = self.raw(), self.raw()
        packet = startup_packet({"user": "app", "database": "app"})
        half.send(packet[:9])
        self.restart()
        self.assertEqual(silent.login().one("select 1"), "1")
        half.send(packet[9:])
        half.authenticate("app", None)
        self.assertEqual(half.one("select 1"), "1")

    def test_pause_is_taken_over(self):
        c = self.client()
        self.weir.admin("pause")
        c.send(query("select 'resumed'"))
        self.weir.wait_waiting(1)
        self.restart()
        self.weir.wait_waiting(1)
        self.weir.admin("resume")
        self.assertEqual(c.collect().check().value, "resumed")

    def test_console_clients_stay(self):
        with self.weir.console() as console:
            before = console.run("show version").check().rows
            self.restart()
            self.assertEqual(console.run("show version").check().rows, before)

    def test_listening_sockets_are_never_closed(self):
        over, served = threading.Event(), []

        def connect():
            while not over.is_set():
                for host in (self.weir.host, self.weir.socket_dir):
                    with self.weir.connect(host=host) as c:
                        served.append(c.one("select 1"))
        with background(connect):
            for _ in range(3):
                self.restart()
            over.set()
        self.assertGreater(len(served), 3)

    def test_pool_is_shared_with_nobody_afterwards(self):
        for c in self.clients(2):
            c.sql("select 1")
        self.restart()
        self.assert_idle()
        self.assertEqual(self.weir.pool()["sv_idle"], len(self.pids()))


class Ending(Takeover):
    options = {**Takeover.options, "so_reuseport": 1, "tcp_defer_accept": 0}

    def takes_nobody(self):
        """Whether new connections are held back; on a slow machine the socket may be closed by the time that we look."""
        with socket.socket() as s:
            s.settimeout(0.1)
            try:
                s.connect((self.weir.host, self.weir.port))
            except (TimeoutError, ConnectionRefusedError):
                return True
        return False

    def test_a_process_that_closes_its_socket_already(self):
        c = self.client(host=self.weir.socket_dir)
        c.sql("begin")
        pid = c.one("select pg_backend_pid()")
        self.weir.signal(signal.SIGTERM)
        wait_until(self.takes_nobody, 30, "new connections to be held back")
        self.restart()
        self.assertEqual(c.one("select pg_backend_pid()"), pid)
        c.sql("commit")
        self.assert_serves()


class Streams(Takeover):
    options = {"default_pool_size": 2}

    def test_replication_goes_on(self):
        """What is written meanwhile arrives, on the same connection to the server."""
        c = self.raw()
        c.login("repl", "app", replication="true")
        at = c.run("IDENTIFY_SYSTEM").check().rows[0][2]
        c.send(query(f"START_REPLICATION PHYSICAL {at}"))
        self.assertEqual(c.recv()[0], "W")
        for turn in range(3):
            before = self.weir.show("servers", replication="physical")
            self.restart()
            text = f"after takeover {turn}"
            self.pg.sql(f"select pg_logical_emit_message(false, 'weir', '{text}')", database=self.weir.dbname)
            data = b""
            while text.encode() not in data:
                kind, body = c.recv()
                self.assertEqual(kind, "d")
                data = data[-8192:] + body[25:]
            after = self.weir.show("servers", replication="physical")
            self.assertEqual([r["remote_pid"] for r in after], [r["remote_pid"] for r in before])
        c.drop()
        wait_until(lambda: not self.weir.show("servers", replication="physical"), 20, "its server to be closed")


class Passwords(Takeover):
    options = {"auth_type": "scram-sha-256", "userlist": {"admin": "admin", "u_scram": SECRET}}

    def test_a_password_exchange_in_the_middle(self):
        """Only the process that asked can finish it: it does, and the client follows to the new one. Wrong ones are refused as ever."""
        asked, wrong = self.raw(), self.raw()
        for c in (asked, wrong):
            c.send(startup_packet({"user": "u_scram", "database": "app"}))
            wait_until(lambda: c.readable(1), 10, "the challenge")
        before = self.restart(waits_for_old=False)
        self.assertIsNone(before.poll())
        asked.authenticate("u_scram", SECRET)
        self.assertEqual(asked.one("select 1"), "1")
        self.assertIsNone(before.poll())
        with self.assertRaises(wire.PgError) as caught:
            wrong.authenticate("u_scram", "not it")
        self.assertEqual(caught.exception.code, "28P01")
        wrong.drop()
        self.assertEqual(before.wait(20), 0)
        self.assertEqual(asked.one("select 2"), "2")

    def test_a_password_exchange_that_outlives_two_processes(self):
        """The one in between has nobody; the client follows past it."""
        asked = self.raw()
        asked.send(startup_packet({"user": "u_scram", "database": "app"}))
        wait_until(lambda: asked.readable(1), 10, "the challenge")
        first = self.restart(waits_for_old=False)
        second = self.restart(waits_for_old=False)
        self.assertEqual(second.wait(20), 0)
        self.assertIsNone(first.poll())
        asked.authenticate("u_scram", SECRET)
        self.assertEqual(asked.one("select 1"), "1")
        self.assertEqual(first.wait(20), 0)


class Encrypted(Takeover):
    """The old process goes on with its TLS clients until they leave; everybody else, and whoever comes, is the new one's."""
    options = {"default_pool_size": 2, "min_pool_size": 1}

    def setUp(self):
        self.start(**{**self.options, **test_tls.serving()})

    def tls(self, **kw):
        c = TlsWire(self.weir.host, self.weir.port)
        self.addCleanup(c.drop)
        return c.login(**kw)

    def runs_a_query(self, c):
        c.send(query("select pg_sleep(120)"))
        wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")

    def test_they_stay_until_they_leave(self):
        stays, plain = self.tls(application_name="mine"), self.client()
        stays.send(parse("mine", "select $1::int + 1") + sync()).collect().check()
        plain.sql("select 1")
        first = self.restart(waits_for_old=False)
        self.weir.wait_log("1 clients stay here")
        later = self.tls()
        for turn in range(3):
            self.assertEqual(stays.send(bind("", "mine", [str(turn)]) + execute() + sync()).collect().check().value, str(turn + 1))
            self.assertEqual(stays.one("show application_name"), "mine")
            self.assertEqual(plain.one("select 1"), "1")
            self.assertEqual(later.one("select 2"), "2")
        self.assertEqual(len(self.weir.show("clients", database="app")), 2)
        self.assertIsNone(first.poll())
        stays.close()
        self.assertEqual(first.wait(20), 0)
        self.assertEqual(later.one("select 3"), "3")

    def test_the_old_process_keeps_few_servers(self):
        """None for min_pool_size, and idle ones for seconds."""
        stays = self.tls()
        stays.sql("select 1")
        first = self.restart(waits_for_old=False)
        stays.sql("select 1")
        wait_until(lambda: self.weir.count() == self.weir.pool()["sv_idle"] == 1, 30, "the old process to have no server")
        self.assertEqual(stays.one("select 1"), "1")
        first.send_signal(signal.SIGHUP)
        self.weir.wait_log("another process has taken over: reload that one")
        self.assertEqual(stays.one("select 1"), "1")
        stays.close()
        self.assertEqual(first.wait(20), 0)

    @subset("asan", "tsan")
    def test_cancel_requests_reach_the_old_process(self):
        """Over the socket that the new one listens on; also when two have followed, of which the first had nobody left."""
        stays = self.tls()
        first = self.restart(waits_for_old=False)
        self.runs_a_query(stays)
        stays.cancel()
        self.assert_error(stays.collect(), "57014", "canceling statement due to user request")
        second = self.restart(waits_for_old=False)
        self.assertEqual(second.wait(20), 0)
        self.assertIsNone(first.poll())
        self.runs_a_query(stays)
        stays.cancel(b"\1" * 8)  # nobody's
        self.assertFalse(stays.readable(0.5))
        stays.cancel()
        self.assert_error(stays.collect(), "57014", "canceling statement due to user request")
        mine = self.client()
        self.runs_a_query(mine)
        mine.cancel()
        self.assert_error(mine.collect(), "57014", "canceling statement due to user request")
        stays.close()
        self.assertEqual(first.wait(20), 0)

    def test_encrypted_cancel_requests(self):
        stays = self.tls()
        first = self.restart(waits_for_old=False)
        self.runs_a_query(stays)
        with TlsWire(self.weir.host, self.weir.port) as w:
            w.send(wire.cancel_packet(stays.key))
            w.expect_close()
        self.assert_error(stays.collect(), "57014", "canceling statement due to user request")
        stays.close()
        self.assertEqual(first.wait(20), 0)

    def test_handshakes_and_logins_in_the_middle(self):
        """They end where they began, auth_query included."""
        waiting = self.raw()
        waiting.send(wire.SSL_REQUEST)
        self.assertEqual(waiting.recv_exact(1), b"S")
        first = self.restart(waits_for_old=False)
        waiting.sock = client_context().wrap_socket(waiting.sock, server_hostname=waiting.host)
        waiting.login()
        self.assertEqual(waiting.one("select 1"), "1")
        self.assertIsNone(first.poll())
        waiting.close()
        self.assertEqual(first.wait(20), 0)

    def test_the_new_process_ends_first(self):
        stays = self.tls()
        first = self.restart(waits_for_old=False)
        self.weir.signal(signal.SIGQUIT)
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertEqual(stays.one("select 1"), "1")
        stays.close()
        self.assertEqual(first.wait(20), 0)


class EncryptedLoad(Takeover):
    """pgbench over TLS stays with the process that it began with, through two restarts."""
    options = UnderLoad.options

    def setUp(self):
        self.start(**{**self.options, **test_tls.serving()})

    def check(self, mode, database="app"):
        bench = self.loaded(mode, 8, 5, database, env={"PGSSLMODE": "require"})
        first = self.restart(waits_for_old=False)
        self.assert_serves(database=database)
        second = self.restart(waits_for_old=False)
        self.assertEqual(second.wait(20), 0)
        self.assertIsNone(first.poll())
        limit = 4 if database == "app" else 8
        self.assertLessEqual(self.weir.count(), 2 * limit)
        self.assert_unharmed(bench)
        self.assertEqual(first.wait(20), 0)
        self.assert_serves(database=database)

    def test_simple_protocol(self):
        self.check("simple")

    def test_extended_protocol(self):
        self.check("extended")

    @subset("asan", "tsan")
    def test_prepared_statements(self):
        self.check("prepared")

    def test_session_pooling(self):
        self.check("prepared", "sess")


class EncryptedServers(Takeover):
    """Nobody can take a server's TLS over: idle servers are opened afresh, others stay with their client."""
    make_cluster = staticmethod(test_tls.secure_cluster)

    def setUp(self):
        self.start(default_pool_size=4, server_tls_sslmode="require")

    @subset("asan", "tsan")
    def test_under_load(self):
        bench = self.loaded("prepared", 8, 5)
        olds = [self.restart(waits_for_old=False) for _ in range(2)]
        self.assert_serves()
        self.assert_unharmed(bench)
        for old in olds:
            self.assertEqual(old.wait(20), 0)

    def test_idle_and_busy_ones(self):
        """Idle ones go, one in the middle of a transaction stays."""
        idle, busy = self.client(), self.client()
        busy.sql("begin")
        pid = busy.one("select pg_backend_pid()")
        idle.sql("select 1")
        before = [str(it) for it in self.pids()]
        first = self.restart(waits_for_old=False)
        wait_until(lambda: [str(it) for it in self.pids()] == [pid], 20, "idle servers to be closed")
        self.assertIn(pid, before)
        self.assertEqual(idle.one("select ssl from pg_stat_ssl where pid = pg_backend_pid()"), "t")
        self.assertEqual(busy.one("select pg_backend_pid()"), pid)
        busy.sql("commit")
        self.assertEqual(busy.one("select 1"), "1")
        self.assertIsNone(first.poll())
        busy.close()
        self.assertEqual(first.wait(20), 0)

    def test_cancel_requests(self):
        """One for who has stayed reaches the old process."""
        c = self.client()
        c.sql("begin")
        first = self.restart(waits_for_old=False)
        c.send(query("select pg_sleep(120)"))
        wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")
        c.cancel()
        self.assert_error(c.collect(), "57014", "canceling statement due to user request")
        c.close()
        self.assertEqual(first.wait(20), 0)


class Configuration(Takeover):
    options = {"default_pool_size": 2, "databases": {"app": "{pg}", "gone": "{pg}"}}

    def test_a_database_that_vanished(self):
        gone, kept = self.client(database="gone"), self.client()
        gone.sql("select 1")
        del self.weir.databases["gone"]
        self.weir.write()
        self.restart()
        self.fatal(gone, text="database removed")
        self.assertEqual(kept.one("select 1"), "1")
        wait_until(lambda: self.weir.count() <= 1, 20, "its servers to go")

    def test_servers_that_lead_elsewhere_are_replaced(self):
        c = self.client()
        c.sql("select 1")
        before = self.pids()
        self.weir.databases["app"] = "{pg} connect_query='select 2'"
        self.weir.write()
        self.restart()
        c.sql("select 1")
        wait_until(lambda: not set(before) & set(self.pids()), 20, "new servers")

    def test_pidfile_and_socket_file(self):
        first, second = f"{self.weir.dir}/first.pid", f"{self.weir.dir}/second.pid"
        for path in (first, first, second):
            self.weir.options["pidfile"] = path
            self.weir.write()
            self.restart()
            with open(path) as f:
                self.assertEqual(int(f.read()), self.weir.pid)
        self.assertFalse(os.path.exists(first))
        socket_file = f"{self.weir.socket_dir}/.s.PGSQL.{self.weir.port}"
        self.assertTrue(os.path.exists(socket_file))
        self.assert_serves(host=self.weir.socket_dir)
        self.weir.signal(signal.SIGQUIT)
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertFalse(os.path.exists(second))
        self.assertFalse(os.path.exists(socket_file))

    def test_other_addresses(self):
        """A socket that the new configuration does not have is closed; one that it adds is opened; the others go on."""
        kept = self.weir.options["listen_addr"]
        self.weir.options["listen_addr"] = "127.0.0.1"
        self.weir.write()
        self.restart()
        with self.assertRaises(OSError):
            wire.Wire("::1", self.weir.port)
        self.weir.options["listen_addr"] = kept
        self.weir.write()
        self.restart()
        self.assert_serves(host="::1")
        self.assert_serves()

    def test_another_number_of_workers(self):
        clients = self.clients(6)
        for workers in (1, 4, 2):
            self.weir.weir_section["workers"] = workers
            self.weir.write()
            self.restart()
            for c in clients:
                self.assertEqual(c.one("select 1"), "1")

    def test_as_a_daemon(self):
        path = f"{self.weir.dir}/weir.pid"
        self.weir.options["pidfile"] = path
        self.weir.write()
        c = self.client()
        c.sql("set application_name = 'stays'")
        done = subprocess.run([BIN, "-R", "-d", self.weir.ini_path], cwd=self.weir.dir, capture_output=True, text=True, timeout=60, **run_as())
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertEqual(c.one("show application_name"), "stays")
        self.assert_serves()
        with open(path) as f:
            os.kill(int(f.read()), signal.SIGQUIT)
        wait_until(lambda: not os.path.exists(path), 20, "the daemon to end")

    def test_without_a_running_process(self):
        self.weir.signal(signal.SIGQUIT)
        self.assertEqual(self.weir.wait_exit(), 0)
        self.weir.start("-R")
        self.assert_serves()


class Failures(Takeover):
    options = {"default_pool_size": 3, "suspend_timeout": 2}

    def test_a_bad_configuration_leaves_all_as_it_was(self):
        c = self.client()
        with open(self.weir.ini_path, "a") as f:
            f.write("nonsense = 1\n")
        proc = self.spawn_next()
        self.assertEqual(proc.wait(20), 1)
        self.assertEqual(c.one("select 1"), "1")

    def half_taker(self, stage):
        """See harness/half_taker.py."""
        path = f"{self.weir.socket_dir}/.s.PGSQL.{self.weir.port}"
        proc = subprocess.Popen(tied([sys.executable, HALF_TAKER, path, stage]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **run_as())
        self.addCleanup(proc.communicate)
        self.addCleanup(proc.kill)
        return proc

    @subset("asan", "tsan")
    def test_the_new_process_dies_in_the_middle(self):
        """At each step of the conversation; the running one goes on each time, with whatever was under way."""
        idle, running, holder = self.client(), self.client(), self.client()
        idle.sql("set application_name = 'stays'")
        holder.sql("begin")
        for stage in ("hello", "begin", "some", "all", "nonsense"):
            running.send(query("select pg_sleep(0.3), 'done'"))
            wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")
            offs = self.weir.log().count("the hand-over is off")
            self.assertEqual(self.half_taker(stage).wait(20), 0)
            self.weir.wait_log("the hand-over is off", offs + 1)
            self.assertEqual(running.collect().check().rows[0][1], "done")
            self.assertEqual(idle.one("show application_name"), "stays")
            self.assertEqual(holder.one("select 1"), "1")
            self.assert_serves()
        self.assertTrue(self.weir.alive())
        self.restart()
        self.assertEqual(idle.one("show application_name"), "stays")
        holder.sql("commit")

    def test_the_new_process_gets_everything_and_says_nothing(self):
        """Clients stand still no longer than suspend_timeout."""
        c = self.client()
        c.sql("select 1")
        taker = self.half_taker("silent")
        self.assertRegex(taker.stdout.readline(), r"^has c+glllps+wz \d+$")
        began = time.monotonic()
        self.assertEqual(c.one("select 2"), "2")
        self.assertLess(time.monotonic() - began, 5)
        self.assert_serves()
        self.restart()
        self.assertEqual(c.one("select 3"), "3")

    def test_two_at_once(self):
        """The second is refused, the first goes on."""
        first = self.half_taker("waits")
        self.assertIn("let in", first.stdout.readline())
        second = self.half_taker("hello")
        self.assertIn("taking over already", second.stdout.readline())
        first.communicate()
        self.weir.wait_log("the hand-over is off")
        self.assert_serves()

    def test_the_running_process_is_told_to_go_meanwhile(self):
        first = self.half_taker("silent")
        self.assertIn("has", first.stdout.readline())
        self.weir.signal(signal.SIGQUIT)
        self.assertEqual(self.weir.wait_exit(), 0)

    def test_a_wrong_format_is_refused(self):
        with self.weir.console() as console:
            error = console.run("takeover 999").error
            self.assertEqual(error.code, "0A000")
            self.assertIn("hands over in format 1 only", error.message)
            self.assertEqual(console.run("show version").check().tags, ["SHOW"])

    def test_not_for_administrators_from_elsewhere(self):
        with self.weir.console() as console:
            error = self.fatal(console.send(query("takeover 1")))
            self.assertEqual(error.code, "42501")
        self.assert_serves()


