"""Passwords that PAM judges: the modules are real, only /etc/pam.d is elsewhere (libpam-wrapper)."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg

from harness import wire
from harness.case import Case, beyond_pgbouncer, wait_until
from harness.postgres import SECRET
from harness.util import SLOW, give_to_postgres
from harness.weir import IS_PGBOUNCER

WRAPPER, MATRIX = "/usr/lib/x86_64-linux-gnu/libpam_wrapper.so", "/usr/lib/x86_64-linux-gnu/pam_wrapper/pam_matrix.so"
WRONG = "08P01" if IS_PGBOUNCER else "28P01"
PASSWORDS = {"app": "right", "app2": "right too", "admin": "right", "u_plain": SECRET, "u_md5": SECRET, "u_scram": SECRET, "stuck": "right"}
# Judges the password itself, and tells what it was told; `stuck` waits for a file to appear, or for the end of the test.
SCRIPT = """#!/bin/sh
read -r password
echo "$PAM_TYPE $PAM_SERVICE $PAM_USER $PAM_RHOST" >> {dir}/asked
if [ "$PAM_USER" = stuck ]; then while [ -d {dir} ] && [ ! -e {dir}/release ]; do sleep 0.05; done; fi
[ "$password" = right ]
"""


class Pam(Case):
    def start(self, service=None, **arguments):
        """A pooler with auth_type pam; `service` are the lines of its PAM service, pam_matrix unless given."""
        self.dir = tempfile.mkdtemp(prefix="weir-it-pam-")
        self.addCleanup(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o755)
        give_to_postgres(self.dir)
        self.put("passwords", "".join(f"{user}:{password}:pgbouncer\n" for user, password in PASSWORDS.items()))
        self.put("script", SCRIPT.format(dir=self.dir), 0o755)
        matrix = f"required {MATRIX} passdb={self.dir}/passwords"
        self.put("pgbouncer", (service or f"auth {matrix}\naccount {matrix}\n").replace("DIR", self.dir))
        env = {"LD_PRELOAD": WRAPPER, "PAM_WRAPPER": "1", "PAM_WRAPPER_SERVICE_DIR": self.dir}
        super().start(env=env, **{"auth_type": "pam", "userlist": {}, **arguments})
        self.weir.console_secret = "right"

    def put(self, name, text, mode=0o644):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)
        os.chmod(f.name, mode)
        give_to_postgres(f.name)

    def told(self):
        try:
            with open(f"{self.dir}/asked") as f:
                return f.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def begin(self, user, password, **kw):
        """A client that has sent its password, and waits."""
        c = self.raw(**kw)
        c.send(wire.startup_packet({"user": user, "database": "app"}))
        self.assertEqual(c.recv(), ("R", b"\0\0\0\3"))
        return c.send(wire.password(password))


EXEC = "auth required pam_exec.so quiet expose_authtok DIR/script\naccount required pam_permit.so\n"


class Logins(Pam):
    def test_right_and_wrong(self):
        self.start()
        with self.weir.connect(secret="right") as c:
            self.assertEqual(c.auth_requests, [3, 0])
            self.assertEqual(c.one("select current_user"), "app")
        for user, wrong in (("app", "wrong"), ("app", "right "), ("app", "RIGHT"), ("app", ""), ("app", "right too"), ("nobody", "right"), ("nobody", "")):
            e = self.refused(user=user, secret=wrong)
            self.assertEqual((e.severity, e.code), ("FATAL", WRONG), (user, wrong))
            if wrong:
                self.assertEqual(e.message, "PAM authentication failed")
        self.assert_serves(secret="right")

    def test_real_clients(self):
        self.start()
        with psycopg.connect(self.weir.dsn(secret="right")) as c:
            self.assertEqual(c.execute("select current_user").fetchone(), ("app",))
        with self.assertRaisesRegex(psycopg.OperationalError, "PAM authentication failed"):
            psycopg.connect(self.weir.dsn(secret="wrong"))
        for password, code in (("right", 0), ("wrong", 2)):
            ran = subprocess.run(["psql", "-X", "-c", "select 1", self.weir.url(secret=password)], capture_output=True, text=True)
            self.assertEqual(ran.returncode, code, ran.stderr)

    def test_the_server_gets_the_same_password(self):
        self.start()
        for user in ("u_plain", "u_md5", "u_scram"):
            with self.weir.connect(user, secret=SECRET) as c:
                self.assertEqual(c.one("select current_user"), user)

    def test_a_new_password_goes_to_the_server_too(self):
        self.start(default_pool_size=2)
        with self.weir.connect("u_scram", secret=SECRET) as c:
            c.sql("select 1")
        self.put("passwords", "u_scram:other:pgbouncer\nadmin:right:pgbouncer\n")
        self.assertEqual(self.refused(user="u_scram", secret=SECRET).code, WRONG)
        before = self.pg.one("select rolpassword from pg_authid where rolname = 'u_scram'")
        self.addCleanup(self.pg.sql, f"alter role u_scram password '{before}'")
        self.pg.sql(f"alter role u_scram password '{wire.scram_verifier('other')}'")
        self.pg.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'u_scram'")
        self.weir.wait_pool(user="u_scram", sv_idle=0)  # the pooler's own count: PostgreSQL's is ahead of the news
        with self.weir.connect("u_scram", secret="other") as c:
            self.assertEqual(c.one("select current_user"), "u_scram")

    def test_a_forced_user(self):
        self.start(databases={"app": f"{{pg}} user=u_plain password={SECRET}"})
        with self.weir.connect(secret="right") as c:
            self.assertEqual(c.one("select current_user"), "u_plain")

    def test_an_unknown_database_is_told_only_after_login(self):
        self.start()
        self.assertEqual(self.refused(database="nosuch", secret="wrong").message, "PAM authentication failed")
        self.assertIn("nosuch", self.refused(database="nosuch", secret="right").message)

    def test_the_console(self):
        self.start()
        self.assertIn("not allowed", self.refused(database="pgbouncer", secret="right").message)
        self.assertEqual(self.refused(user="admin", database="pgbouncer", secret="wrong").message, "PAM authentication failed")
        with self.weir.console(secret="right") as c:
            self.assertTrue(c.run("show pools").check().rows)

    def test_modules_are_told_who_asks_from_where(self):
        self.start(EXEC)
        self.assert_serves(secret="right")
        self.assertEqual(self.told(), ["auth pgbouncer app 127.0.0.1"])
        if not IS_PGBOUNCER:
            self.assert_serves(secret="right", host="::1")
            self.assert_serves(secret="right", host=self.weir.socket_dir)
            self.assertEqual(self.told()[1:], ["auth pgbouncer app ::1", "auth pgbouncer app unix"])

    @beyond_pgbouncer
    def test_by_a_rule(self):
        rules = "host all admin all trust\nhost all app all pam pamservice=other\nhost all all all pam\n"
        self.start(auth_type="hba", auth_hba_file="rules", files={"rules": rules}, userlist={"admin": ""})
        self.weir.console_secret = None
        self.put("other", "auth required pam_deny.so\naccount required pam_permit.so\n")
        self.assertEqual(self.refused(secret="right").message, "PAM authentication failed")
        self.assert_serves(user="app2", secret="right too")

    def test_an_account_that_may_not_log_in(self):
        self.start(EXEC.replace("pam_permit.so", "pam_deny.so"))
        self.assertEqual(self.refused(secret="right").message, "PAM authentication failed")

    def test_an_empty_password_is_not_even_asked(self):
        self.start("auth required pam_permit.so\naccount required pam_permit.so\n")
        self.assertEqual(self.refused(secret="").severity, "FATAL")
        self.assert_serves(secret="anything")

    def test_a_service_that_cannot_answer(self):
        self.start("auth required /no/such/module.so\naccount required pam_permit.so\n")
        self.assertEqual(self.refused(secret="right").message, "PAM authentication failed")
        self.assertTrue(self.weir.alive())


@beyond_pgbouncer
class Threads(Pam):
    """Modules may take as long as they like: that is no other login's business."""

    def wait_told(self, count):
        wait_until(lambda: len(self.told()) >= count, 30, f"PAM to be asked {count} times")

    def test_a_stuck_module_holds_up_nobody_else(self):
        self.start(EXEC)
        stuck = [self.begin("stuck", "right") for _ in range(3)]
        self.wait_told(1)
        self.assert_serves(secret="right")
        self.wait_told(4)  # each of them has a thread
        self.assertEqual(len(self.weir.show("clients", user="stuck")), 0, "not logged in yet")
        self.put("release", "")
        for c in stuck:  # PostgreSQL does not know the user
            self.assertIn('role "stuck" does not exist', self.fatal(c).message)
        self.assert_serves(secret="right")

    def test_a_stuck_module_does_not_stop_the_end(self):
        for number in (signal.SIGQUIT, signal.SIGTERM):
            with self.subTest(number):
                self.start(EXEC)
                c = self.begin("stuck", "right")
                self.wait_told(1)
                if number == signal.SIGTERM:  # which waits for clients
                    c.drop()
                began = time.monotonic()
                self.weir.signal(number)
                self.assertEqual(self.weir.wait_exit(15), 0)
                self.assertLess(time.monotonic() - began, 10 * SLOW)
                self.put("release", "")
                self.doCleanups()

    def test_a_client_that_does_not_wait(self):
        self.start(EXEC, client_login_timeout=1)
        gone, late = self.begin("stuck", "right"), self.begin("stuck", "right")
        self.wait_told(1)
        gone.drop()
        self.fatal(late, text="client_login_timeout")
        self.put("release", "")
        self.assert_serves(secret="right")

    def test_who_has_gone_is_not_asked_for(self):
        self.start(EXEC)
        first = self.begin("stuck", "right")
        self.wait_told(1)
        for _ in range(20):
            self.begin("stuck", "right").drop()
        # The harness's own look at the port ends in the same words: only those who asked for a login count.
        wait_until(lambda: len([line for line in self.weir.log().split("\n") if "/stuck@" in line and "closing because" in line]) == 20, 30,
                   "those who left to be forgotten")
        self.put("release", "")
        self.fatal(first)
        self.assert_serves(secret="right")
        self.assertLess(len(self.told()), 20)

    def test_the_delay_of_a_wrong_password_is_the_clients_alone(self):
        delay = 2_000_000
        self.start(f"auth required pam_faildelay.so delay={delay}\n" + EXEC)
        began = time.monotonic()
        wrong = [self.begin("app", "wrong") for _ in range(4)]
        self.wait_told(4)
        self.assert_serves(secret="right")
        for c in wrong:
            self.assertEqual(self.fatal(c).message, "PAM authentication failed")
        # PAM varies it by a quarter or half; one behind the other they would take four times as long.
        self.assertTrue(1 <= time.monotonic() - began < 6 * SLOW)

    def test_wrong_passwords_are_limited(self):
        self.start(EXEC, weir={"auth_failures_max": 2})
        seen = [self.refused(secret="wrong").code for _ in range(3)]
        self.assertEqual(seen, ["28P01", "28P01", "28000"])
        self.assertEqual(self.refused(secret="right").message, "too many wrong passwords")
        self.assertEqual(len(self.told()), 2, "PAM is not asked in vain")
        self.assert_serves(user="app2", secret="right")

    def test_a_crowd(self):
        self.start(EXEC)
        good, bad = [self.begin("app", "right") for _ in range(40)], [self.begin("app2", "wrong") for _ in range(20)]
        for c in bad:
            self.assertEqual(self.fatal(c).message, "PAM authentication failed")
        for c in good:
            self.assertEqual(c.authenticate("app", None).one("select 1"), "1")

    def test_more_than_fit(self):
        self.start(EXEC)
        first = self.begin("stuck", "right")
        self.wait_told(1)
        crowd = [self.begin("stuck", "right") for _ in range(130)]
        refused = 0
        for c in crowd:
            c.sock.settimeout(0.1)
            try:
                refused += c.expect_close().errors[-1].message == "too many passwords wait to be checked"
            except TimeoutError:
                c.sock.settimeout(wire.TIMEOUT)
        self.assertGreaterEqual(refused, 10)
        self.put("release", "")
        self.fatal(first)
        self.assert_serves(secret="right")

    def test_a_reload_to_pam_and_back(self):
        self.start(auth_type="md5", userlist={"app": "of the file", "admin": "of the file"})
        self.weir.console_secret = "of the file"
        self.assert_serves(secret="of the file")
        self.weir.reload(auth_type="pam")
        self.weir.console_secret = "right"
        self.assertEqual(self.refused(secret="of the file").message, "PAM authentication failed")
        self.assert_serves(secret="right")
        self.weir.reload(auth_type="md5")
        self.assertEqual(self.refused(secret="right").code, "28P01")
        self.assert_serves(secret="of the file")
