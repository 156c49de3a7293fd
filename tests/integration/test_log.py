"""The log: PgBouncer's lines for the same events, which operators and their tools look for, and how they get where they go."""
import json
import os
import re
import signal
import subprocess
import time

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.util import run_as
from harness.weir import IS_PGBOUNCER, Weir
from harness.wire import query

LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+) \[(\d+)\] (FATAL|ERROR|WARNING|LOG|DEBUG|NOISE) (.*)$")
CLIENT = r"C-0x[0-9a-f]+: app/app@127\.0\.0\.1:\d+ "
SERVER = r"S-0x[0-9a-f]+: app/app@127\.0\.0\.1:\d+ "
NOBODY = r"C-0x[0-9a-f]+: \(nodb\)/\(nouser\)@127\.0\.0\.1:\d+ "


class Log(Case):
    def wait_line(self, pattern, count=1, level=None):
        """Waits until `count` lines match; returns them as (level, message)."""
        def found():
            out = [m.groups()[2:] for m in map(LINE.match, self.weir.log().splitlines()) if m and re.search(pattern, m.group(4))]
            return [f for f in out if level in (None, f[0])]
        wait_until(lambda: len(found()) >= count, 15, f"{count} lines like {pattern!r} in\n{self.weir.log()[-3000:]}")
        return found()

    def messages(self):
        return [m.group(4) for m in map(LINE.match, self.weir.log().splitlines()) if m]

    def assert_order(self, *patterns):
        """Lines that match come one after the other."""
        self.wait_line(patterns[-1])
        left = iter(self.messages())
        for p in patterns:
            self.assertTrue(any(re.search(p, line) for line in left), f"no {p!r} in this order in\n" + "\n".join(self.messages()))


