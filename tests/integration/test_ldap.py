"""Passwords that an LDAP directory judges."""
import subprocess
import time

import psycopg

from harness import wire
from harness.case import Case, beyond_pgbouncer
from harness.directory import BASE, READER, READER_PASSWORD, Directory
from harness.postgres import SECRET
from harness.util import SLOW
from harness.weir import Weir

AWKWARD = "a,b*(c)\\d"
PEOPLE = {"app": "right", "app2": "right too", "admin": "right", "u_plain": SECRET, "u_scram": SECRET, AWKWARD: "right"}
PUBLIC = {"app": "public", "app3": "right"}


@beyond_pgbouncer
class Ldap(Case):
    """`self.options(...)` are auth_ldap_options for the class's directory."""
    directory = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory = Directory(PEOPLE, PUBLIC)
        cls.addClassCleanup(cls.directory.stop)
        cls.directory.start()

    def options(self, *more, host=None, port=None):
        return " ".join([f"ldapserver={host or self.directory.host} ldapport={port or self.directory.port}", *more])

    SIMPLE = f'ldapprefix="uid=" ldapsuffix=",ou=people,{BASE}"'
    SEARCH = f'ldapbasedn="ou=people,{BASE}" ldapbinddn="{READER}" ldapbindpasswd="{READER_PASSWORD}"'

    def start(self, options, **arguments):
        env = {"LDAPTLS_CACERT": self.directory.cert}
        super().start(env=env, **{"auth_type": "ldap", "auth_ldap_options": options, "userlist": {}, **arguments})
        self.weir.console_secret = "right"

    def assert_wrong(self, user="app", secret="wrong", **kw):
        e = self.refused(user=user, secret=secret, **kw)
        self.assertEqual((e.severity, e.code, e.message), ("FATAL", "28P01", "LDAP authentication failed"), (user, secret))

    def assert_judges(self, **kw):
        with self.weir.connect(secret="right", **kw) as c:
            self.assertEqual(c.auth_requests, [3, 0])
            self.assertEqual(c.one("select current_user"), "app")
        for user, wrong in (("app", "wrong"), ("app", "right too"), ("app", ""), ("app", "public"), ("nobody", "right"), ("nobody", ""), ("*", "right"),
                            ("app)(uid=*", "right"), ("ap*", "right")):
            self.assert_wrong(user, wrong)
        self.assert_serves(secret="right")


