"""access_log and audit_log: what is in them, that their hash chain finds every change, and what they survive."""
import json
import os
import signal
import subprocess

from harness.case import Case, subset, wait_until
from harness.tls import Authority, TlsWire, client_context
from harness.util import run_as
from harness.weir import BIN
from test_takeover import Takeover


class Logs(Case):
    options = {"weir": {"access_log": "access.log", "audit_log": "audit.log"}}

    def start_logged(self, **more):
        return self.start(**{**self.options, **more})

    def path(self, name):
        return f"{self.weir.dir}/{name}"

    def text(self, name):
        try:
            with open(self.path(name)) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def lines(self, name, **match):
        whole = self.text(name).rpartition("\n")[0]
        rows = [json.loads(line) for line in whole.splitlines()]
        return [r for r in rows if all(r.get(k) == v for k, v in match.items())]

    def wait_lines(self, name, count=1, **match):
        wait_until(lambda: len(self.lines(name, **match)) >= count, 15, f"{count} lines with {match} in {name}")
        return self.lines(name, **match)

    def verify(self, *names, want=0):
        done = subprocess.run([BIN, "--verify-log", *[self.path(n) for n in names]], capture_output=True, text=True)
        self.assertEqual(done.returncode, want, done.stdout + done.stderr)
        return done.stdout


class Access(Logs):
    @subset("tsan", "asan")
    def test_come_work_and_go(self):
        self.start_logged()
        c = self.client(application_name="till 7")
        port = c.sock.getsockname()[1]
        login = self.wait_lines("access.log", event="login", port=port)[0]
        self.assertEqual((login["user"], login["database"], login["host"], login["application_name"], login["method"]),
                         ("app", "app", "127.0.0.1", "till 7", "trust"))
        for _ in range(3):
            c.sql("select 1")
        c.sql("begin")
        c.sql("select 'a literal that must not be told'")
        c.sql("commit")
        c.close()
        end = self.wait_lines("access.log", event="disconnect", port=port)[0]
        self.assertEqual((end["client"], end["transactions"], end["queries"], end["reason"]), (login["client"], 4, 6, "client close request"))
        self.assertGreater(end["bytes_received"], 100)
        self.assertGreater(end["bytes_sent"], 100)
        self.assertLessEqual(end["connected"], end["logged_in"])
        self.assertLessEqual(end["logged_in"], end["time"])
        totals = self.weir.show("stats_totals", database="app")[0]
        self.assertEqual((int(totals["xact_count"]), int(totals["query_count"])), (4, 6))
        self.assertEqual((int(totals["bytes_received"]), int(totals["bytes_sent"])), (end["bytes_received"], end["bytes_sent"]))
        self.assertNotIn("literal", self.text("access.log"))
        self.verify("access.log")

    def test_refused(self):
        self.start_logged(auth_type="scram-sha-256", userlist={"app": "s3cret", "admin": "a"}, admin_users="admin")
        self.weir.console_secret = "a"
        self.refused(secret="wr0ng")
        row = self.wait_lines("access.log", event="refused")[0]
        self.assertEqual((row["user"], row["method"], row["sqlstate"], row["reason"]),
                         ("app", "scram-sha-256", "28P01", "SASL authentication failed"))
        self.assertNotIn("logged_in", row)
        self.refused(database="nowhere", secret="s3cret")
        row = self.wait_lines("access.log", event="refused", database="nowhere")[0]
        self.assertEqual(row["reason"], "no such database: nowhere")
        self.client(secret="s3cret").close()
        self.assertEqual(self.wait_lines("access.log", event="login", database="app")[0]["method"], "scram-sha-256")
        self.assertNotRegex(self.text("access.log") + self.text("audit.log"), "s3cret|wr0ng")

    def test_tls_and_certificates(self):
        ca = Authority()
        self.addCleanup(ca.remove)
        cert, key = ca.issue("server", san=("DNS:localhost",))
        theirs = ca.issue("app")
        self.start_logged(client_tls_sslmode="verify-full", client_tls_cert_file=cert, client_tls_key_file=key, client_tls_ca_file=ca.path("ca.crt"),
                          auth_type="cert")
        c = TlsWire(self.weir.host, self.weir.port, client_context(cert=theirs[0], key=theirs[1]))
        self.addCleanup(c.drop)
        c.login()
        row = self.wait_lines("access.log", event="login", user="app")[0]
        self.assertEqual((row["method"], row["certificate"]), ("cert", "app"))
        self.assertRegex(row["tls"], r"^TLSv1\.[23]/")
        self.refused()
        self.assertEqual(self.wait_lines("access.log", event="refused")[0]["reason"], "SSL required")

    def test_probes_leave_no_trace(self):
        self.start_logged()
        self.raw().drop()
        self.client(host=self.weir.socket_dir).close()
        end = self.wait_lines("access.log", event="disconnect", host="unix", user="app")[0]
        self.assertEqual(end["peer_pid"], os.getpid())
        self.assertEqual(self.lines("access.log", event="refused"), [])