class Lines(Log):
    @subset("tsan", "asan")
    def test_login_and_servers(self):
        self.start()
        c = self.client()
        port = c.sock.getsockname()[1]
        c.sql("select 1")
        c.close()
        attempt = r"login attempt: db=app user=app tls=no" + ("$" if IS_PGBOUNCER else " replication=no$")
        self.assert_order(r"^kernel file descriptor limit: \d+ \(hard: \S+\); max_client_conn: 2000, max expected fd use: \d+$",
                          rf"^listening on 127\.0\.0\.1:{self.weir.port}$", rf"^listening on \[::1\]:{self.weir.port}$",
                          rf"^listening on unix:{re.escape(self.weir.dir)}/\.s\.PGSQL\.{self.weir.port}$", r"^process up: ",
                          rf"^C-0x[0-9a-f]+: app/app@127\.0\.0\.1:{port} {attempt}",
                          rf"^S-0x[0-9a-f]+: app/app@127\.0\.0\.1:{self.pg.port} new connection to server \(from 127\.0\.0\.1:\d+\)$",
                          rf"^C-0x[0-9a-f]+: app/app@127\.0\.0\.1:{port} closing because: client close request \(age=\d+s\)$")
        self.assertNotIn("(nodb)", self.weir.log())  # who only looks whether we live leaves no trace
        for line in self.weir.log().splitlines():
            self.assertRegex(line, LINE)
            self.assertEqual(LINE.match(line).group(2), str(self.weir.pid))

    def test_addresses(self):
        self.start(databases={"app": f"host={self.pg.socket_dir} port={self.pg.port} dbname=postgres"})
        c = self.client(host="::1")
        c.drop()
        self.wait_line(r"^C-0x[0-9a-f]+: app/app@\[::1\]:\d+ closing because: client unexpected eof")
        self.client(host=self.weir.socket_dir).close()
        self.wait_line(rf"^C-0x[0-9a-f]+: app/app@unix\({os.getpid()}\):{self.weir.port} login attempt: ")
        self.wait_line(rf"^S-0x[0-9a-f]+: app/app@unix:{self.pg.port} new connection to server$")

    def test_wrong_password(self):
        self.start(auth_type="md5", userlist={"app": "right", "admin": "a"})
        self.refused(secret="wrong")
        self.assert_order(CLIENT + "login attempt: ", CLIENT + r"closing because: password authentication failed \(age=0s\)",
                          CLIENT + "pooler error: password authentication failed$")
        self.assertEqual(self.wait_line("pooler error")[0][0], "WARNING")
        self.assertNotRegex(self.weir.log(), "wrong|right")

    @subset("tsan", "asan")
    def test_timeouts(self):
        self.start(query_timeout=1, client_idle_timeout=2)
        c = self.client()
        c.send(query("select pg_sleep(60)"))
        self.fatal(c, text="query timeout")
        self.assert_order(CLIENT + r"closing because: query timeout \(age=\d+s\)", CLIENT + "pooler error: query timeout")
        self.fatal(self.client(), text="client_idle_timeout")
        self.assert_order(CLIENT + r"closing because: client_idle_timeout \(age=\d+s\)", CLIENT + "pooler error: client_idle_timeout")

    def test_waiting_and_transactions(self):
        self.start(query_wait_timeout=1, idle_transaction_timeout=3, client_login_timeout=1, default_pool_size=1)
        holder = self.client()
        holder.sql("begin")
        waiting = self.client()
        waiting.send(query("select 1"))
        self.fatal(waiting, text="query_wait_timeout")
        self.assert_order(CLIENT + "closing because: query_wait_timeout", CLIENT + "pooler error: query_wait_timeout")
        self.fatal(holder, text="idle transaction timeout")
        self.assert_order(CLIENT + "closing because: idle transaction timeout", CLIENT + "pooler error: idle transaction timeout")
        self.fatal(self.raw(), text="client_login_timeout")
        self.assert_order(NOBODY + "closing because: client_login_timeout", NOBODY + "pooler error: client_login_timeout")

    def test_ends_of_servers(self):
        self.start(server_lifetime=1, server_idle_timeout=0)
        c = self.client()
        c.sql("select 1")
        self.wait_line(SERVER + r"closing because: server lifetime over \(age=\d+s\)")
        c.sql("begin")
        self.pg.sql(f"select pg_terminate_backend({c.server_pid()})")
        self.fatal(c)
        self.assert_order(SERVER + r"closing because: server conn crashed\? \(age=\d+s\)", CLIENT + r"closing because: server conn crashed\?")

    def test_idle_servers(self):
        self.start(server_idle_timeout=1)
        self.client().sql("select 1")
        self.wait_line(SERVER + r"closing because: server idle timeout \(age=\d+s\)")

    def test_evicted(self):
        self.start(max_db_connections=1)
        self.client().sql("select 1")
        self.assert_idle()  # an answer comes before its server is given back, and one in use is not evicted
        self.client(user="app2").sql("select 1")
        self.wait_line(SERVER + r"closing because: evicted \(age=\d+s\)")

    def test_servers_that_cannot_be_reached(self):
        self.start(databases={"app": "host=127.0.0.1 port=1 dbname=x", "lost": "host=nosuch.invalid dbname=x", "none": "{server} dbname=nonesuch"},
                   query_wait_timeout=1)
        self.refused()
        self.wait_line(r"^S-0x[0-9a-f]+: app/app@127\.0\.0\.1:1 closing because: connect failed \(age=\d+s\)")
        self.refused(database="lost")
        self.wait_line(r"^DNS lookup failed: nosuch\.invalid: ", level="WARNING")
        self.wait_line(r"^S-0x[0-9a-f]+: lost/app@\S+ closing because: server DNS lookup failed \(age=\d+s\)")
        self.refused(database="none")
        self.wait_line('server login failed: FATAL database "nonesuch" does not exist', level="WARNING")
        self.wait_line(r"^S-0x[0-9a-f]+: none/app@\S+ closing because: login failed \(age=\d+s\)")

    def test_limits_and_statement_mode(self):
        self.start(max_client_conn=1, pool_mode="statement")
        c = self.client()
        self.refused()
        self.wait_line(r"closing because: no more connections allowed \(max_client_conn\) \(age=0s\)")
        c.send(query("begin"))
        self.fatal(c)
        self.wait_line(CLIENT + "pooler error: transaction blocks not allowed in statement pooling mode")

    def test_cancels(self):
        self.start()
        c = self.client()
        c.send(query("select pg_sleep(60)"))
        self.weir.wait_pool(sv_active=1)
        c.cancel()
        self.assertEqual(c.collect().error.code, "57014")
        self.wait_line(r"^C-0x\S+ \S+ closing because: successfully sent cancel request \(age=\d+s\)")

    def test_console(self):
        self.start()
        c = self.client()
        c.sql("select 1")
        self.wait_line(SERVER + "new connection")
        for command in ("pause", "resume", "reload", "kill app"):
            self.weir.admin(command)
        self.assert_order(r"^C-0x[0-9a-f]+: pgbouncer/admin@\S+ login attempt: db=pgbouncer user=admin ", "^PAUSE command issued$", SERVER + "closing because: pause mode",
                          "^RESUME command issued$", "^RELOAD command issued$")
        self.wait_line("^KILL 'app' command issued$")
        self.assert_order(CLIENT + "closing because: database removed", CLIENT + "pooler error: database removed")
        self.weir.show("pools")
        self.assertNotIn("SHOW", self.weir.log())

    def test_signals(self):
        self.start()
        for number, text in ((signal.SIGUSR1, "^got SIGUSR1, pausing all activity$"), (signal.SIGUSR2, "^got SIGUSR2, continuing from PAUSE$"),
                             (signal.SIGHUP, "^got SIGHUP, re-reading config$")):
            self.weir.signal(number)
            self.wait_line(text)
        self.client().sql("select 1")
        self.weir.signal(signal.SIGINT)
        self.weir.wait_exit()
        self.assert_order("^got SIGINT, shutting down", SERVER + "closing because: pause mode", "^server connections dropped, exiting$")

    @beyond_pgbouncer
    def test_waiting_for_clients(self):
        self.start()
        c = self.client()
        self.weir.signal(signal.SIGTERM)
        self.wait_line("^got SIGTERM, shutting down, waiting for all clients disconnect$")
        c.close()
        self.weir.wait_exit()
        self.wait_line("^client connections dropped, exiting$")

    def test_stats(self):
        self.start(stats_period=1)
        c = self.client()
        parses = "" if IS_PGBOUNCER else r"\d+ client parses/s, \d+ server parses/s, \d+ binds/s, "
        self.wait_line(rf"^stats: \d+ xacts/s, \d+ queries/s, {parses}in \d+ B/s, out \d+ B/s, xact \d+ us, query \d+ us, wait \d+ us$", count=2)

        def is_counted():
            for _ in range(10):
                c.sql("select 1")
            return any(re.match("stats: [1-9]", m) for m in self.messages())
        wait_until(is_counted, 15, "transactions in the line of statistics")

    @beyond_pgbouncer
    def test_broken_reload(self):
        self.start()
        self.weir.options["nonsense"] = 1
        self.weir.write()
        with self.assertRaises(wire.PgError):
            self.weir.admin("reload")
        self.wait_line("nonsense", level="ERROR")
        self.wait_line("^config file loading failed$", level="WARNING")