class Binds(Ldap):
    def test_a_simple_bind(self):
        self.start(self.options(self.SIMPLE))
        self.assert_judges()

    def test_a_search_and_a_bind(self):
        self.start(self.options(self.SEARCH))
        self.assert_judges()

    def test_a_search_by_another_attribute(self):
        self.start(self.options(self.SEARCH, "ldapsearchattribute=mail"), databases={"app": "{pg} user=app"})
        self.assert_serves(user="app2@example.org", secret="right too")
        self.assert_wrong("app2", "right too")

    def test_a_search_by_a_filter(self):
        self.start(self.options(self.SEARCH, '"ldapsearchfilter=(&(objectClass=person)(|(uid=$username)(mail=$username)))"'),
                   databases={"app": "{pg} user=app"})
        for user in ("app2@example.org", "app2"):
            self.assert_serves(user=user, secret="right too")
        self.assert_wrong("app)(|(uid=*", "right")

    def test_a_url(self):
        d = self.directory
        self.start(f'ldapurl="ldap://{d.host}:{d.port}/ou=people,{BASE}?uid?sub" ldapbinddn="{READER}" ldapbindpasswd="{READER_PASSWORD}"')
        self.assert_judges()

    def test_an_anonymous_search(self):
        self.start(self.options(f'ldapbasedn="ou=public,{BASE}"'))
        self.assert_serves(user="app3", secret="right")
        self.assert_wrong("app3", "wrong")
        self.weir.console_secret = None

    def test_a_search_that_finds_nobody_or_two(self):
        for base, scope in ((f"dc=example,dc=org", "sub"), (BASE, "one"), (BASE, "base")):
            with self.subTest(scope):
                self.start(self.options(f'ldapbasedn="{base}" ldapbinddn="{READER}" ldapbindpasswd="{READER_PASSWORD}" ldapscope={scope}'))
                self.assert_wrong("app", "right")
                self.weir.wait_log("more than one entry" if scope == "sub" else "no entries")
                self.doCleanups()

    def test_names_with_special_characters(self):
        for options in (self.SIMPLE, self.SEARCH):
            self.start(self.options(options), databases={"app": "{pg} user=app"})
            self.assert_serves(user=AWKWARD, secret="right")
            self.assert_wrong(AWKWARD, "wrong")
            self.assert_wrong(f"app,ou=people,{BASE}", "right")
            self.doCleanups()

    def test_tls(self):
        d = self.directory
        for scheme, options in (("ldap", self.options(self.SIMPLE, "ldaptls=1")),
                                ("ldaps", self.options(self.SEARCH, "ldapscheme=ldaps", port=d.tls_port)),
                                ("url", f"ldapurl=ldaps://{d.host}:{d.tls_port} {self.SIMPLE}")):
            with self.subTest(scheme):
                self.start(options)
                self.assert_judges()
                self.doCleanups()

    def test_a_certificate_of_another_name(self):
        self.start(self.options(self.SIMPLE, "ldaptls=1", host="localhost"))
        e = self.refused(secret="right")
        self.assertEqual((e.code, e.message), ("28000", "LDAP authentication failed"))
        self.weir.wait_log("could not start LDAP TLS session")

    def test_several_servers(self):
        self.start(self.options(self.SIMPLE).replace("ldapserver=127.0.0.1", 'ldapserver="127.0.0.2 127.0.0.1"'))
        self.assert_serves(secret="right")

    def test_psql_psycopg_and_the_server_behind(self):
        self.start(self.options(self.SEARCH))
        with psycopg.connect(self.weir.dsn(secret="right")) as c:
            self.assertEqual(c.execute("select current_user").fetchone(), ("app",))
        with self.assertRaisesRegex(psycopg.OperationalError, "LDAP authentication failed"):
            psycopg.connect(self.weir.dsn(secret="wrong"))
        ran = subprocess.run(["psql", "-XAtc", "select current_user", self.weir.url(secret="right")], capture_output=True, text=True)
        self.assertEqual(ran.stdout, "app\n", ran.stderr)
        for user in ("u_plain", "u_scram"):  # PostgreSQL gets the same password
            with self.weir.connect(user, secret=SECRET) as c:
                self.assertEqual(c.one("select current_user"), user)

    def test_the_console_and_unknown_databases(self):
        self.start(self.options(self.SIMPLE))
        self.assertIn("not allowed", self.refused(user="app", database="pgbouncer", secret="right").message)
        self.assert_wrong("admin", "wrong", database="pgbouncer")
        self.assertTrue(self.weir.show("pools"))
        self.assert_wrong(database="nosuch")
        self.assertIn("nosuch", self.refused(database="nosuch", secret="right").message)

    def test_by_rules(self):
        public = self.options(self.SIMPLE.replace("people", "public"))
        rules = f"host all admin all trust\nhost all app2 all ldap\nhost all all all ldap {public}\n"
        self.start(self.options(self.SEARCH), auth_type="hba", auth_hba_file="rules", files={"rules": rules}, userlist={"admin": ""})
        self.weir.console_secret = None
        self.assert_serves(user="app2", secret="right too")
        self.assert_serves(user="app", secret="public")
        self.assert_wrong("app", "right")

    def test_wrong_passwords_are_limited(self):
        self.start(self.options(self.SIMPLE), weir={"auth_failures_max": 2})
        self.assertEqual([self.refused(secret="wrong").code for _ in range(3)], ["28P01", "28P01", "28000"])
        self.assertEqual(self.refused(secret="right").message, "too many wrong passwords")
        self.assert_serves(user="app2", secret="right too")

    def test_the_options_are_no_one_s_to_see(self):
        self.start(self.options(self.SEARCH))
        self.assertEqual([r["value"] for r in self.weir.show("config") if r["key"] == "auth_ldap_options"], ["********"])

    def test_a_reload_changes_the_directory(self):
        self.start(self.options(self.SIMPLE))
        self.weir.reload(auth_ldap_options=self.options(self.SIMPLE.replace("people", "public")))
        self.assert_wrong("app", "right")
        self.assertEqual(self.refused(user="app3", secret="wrong").code, "28P01")
        self.assert_serves(user="app", secret="public")