class Chain(Logs):
    def limit_files(self, size):
        """How long a file of the pooler may become; as the user that it runs as, who may."""
        subprocess.run(["prlimit", "--pid", str(self.weir.pid), f"--fsize={size}:"], check=True, **run_as())

    def some_lines(self):
        for _ in range(3):
            self.client().close()
        self.wait_lines("access.log", 3, event="disconnect")

    def test_damage_is_found(self):
        self.start_logged()
        self.some_lines()
        self.assertIn("good", self.verify("access.log"))
        good = self.text("access.log").splitlines()

        def damaged(lines, number):
            with open(self.path("damaged.log"), "w") as f:
                f.write("\n".join(lines) + "\n")
            self.assertIn(f"damaged.log:{number}: ", self.verify("damaged.log", want=1))
        damaged(good[:2] + [good[2].replace('"app"', '"bob"', 1)] + good[3:], 3)
        damaged(good[:2] + good[3:], 3)
        damaged(good[:2] + [good[3], good[2]] + good[4:], 3)
        damaged(good[:3] + [good[2]] + good[3:], 4)
        damaged(good[1:], 1)
        self.verify("no such file", want=2)

    def test_rotation_and_restart(self):
        self.start_logged()
        self.some_lines()
        os.rename(self.path("access.log"), self.path("access.log.1"))
        self.weir.signal(signal.SIGHUP)
        self.wait_lines("access.log", event="log continued")
        self.some_lines()
        self.weir.signal(signal.SIGHUP)  # nothing was moved: nothing to tell
        self.wait_lines("audit.log", 2, event="signal", what="SIGHUP")
        self.weir.signal(signal.SIGTERM)
        self.weir.wait_exit()
        self.assertEqual(self.lines("access.log")[-1]["event"], "log closed")
        self.weir.start()
        self.some_lines()
        self.assertEqual([r["event"] for r in self.lines("access.log") if r["event"].startswith("log ")], ["log continued", "log closed", "log opened"])
        self.assertRegex(self.verify("access.log.1", "access.log"), "in 2 chains: good")
        self.assertRegex(self.verify("audit.log"), "in 2 chains: good")
        with open(self.path("access.log.1")) as f:
            lines = f.readlines()
        with open(self.path("access.log.1"), "w") as f:
            f.writelines(lines[:-1])
        self.assertIn("access.log:1: 1 lines are missing before it", self.verify("access.log.1", "access.log", want=1))

    def test_a_full_disk_costs_lines_and_nothing_else(self):
        self.start_logged()
        self.some_lines()
        size = max(os.path.getsize(self.path(n)) for n in ("access.log", "audit.log", "weir.log"))
        self.limit_files(size + 200)
        for _ in range(20):
            self.client().close()
        self.assert_serves()
        self.limit_files("unlimited")
        self.client().close()
        lost = self.wait_lines("access.log", event="lines lost")[0]
        self.assertGreater(lost["count"], 0)
        self.verify("access.log")

    def test_reload_turns_them_on_and_off(self):
        self.start()
        self.client().close()
        self.weir.weir_section["access_log"] = "access.log"
        self.weir.reload()
        self.some_lines()
        self.weir.weir_section["access_log"] = "/nonexistent/access.log"
        self.weir.reload()
        self.weir.wait_log('access_log: cannot open "/nonexistent/access.log"')
        self.some_lines()
        del self.weir.weir_section["access_log"]
        self.weir.reload()
        self.wait_lines("access.log", event="log closed")
        self.verify("access.log")

    def test_a_file_that_cannot_be_opened_at_the_start(self):
        self.start()
        self.weir.signal(signal.SIGTERM)
        self.weir.wait_exit()
        ini = self.path("other.ini")
        with open(self.weir.ini_path) as f:
            text = f.read()
        with open(ini, "w") as f:
            f.write(text.replace("[weir]", "[weir]\naudit_log = /nonexistent/audit.log"))
        done = subprocess.run([BIN, ini], capture_output=True, text=True, cwd=self.weir.dir, **run_as())
        self.assertEqual(done.returncode, 1)
        self.assertIn('audit_log: cannot open "/nonexistent/audit.log"', done.stderr)