class Switches(Log):
    def test_silence(self):
        self.start(log_connections=0, log_disconnections=0, log_pooler_errors=0, log_stats=0, stats_period=1)
        self.client().sql("select 1")
        self.refused(database="nosuch")
        self.client().close()
        self.weir.signal(signal.SIGUSR1)  # a line that comes after all of theirs
        self.wait_line("SIGUSR1")
        self.assertNotRegex(self.weir.log(), "login attempt|new connection|closing because|pooler error|stats:")

    def test_verbose(self):
        w = Weir(self.pg)
        self.addCleanup(w.stop)
        self.weir = w.start("-v")
        c = self.client(application_name="seen")
        c.sql("select 1")
        for text in ("got var: user=app", "using application_name: seen", "logged in", "query time: \\d+ us", "transaction time: \\d+ us", "launching new connection to server",
                     "server login ok, start accepting queries"):
            self.wait_line(text, level="DEBUG")
        self.assertNotIn("NOISE", self.weir.log())

    def test_very_verbose(self):
        self.start(verbose=2)
        self.client().sql("select 1")
        self.wait_line(CLIENT + r"read pkt='Q' len=14", level="NOISE")
        self.wait_line(SERVER + r"read pkt='Z', len=6", level="NOISE")
        self.weir.reload(verbose=0)
        self.wait_line("RELOAD command issued")
        before = self.weir.log().count("NOISE")
        self.client().sql("select 1")
        self.weir.signal(signal.SIGUSR1)
        self.wait_line("SIGUSR1")
        self.assertLessEqual(self.weir.log().count("NOISE"), before + 20)

    @beyond_pgbouncer
    def test_json(self):
        self.start(weir={"workers": 1, "log_format": "json"})
        c = self.client(application_name="x")
        c.sql("select 1")
        c.close()
        self.refused(database='we"ird\n')
        lines = [json.loads(line) for line in self.weir.wait_log("no such database").splitlines()]
        for line in lines:
            self.assertLessEqual({"time", "level", "pid", "message"}, set(line))
            self.assertEqual(line["pid"], self.weir.pid)
        [attempt] = [x for x in lines if x["message"].startswith("login attempt") and x["database"] == "app"]
        self.assertEqual((attempt["user"], attempt["host"], attempt["level"]), ("app", "127.0.0.1", "LOG"))
        self.assertRegex(attempt["client"], "^0x[0-9a-f]+$")
        [server] = [x for x in lines if x["message"].startswith("new connection to server")]
        self.assertEqual((server["database"], server["port"]), ("app", self.pg.port))
        self.assertTrue(any(x.get("database") == 'we"ird\n' for x in lines))