@beyond_pgbouncer
class Trouble(Ldap):
    def test_bad_options_are_refused_with_their_place(self):
        for options, told in (("ldapserver=h", "ldapbasedn="), ("ldapserver=h ldapprefx=uid=", 'did you mean "ldapprefix"'), ("ldapurl=http://h", "ldap://")):
            w = Weir(self.pg, auth_type="ldap", auth_ldap_options=options)
            w.expect_exit = (1,)
            self.addCleanup(w.stop)
            w.spawn()
            self.assertEqual(w.wait_exit(), 1)
            place = next(i for i, line in enumerate(w.ini().split("\n"), 1) if line.startswith("auth_ldap_options"))
            self.assertIn(f"{w.ini_path}:{place}: invalid value for auth_ldap_options", w.log())
            self.assertIn(told, w.log())

    def test_no_options_at_all(self):
        self.start(None)
        self.assertEqual(self.refused(secret="right").message, "bouncer config error")
        self.weir.wait_log("auth_ldap_options is not set")

    def test_a_reader_whose_password_is_wrong(self):
        self.start(self.options(self.SEARCH.replace(READER_PASSWORD, "no")), weir={"auth_failures_max": 1})
        for _ in range(3):  # that is not the client's fault
            e = self.refused(secret="right")
            self.assertEqual((e.code, e.message), ("28000", "LDAP authentication failed"))
        self.weir.wait_log("could not perform initial LDAP bind")

    def test_nobody_listens(self):
        self.start(self.options(self.SIMPLE, host="127.0.0.2"))
        self.assertEqual(self.refused(secret="right").code, "28000")
        self.assertTrue(self.weir.alive())

    def test_a_directory_that_does_not_answer(self):
        self.start(self.options(self.SIMPLE))
        self.assert_serves(secret="right")
        self.directory.freeze()
        self.addCleanup(self.directory.thaw)
        waiting = []
        for _ in range(12):
            c = self.raw()
            c.send(wire.startup_packet({"user": "app", "database": "app"}))
            self.assertEqual(c.recv(), ("R", b"\0\0\0\3"))
            waiting.append(c.send(wire.password("right")))
        began = time.monotonic()
        for c in waiting:  # eight are asked at once, in the order in which the workers came to them
            c.sock.settimeout(40 * SLOW)
            self.assertEqual(self.fatal(c).message, "LDAP authentication failed")
        self.assertLess(time.monotonic() - began, 40 * SLOW)
        self.directory.thaw()
        self.assert_serves(secret="right")

    def test_a_port_that_only_listens(self):
        """TLS that never begins."""
        import socket
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen(10)
            self.start(self.options(self.SIMPLE, "ldapscheme=ldaps", port=s.getsockname()[1]))
            self.assertEqual(self.refused(secret="right").code, "28000")
            c = self.raw()
            c.send(wire.startup_packet({"user": "app", "database": "app"}))
            c.recv()
            c.send(wire.password("right"))
            self.weir.signal(3)  # nobody waits for it
            self.assertEqual(self.weir.wait_exit(10), 0)

    def test_the_directory_comes_back(self):
        self.start(self.options(self.SIMPLE))
        self.assert_serves(secret="right")
        self.directory.kill()
        try:
            self.assertEqual(self.refused(secret="right").code, "28000")
        finally:
            self.directory.start()
        self.assert_serves(secret="right")
