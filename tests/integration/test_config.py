"""Configuration files, signals and the life of the process."""
import json
import os
import re
import signal
import subprocess
import time

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.util import run_as
from harness.weir import BIN, IS_PGBOUNCER, Weir
from harness.wire import query

DEBIAN_INI = """;;;
;;; PgBouncer configuration file
;;;

;; database name = connect string
;;
;; connect string params:
;;   dbname= host= port= user= password= auth_user=
[databases]

;; foodb over Unix socket
;foodb =

;; redirect bardb to bazdb on localhost
;bardb = host=localhost dbname=bazdb

app = {pg}
quoted = {pg} password='it''s' application_name='a b'
  indented   =   {pg}   pool_size=3
%include more.ini

;; User-specific configuration
[users]

;user1 = pool_mode=transaction max_user_connections=10
app2 = pool_mode=session

;; Configuration section
[pgbouncer]

logfile = @DIR@/pgbouncer.log
pidfile = @DIR@/pgbouncer.pid

# a comment of the other kind
listen_addr = localhost
listen_port = @PORT@

unix_socket_dir = @DIR@
unix_socket_mode = 0777
;client_tls_sslmode = disable

auth_type = trust
auth_file = @DIR@/userlist.txt
;auth_hba_file =

admin_users = admin
stats_users = stats, root

pool_mode = TRANSACTION
server_reset_query = DISCARD ALL
max_client_conn = 0x64
default_pool_size = 20
min_pool_size = 0
reserve_pool_timeout = 5.0
;log_connections = 1
;ignore_startup_parameters = extra_float_digits, options
tcp_keepalive = 1
tcp_keepidle = 60
tcp_keepcnt = 3
tcp_keepintvl = 10
server_login_retry = 1
server_idle_timeout = 600.5
"""