class Trail(Logs):
    @subset("tsan", "asan")
    def test_commands(self):
        self.start_logged()
        with self.weir.console() as c:
            address = "127.0.0.1:%d" % c.sock.getsockname()[1]
            for command in ("pause app", "resume app", "set default_pool_size = 7", "set auth_query = 'select s3cret'", "disable app", "enable app"):
                c.run(command).check()
            self.assertTrue(c.run("kill nowhere").errors)
            c.run("show pools").check()
            c.run("reload").check()
        rows = self.wait_lines("audit.log", 8, event="command")
        self.assertEqual([(r["command"], r["result"]) for r in rows],
                         [("PAUSE app", "done"), ("RESUME app", "done"), ("SET default_pool_size = 7", "done"), ("SET auth_query = ...", "done"),
                          ("DISABLE app", "done"), ("ENABLE app", "done"), ("KILL nowhere", "failed"), ("RELOAD", "done")])
        self.assertEqual({(r["user"], r["address"]) for r in rows}, {("admin", address)})
        self.assertEqual(rows[6]["message"], "no such database: nowhere")
        digests = [rows[0]["config_before"]] + [r["config_after"] for r in rows]
        self.assertEqual(digests[0], digests[2])
        self.assertEqual(len({digests[2], digests[3], digests[4]}), 3)  # each SET makes another configuration
        self.assertEqual(digests[-1], digests[0])  # and RELOAD the files' own again
        self.weir.reload(default_pool_size=3)
        self.assertNotEqual(self.wait_lines("audit.log", 9, event="command")[-1]["config_after"], digests[0])
        self.assertNotIn("s3cret", self.text("audit.log"))
        self.verify("audit.log")

    def test_signals_and_the_end(self):
        self.start_logged()
        for number, name in ((signal.SIGHUP, "SIGHUP"), (signal.SIGUSR1, "SIGUSR1"), (signal.SIGUSR2, "SIGUSR2")):
            self.weir.signal(number)
            self.wait_lines("audit.log", event="signal", what=name)
        self.weir.signal(signal.SIGTERM)
        self.weir.wait_exit()
        rows = self.lines("audit.log")
        self.assertEqual([r["what"] for r in rows if r["event"] == "process"][0], "up")
        ends = [(r["what"], r.get("detail")) for r in rows if r["event"] == "process"][1:]
        self.assertEqual(ends, [("shutdown", "waits for clients"), ("shutdown", "now"), ("ending", None)])
        self.assertEqual(rows[-1]["event"], "log closed")
        self.assertIn("good", self.verify("audit.log"))
        self.assertNotIn("note", self.verify("audit.log"))


class OnlineRestart(Takeover, Logs):
    options = {**Takeover.options, **Logs.options}

    def test_one_file_two_processes(self):
        c = self.client(application_name="stays")
        c.sql("select 1")
        self.restart()
        c.sql("select 2")
        c.close()
        end = self.wait_lines("access.log", event="disconnect", application_name="stays")[0]
        self.assertEqual((end["queries"], end["method"]), (2, "trust"))
        self.assertEqual(len(self.lines("access.log", event="login", application_name="stays")), 1)
        self.wait_lines("audit.log", event="takeover", what="has taken over")
        self.wait_lines("audit.log", event="takeover", what="taken over from")
        self.assertRegex(self.verify("access.log"), "in 2 chains: good")
        self.assertRegex(self.verify("audit.log"), "in 2 chains: good")