class Targets(Log):
    def test_a_file_that_was_moved_away(self):
        w = Weir(self.pg)
        self.addCleanup(w.stop)
        w.options["logfile"] = f"{w.dir}/own.log"
        w.write()
        self.weir = w.start("-q")
        self.client().close()

        def text(name):
            try:
                with open(f"{w.dir}/{name}") as f:
                    return f.read()
            except FileNotFoundError:
                return ""
        wait_until(lambda: re.search("app/app.*closing because", text("own.log")), 15, "the log")
        os.rename(f"{w.dir}/own.log", f"{w.dir}/own.log.1")
        self.client().close()
        wait_until(lambda: len(re.findall("app/app.*closing because", text("own.log.1"))) == 2, 15, "the log to go on in the file that was moved")
        for reopen in (lambda: w.signal(signal.SIGHUP), lambda: w.admin("reload")):
            reopen()
            wait_until(lambda: os.path.exists(f"{w.dir}/own.log"), 15, "a new file")
            self.client().close()
            wait_until(lambda: "app/app" in text("own.log"), 15, "lines in the new file")
            os.unlink(f"{w.dir}/own.log")
        self.assertEqual(w.log(), "")  # -q: nothing on stderr

    @beyond_pgbouncer
    def test_a_reader_that_hangs(self):
        """Nobody waits for the log: standard error is a full pipe."""
        w = Weir(self.pg, auth_type="trust", verbose=2)
        self.addCleanup(w.stop)
        self.weir = w
        read_end, write_end = os.pipe()
        w.proc = subprocess.Popen([os.environ["WEIR_BIN"], w.ini_path], stderr=write_end, stdin=subprocess.DEVNULL, cwd=w.dir, **run_as())
        os.close(write_end)
        wait_until(w.accepting, 30, "the pooler")
        with self.weir.connect() as c:
            for _ in range(8000):  # far more lines than pipe and queue hold
                c.sql("select 1")
        got = b""
        while b"lines of the log were lost" not in got:
            got = got[-200:] + os.read(read_end, 1 << 20)
        self.assertRegex(got.decode(), r"WARNING \d+ lines of the log were lost: ")
        w.signal(signal.SIGQUIT)
        while os.read(read_end, 1 << 20):
            pass
        self.assertEqual(w.wait_exit(), 0)
        os.close(read_end)

    @beyond_pgbouncer
    def test_the_journal(self):
        w = Weir(self.pg)
        self.addCleanup(w.stop)
        self.weir = w
        with open(w.log_path, "ab") as log:
            status = os.fstat(log.fileno())
            w.proc = subprocess.Popen([os.environ["WEIR_BIN"], w.ini_path], stderr=log, stdin=subprocess.DEVNULL, cwd=w.dir,
                                      env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, **run_as())
        wait_until(w.accepting, 30, "the pooler")
        self.refused(database="nosuch")
        w.wait_log("pooler error")
        for line in w.log().splitlines():
            self.assertRegex(line, r"^<[234567]>")
        self.assertRegex(w.log(), r"(?m)^<6>C-0x\S+ nosuch/app@\S+ closing because: ")
        self.assertRegex(w.log(), r"(?m)^<4>C-0x\S+ nosuch/app@\S+ pooler error: no such database: nosuch$")

    @beyond_pgbouncer
    def test_the_last_lines_are_written(self):
        self.start(verbose=2)
        with self.weir.connect() as c:
            for _ in range(200):
                c.sql("select 1")
        self.weir.signal(signal.SIGQUIT)
        self.weir.wait_exit()
        self.weir.wait_log("got SIGQUIT, fast exit")
        self.assertEqual(self.weir.log().count("read pkt='Q'"), 200)

    @beyond_pgbouncer
    def test_a_logfile_that_cannot_be_opened(self):
        w = Weir(self.pg, logfile="/nonexistent/log")
        self.addCleanup(w.stop)
        w.expect_exit = (1,)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)
        w.wait_log('cannot open logfile "/nonexistent/log"')