class Files(Case):
    def prepared(self, text=None, **kw):
        """A pooler whose files are written but which is not started."""
        w = self.weir = Weir(self.pg, **kw)
        self.addCleanup(w.stop)
        if text is not None:
            w.text = text.replace("@DIR@", w.dir).replace("@PORT@", str(w.port))
            w.write()
        return w

    def refused_start(self, text, *patterns):
        w = self.prepared(text)
        w.expect_exit = (1,)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)
        for pattern in patterns:
            self.assertRegex(w.log(), pattern)
        return w.log()

    def test_a_debian_style_file_works_unmodified(self):
        w = self.prepared(DEBIAN_INI)
        with open(f"{w.dir}/more.ini", "w") as f:
            f.write(w.expand("included = {pg}\n" + ("" if IS_PGBOUNCER else "'odd name' = {pg}\n")))
        w.start()
        for database in ("app", "quoted", "indented", "included") + (() if IS_PGBOUNCER else ("odd name",)):
            with w.connect(database=database) as c:
                self.assertEqual(c.one("select current_database()"), w.dbname)
                if database == "quoted":
                    self.assertEqual(c.one("show application_name"), "a b")
        config = {r["key"]: r["value"] for r in w.show("config")}
        self.assertEqual((config["max_client_conn"], config["pool_mode"], config["default_pool_size"]), ("100", "transaction", "20"))
        self.assertEqual(w.show("databases", name="indented")[0]["pool_size"], "3")
        with open(f"{w.dir}/pgbouncer.pid") as f:
            self.assertEqual(int(f.read()), w.pid)
        with open(f"{w.dir}/pgbouncer.log") as f:
            self.assertRegex(f.read(), r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[\d+\] LOG ")
        w.signal(signal.SIGTERM)
        w.wait_exit()
        for path in (f"{w.dir}/pgbouncer.pid", f"{w.dir}/.s.PGSQL.{w.port}"):
            self.assertFalse(os.path.exists(path), path)

    @beyond_pgbouncer
    def test_every_error_is_told_with_file_and_line(self):
        log = self.refused_start("[databases]\napp = {pg}\nbad = nosuchkey=1\nworse = host\n[pgbouncer]\nlisten_port = @PORT@\nauth_type = trust\n"
                                 "no_such_option = 1\npool_mode = sometimes\ndefault_pool_size = many\nnot a line\n[nosection]\n")
        lines = {int(n) for n in re.findall(r"weir\.ini:(\d+)", log)}
        self.assertLessEqual({3, 4, 8, 9, 10, 11, 12}, lines, log)

    def test_refused_files(self):
        for text in ("", "[pgbouncer\nx = 1\n", "listen_port = 1\n", "[databases]\napp = {pg}\n", "[pgbouncer]\nlisten_port = banana\n", "[pgbouncer]\nno_such_option = 1\n"):
            with self.subTest(text):
                self.refused_start(text)

    def test_a_file_that_is_not_there(self):
        w = self.prepared()
        w.expect_exit = (1,)
        os.unlink(w.ini_path)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)

    def test_flags(self):
        def run(*args):
            return subprocess.run([BIN, *args], capture_output=True, text=True, cwd="/", timeout=60, **run_as())
        version = run("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout.splitlines()[0], r"^(PgBouncer|Weir|weir) \d+\.\d+")
        self.assertEqual(run("-V").stdout, version.stdout)
        self.assertIn("Usage", run("--help").stdout)
        for wrong in ((), ("--nosuchflag",), ("a.ini", "b.ini")):
            self.assertEqual(run(*wrong).returncode, 1, wrong)

    @beyond_pgbouncer
    def test_every_option_is_known(self):
        with self.start(stats_period=30) and self.weir.console() as c:
            keys = {r[0] for r in c.sql("show config")}
        self.assertLessEqual({"application_name_add_host", "auth_query", "autodb_idle_timeout", "cancel_wait_timeout", "client_tls13_ciphers", "dns_nxdomain_ttl",
                              "login_notify_message", "max_prepared_statements", "peer_id", "pool_idle_timeout", "query_wait_notify", "scram_iterations", "server_tls_sslmode",
                              "so_reuseport", "suspend_timeout", "tcp_user_timeout", "track_extra_parameters", "transaction_timeout", "unix_socket_group"}, keys)

    @beyond_pgbouncer
    def test_reload_of_a_bad_file_changes_nothing(self):
        self.start(default_pool_size=3)
        c = self.client()
        c.sql("begin")
        good = self.weir.ini()
        for bad in (good + "no_such_option = 1\n", good.replace("[databases]", "[databases]\nextra = {pg}\n[pgbouncer]\npool_mode = never\n[databases]"), "", "garbage"):
            with open(self.weir.ini_path, "w") as f:
                f.write(bad)
            with self.weir.console() as console:
                reply = console.run("reload")
                self.assertEqual(len(reply.errors), 1, bad[:40])
                self.assertEqual(reply.error.severity, "ERROR")
            self.assertEqual(self.weir.show("config", key="default_pool_size")[0]["value"], "3")
            self.assertEqual(self.weir.show("config", key="pool_mode")[0]["value"], "transaction")
            self.assertNotIn("extra", {r["name"] for r in self.weir.show("databases")})
            self.assertEqual(c.one("select 1"), "1")
        self.weir.reload(default_pool_size=4)
        self.assertEqual(self.weir.show("config", key="default_pool_size")[0]["value"], "4")
        c.sql("commit")

    def test_an_option_taken_out_returns_to_its_default(self):
        self.start(query_wait_timeout=33)
        self.weir.reload(query_wait_timeout=None)
        self.assertEqual(float(self.weir.show("config", key="query_wait_timeout")[0]["value"]), 120)

    def test_the_port_in_use(self):
        self.start()
        second = Weir(self.pg)
        self.addCleanup(second.stop)
        second.expect_exit = (1,)
        second.options["listen_port"] = self.weir.port
        second.options["unix_socket_dir"] = self.weir.dir
        second.write()
        second.spawn()
        self.assertEqual(second.wait_exit(), 1)
        self.assert_serves()

    def test_many_databases_and_users(self):
        users = {f"user{n}": f"secret{n}" for n in range(2000)}
        self.start(databases={f"db{n}": "{pg}" for n in range(2000)} | {"app": "{pg}"}, userlist={**users, "app": "", "admin": ""})
        self.assertEqual(self.client(database="db1999").one("select 1"), "1")
        self.weir.reload(default_pool_size=7)
        self.assertEqual(self.client(database="db7").one("select 1"), "1")


@beyond_pgbouncer
class Questions(Case):
    """--check-config and --explain-config: answers before anything runs."""

    def ask(self, w, *question):
        return subprocess.run([BIN, *question, w.ini_path], capture_output=True, text=True, timeout=60, cwd=w.dir, **run_as())

    def prepared(self, **options):
        w = self.weir = Weir(self.pg, **options)
        self.addCleanup(w.stop)
        return w

    def test_a_good_configuration_is_called_good_and_nothing_is_changed(self):
        w = self.prepared(logfile="made.log", pidfile="made.pid")
        before = sorted(os.listdir(w.dir))
        done = self.ask(w, "--check-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"{w.ini_path}: no errors, ", done.stdout)
        self.assertEqual(self.ask(w, "--explain-config").returncode, 0)
        self.assertEqual(sorted(os.listdir(w.dir)), before)

    def test_the_errors_are_those_of_a_start(self):
        w = self.prepared()
        w.text = "[databases]\napp = {pg}\nbad = nosuchkey=1\n[pgbouncer]\nauth_type = trust\nauth_file = none\npool_mode = sometimes\n"
        w.write()
        for question in ("--check-config", "--explain-config"):
            done = self.ask(w, question)
            self.assertEqual(done.returncode, 1)
            self.assertEqual([int(n) for n in re.findall(r"weir\.ini:(\d+): error: ", done.stdout)], [3, 7, 6])
        found = json.loads(self.ask(w, "--check-config", "--json").stdout)
        self.assertEqual([e["line"] for e in found["errors"]], [3, 7, 6])
        w.expect_exit = (1,)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)
        for error in found["errors"]:
            self.assertIn(error["message"], w.log())

    def test_it_can_be_asked_while_the_same_configuration_runs(self):
        w = self.start(max_db_connections=7)
        self.assertEqual(self.ask(w, "--check-config").returncode, 0)
        told = json.loads(self.ask(w, "--explain-config", "--json").stdout)
        app = told["databases"]["app"]["settings"]
        shown = w.show("databases", name="app")[0]
        self.assertEqual((app["pool_size"]["value"], app["max_db_connections"]["value"]), (shown["pool_size"], "7"))
        self.assertEqual(app["servers"][0]["value"], f"{shown['host']} port {shown['port']}")
        self.assertRegex(app["max_db_connections"]["source"], r"weir\.ini:\d+$")
        self.assertLessEqual(int(told["servers"][0]["connections"]), 7 * len(told["servers"][0]["databases"]))
        self.assert_serves()


class Signals(Case):
    def test_hup_reloads(self):
        self.start(default_pool_size=3)
        self.weir.options["default_pool_size"] = 9
        self.weir.write()
        self.weir.signal(signal.SIGHUP)
        wait_until(lambda: self.weir.show("config", key="default_pool_size")[0]["value"] == "9", 30, "the new value")
        self.assert_serves()

    @subset("tsan", "asan")
    def test_reload_under_load(self):
        self.start()

        def work():
            with self.weir.connect() as c:
                for n in range(300):
                    self.assertEqual(c.one(f"select {n}"), str(n))
        with background(work), background(work), background(work):
            for n in range(20):
                self.weir.options["default_pool_size"] = 2 + n % 4
                self.weir.write()
                self.weir.signal(signal.SIGHUP)
                time.sleep(0.02)
        self.assert_serves()

    @beyond_pgbouncer
    def test_term_waits_for_clients(self):
        self.start()
        c = self.client()
        c.sql("begin")
        self.weir.signal(signal.SIGTERM)
        wait_until(lambda: not self.accepts(), 30, "the listener to be closed")
        self.assertEqual(c.one("select 'still served'"), "still served")
        c.sql("commit")
        self.assertEqual(c.one("select 'and again'"), "and again")
        c.close()
        self.assertEqual(self.weir.wait_exit(), 0)

    def accepts(self):
        try:
            self.weir.connect().close()
            return True
        except (OSError, wire.PgError, wire.Closed):
            return False

    @beyond_pgbouncer
    def test_term_twice_ends_at_once(self):
        self.start()
        c = self.client()
        c.sql("begin")
        self.weir.signal(signal.SIGTERM)
        wait_until(lambda: not self.accepts(), 30, "the listener to be closed")
        self.assertTrue(self.weir.alive())
        self.weir.signal(signal.SIGTERM)
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertTrue(c.expect_close().closed)

    @beyond_pgbouncer
    def test_int_waits_for_servers(self):
        self.start(default_pool_size=1)
        busy, waiting, idle = self.clients(3)
        busy.sql("begin")
        waiting.send(query("select 1"))
        self.weir.wait_waiting(1)
        self.weir.signal(signal.SIGINT)
        wait_until(lambda: not self.accepts(), 30, "the listener to be closed")
        self.fatal(waiting)
        self.assertEqual(busy.one("select 'goes on'"), "goes on")
        busy.sql("commit")
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertTrue(idle.expect_close().closed)

    @beyond_pgbouncer
    def test_quit_ends_at_once(self):
        self.start()
        c = self.client()
        c.sql("begin")
        self.weir.signal(signal.SIGQUIT)
        self.assertEqual(self.weir.wait_exit(), 0)

    @beyond_pgbouncer
    def test_usr1_pauses_and_usr2_resumes(self):
        self.start()
        c = self.client()
        c.sql("select 1")
        self.weir.signal(signal.SIGUSR1)
        wait_until(lambda: self.weir.count() == 0, 30, "the pause")
        c.send(query("select 'later'"))
        self.assertFalse(c.readable(0.3))
        self.weir.signal(signal.SIGUSR2)
        self.assertEqual(c.collect().check().value, "later")

    def test_killed_and_started_again(self):
        # A unix socket and a pid file left behind by kill -9 do not stand in the way.
        w = self.start(pidfile=None)
        self.client().sql("select 1")
        w.signal(signal.SIGKILL)
        w.proc.wait()
        self.assertTrue(os.path.exists(f"{w.dir}/.s.PGSQL.{w.port}"))
        w.start()
        self.assert_serves()
        self.assert_serves(host=w.socket_dir)
