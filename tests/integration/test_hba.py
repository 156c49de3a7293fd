"""auth_type = hba: who gets in how, by the rules of auth_hba_file and the maps of auth_ident_file."""
import os
import pwd
import subprocess

import psycopg

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset
from harness.postgres import SECRET
from harness.util import run_as
from harness.wire import md5_secret, scram_verifier
from harness.weir import Weir

ME = pwd.getpwuid(os.getuid()).pw_name
USERLIST = {"app": SECRET, "app2": SECRET, "app3": SECRET, "u_scram": scram_verifier(SECRET), "u_md5": md5_secret("u_md5", SECRET), "admin": SECRET, "stats": SECRET}
CONSOLE = "host pgbouncer admin all trust\n"


class Rules(Case):
    """A pooler with the rules `hba`; those for the console come behind them."""

    def start(self, hba, ident=None, files=None, userlist=USERLIST, **options):
        extra = {"hba.conf": hba + CONSOLE, **({"ident.conf": ident} if ident is not None else {}), **(files or {})}
        names = {"auth_hba_file": "hba.conf", **({"auth_ident_file": "ident.conf"} if ident is not None else {})}
        return super().start(auth_type="hba", files=extra, userlist=userlist, **names, **options)

    def logged(self, text):
        """The log is written by a thread of its own, soon."""
        self.weir.wait_log(text)

    def asked(self, secret=None, user="app", database="app", host=None, **params):
        """How a login went: the kinds of authentication that were asked for, or the error."""
        c = self.raw(host)
        try:
            c.login(user, database, secret, **params)
            return [kind for kind in c.auth_requests if kind]
        except wire.PgError as e:
            return e.message
        finally:
            c.drop()


NO_RULE = "no authentication method is found"
REJECTED = "login rejected"


@subset("asan")
class Methods(Rules):
    def test_each_method_asks_for_its_own(self):
        self.start("host trusted all all trust\n"
                   "host plain all all password\n"
                   "host md5 all all md5\n"
                   "host scram all all scram-sha-256\n"
                   "host closed all all reject\n",
                   databases={name: "{pg} user=app" for name in ("trusted", "plain", "md5", "scram", "closed", "unheard")})
        self.assertEqual(self.asked(database="trusted"), [])
        self.assertEqual(self.asked(SECRET, database="plain"), [3])
        self.assertEqual(self.asked(SECRET, database="md5"), [5])
        self.assertEqual(self.asked(SECRET, "u_md5", "md5"), [5])
        self.assertEqual(self.asked(SECRET, "u_scram", "md5"), [10, 11, 12])
        self.assertEqual(self.asked(SECRET, database="scram"), [10, 11, 12])
        self.assertEqual(self.asked(SECRET, "u_scram", "plain"), [3])
        self.assertEqual(self.asked(SECRET, database="closed"), REJECTED)
        self.assertEqual(self.asked(SECRET, database="unheard"), NO_RULE)
        for database in ("plain", "md5", "scram"):
            e = self.refused(database=database, secret="wrong")
            self.assertEqual((e.severity, e.code), ("FATAL", "28P01"))
        e = self.refused(database="unheard", secret=SECRET)
        self.assertEqual((e.severity, e.code), ("FATAL", "28000"))
        self.assertEqual(self.refused(user="u_md5", database="scram", secret=SECRET).code, "28P01", "an md5 secret cannot do SCRAM")
        self.logged("rejected by hba.conf:5")

    def test_real_clients(self):
        self.start("host all all all scram-sha-256\nlocal all all md5\n")
        with psycopg.connect(self.weir.dsn(secret=SECRET)) as db:
            self.assertEqual(db.execute("select current_user::text").fetchone(), ("app",))
        with self.assertRaisesRegex(psycopg.OperationalError, "SASL authentication failed"):
            psycopg.connect(self.weir.dsn(secret="wrong"))
        psql = subprocess.run(["psql", "-X", "-At", "-c", "select current_user", f"host={self.weir.socket_dir} port={self.weir.port} user=app2 dbname=app"],
                              env={**os.environ, "PGPASSWORD": SECRET}, capture_output=True, text=True, timeout=60)
        self.assertEqual((psql.stdout, psql.stderr), ("app2\n", ""))

    def test_a_stranger_is_asked_like_anybody(self):
        self.start("host app all all scram-sha-256\nhost trusted all all trust\n", databases={"app": "{pg}", "trusted": "{pg}"})
        seen = [self.refused(user=user, secret="wrong").fields for user in ("app", "nobody")]
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(self.asked(user="nobody", database="trusted"), '"trust" authentication failed')
        self.assertEqual(self.weir.count(), 0)

    def test_the_console_follows_the_rules(self):
        self.start("host pgbouncer stats all scram-sha-256\nhost app all all trust\n")
        with self.weir.console() as c:  # the rule behind
            c.run("show version").check()
        with self.weir.console("stats", secret=SECRET) as c:
            self.assertEqual([kind for kind in c.auth_requests if kind], [10, 11, 12])
        self.assertEqual(self.asked(user="stats", database="pgbouncer", secret="wrong"), "SASL authentication failed")

    def test_wrong_passwords_are_counted(self):
        self.start("host all all all scram-sha-256\n", weir={"auth_failures_max": 2, "auth_failures_window": 600})
        for _ in range(2):
            self.assertEqual(self.refused(secret="wrong").code, "28P01")
        self.assertEqual(self.refused(secret=SECRET).message, "too many wrong passwords")
        self.assert_serves(user="app2", secret=SECRET)


@subset("asan")
class Matching(Rules):
    def test_the_first_rule_counts(self):
        self.start("host app app all reject\nhost app app,app2 all trust\nhost all all all reject\n", databases={"app": "{pg}", "b": "{pg}"})
        self.assertEqual(self.asked(), REJECTED)
        self.assertEqual(self.asked(user="app2"), [])
        self.assertEqual(self.asked(user="app2", database="b"), REJECTED)

    def test_where_a_client_comes_from(self):
        self.start("host all app 127.0.0.0/8 trust\nhost all app2 ::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff trust\nlocal all app3 trust\n"
                   "host all all samehost password\n")
        places = {"app": "127.0.0.1", "app2": "::1", "app3": self.weir.socket_dir}
        for user in places:
            for host in places.values():
                with self.subTest(user=user, host=host):
                    here = host == places[user]
                    expected = [] if here else NO_RULE if host == self.weir.socket_dir else [3]
                    self.assertEqual(self.asked(SECRET, user, host=host), expected)

    def test_names(self):
        self.start('host app "app" all trust\n'
                   "host sameuser all all trust\n"
                   'host "odd db" /^u_ all trust\n'
                   "host /^shard\\d+$,other @people all trust\n",
                   files={"people": "# who may\napp2, app3\n"},
                   databases={n: "{pg} user=app" for n in ("app", "app2", "'odd db'", "shard1", "shards", "other")})
        cases = {("app", "app"): True, ("app", "app2"): False, ("app2", "app2"): True, ("app2", "app3"): False, ("odd db", "u_scram"): True, ("odd db", "app"): False,
                 ("shard1", "app2"): True, ("shard1", "app3"): True, ("shard1", "app"): False, ("shards", "app2"): False, ("other", "app3"): True}
        for (database, user), is_in in cases.items():
            with self.subTest(database=database, user=user):
                self.assertEqual(self.asked(user=user, database=database), [] if is_in else NO_RULE)

    def test_replication_of_a_server_is_a_word_of_its_own_and_that_of_a_database_its_name(self):
        self.start("host app app all trust\nhost replication app2 all trust\n")
        # Whom the rules let pass PostgreSQL refuses: the role may not replicate.
        for user, replication, is_in in (("app", "true", False), ("app2", "true", True), ("app", "database", True), ("app2", "database", False)):
            with self.subTest(user=user, replication=replication):
                self.assertEqual(self.asked(user=user, replication=replication), "login failed" if is_in else NO_RULE)

    def test_other_files(self):
        self.start("include rules/first.conf\ninclude_if_exists rules/none.conf\ninclude_dir rules/more\n",
                   files={"rules/first.conf": "host all app all trust\n", "rules/more/b.conf": "host all all all reject\n",
                          "rules/more/a.conf": "host all app2 all trust\n", "rules/more/ignored": "rubbish\n"})
        self.assertEqual([self.asked(user=u) for u in ("app", "app2", "app3")], [[], [], REJECTED])

    def test_tls_is_wanted_or_not(self):
        self.start("hostssl all app all trust\nhostnossl all app2 all trust\n")
        self.assertEqual(self.asked(), NO_RULE)
        self.assertEqual(self.asked(user="app2"), [])
        self.logged("hba.conf:1: the rule lets nobody in, as client_tls_sslmode is disable")


@subset("asan")
class Peers(Rules):
    def psql(self, role, **popen):
        return subprocess.run(["psql", "-X", "-At", "-c", "select current_user", f"host={self.weir.socket_dir} port={self.weir.port} user={role} dbname=app"],
                              capture_output=True, text=True, timeout=60, **popen)

    def test_under_its_own_name(self):
        server = {"app": "{pg} user=app"}
        self.start("local all all peer\n", userlist={**USERLIST, ME: "", "postgres": ""}, databases=server)
        self.assertEqual(self.psql(ME).stdout, "app\n")
        self.assertEqual(self.psql("postgres", **run_as()).stdout, "app\n")
        self.assertIn("unix socket login rejected", self.psql("app").stderr)
        e = self.refused(user="app", host=self.weir.socket_dir)
        self.assertEqual((e.severity, e.code, e.message), ("FATAL", "28000", "unix socket login rejected"))
        self.logged(f'system user "{ME}" is not allowed')

    def test_by_a_map(self):
        self.start("local all all peer map=people\n", f"people {ME} app\npeople /^(.*)$ x_\\1\nother {ME} all\n", userlist={**USERLIST, "x_" + ME: ""})
        self.assertEqual(self.psql("app").stdout, "app\n")
        self.assertIn("unix socket login rejected", self.psql("app2").stderr)
        self.assertIn("unix socket login rejected", self.psql(ME).stderr)
        # The map allows it, and so it is PostgreSQL that does not know the role.
        self.assertIn(f'role "x_{ME}" does not exist', self.psql("x_" + ME).stderr)

    def test_who_is_not_in_the_auth_file_is_nobody(self):
        self.start("local all all peer\n")
        self.assertIn("unix socket login rejected", self.psql(ME).stderr)

    def test_wrong_peers_are_counted(self):
        self.start("local all all peer\nhost all all all trust\n", weir={"auth_failures_max": 2, "auth_failures_window": 600})
        for _ in range(2):
            self.assertIn("unix socket login rejected", self.psql("app").stderr)
        self.assertIn("too many wrong passwords", self.psql("app").stderr)

    def test_many_at_once(self):
        self.start("local all all peer map=people\n", f"people {ME} app\n")
        clients = [self.raw(self.weir.socket_dir) for _ in range(50)]
        for c in clients:
            c.send(wire.startup_packet({"user": "app", "database": "app"}))
        for c in clients[::2]:
            c.drop()  # whether its answer is there or not
        for c in clients[1::2]:
            c.authenticate("app", None)
            self.assertEqual(c.one("select 1"), "1")


class Certificates(Rules):
    def test_without_tls_nobody_gets_in_by_certificate(self):
        self.start("host all app all cert\nhost all all all trust\n")
        e = self.refused()
        self.assertEqual((e.code, e.message), ("28000", "certificate authentication failed"))
        self.logged("TLS connection required")
        self.assert_serves(user="app2")


@beyond_pgbouncer
class BadFiles(Rules):
    def ends(self, **arguments):
        """The log of a pooler that does not start."""
        w = Weir(self.pg, **arguments)
        w.expect_exit = (1,)
        self.addCleanup(w.stop)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)
        return w.log()

    def test_a_bad_line_ends_a_start(self):
        log = self.ends(auth_type="hba", auth_hba_file="hba.conf", files={"hba.conf": "host all all all trust\nhost all all all rejekt\n\nlocal all all x\n"})
        self.assertIn('hba.conf:2: "rejekt" is no method that there is; write one of trust, reject', log)
        self.assertIn('hba.conf:4: "x" is no method', log)

    def test_so_do_rules_that_are_not_there(self):
        self.assertIn("auth_type = hba needs rules; name their file in auth_hba_file", self.ends(auth_type="hba"))
        self.assertIn('hba.conf: cannot read "hba.conf": No such file or directory', self.ends(auth_type="hba", auth_hba_file="hba.conf"))
        self.assertIn("hba.conf:1: map=m needs auth_ident_file, which is not set; set it",
                      self.ends(auth_type="hba", auth_hba_file="hba.conf", files={"hba.conf": "local all all peer map=m\n"}))
        self.assertIn("auth_type = cert needs client_tls_sslmode = verify-full", self.ends(auth_type="cert"))

    def test_rules_are_not_read_for_another_auth_type(self):
        super(Rules, self).start(auth_type="trust", auth_hba_file="none.conf", auth_ident_file="none.conf")
        self.assert_serves()

    def test_a_reload_takes_new_rules_and_refuses_bad_ones(self):
        self.start("local pgbouncer admin trust\nhost app app all trust\n")
        kept = self.client()
        self.weir.files["hba.conf"] = "host app app all reject\nhost all all all trust\n"
        self.weir.reload()
        self.assertEqual(self.asked(), REJECTED)
        self.assertEqual(self.asked(user="app2"), [])
        self.assertEqual(kept.one("select 1"), "1", "who is in stays in")
        self.weir.files["hba.conf"] = "host app app all trust\nhost app app2 all rejct\n" + CONSOLE
        self.weir.write()
        with self.weir.console() as c:
            reply = c.run("reload")
        self.assertEqual(reply.error.message, "RELOAD failed, see logs for additional details")
        self.logged('hba.conf:2: "rejct" is no method')
        self.assertEqual(self.asked(), REJECTED, "the rules are the old ones, all of them")
        self.assertEqual(self.asked(user="app2"), [])
        self.weir.files["hba.conf"] = "host all all all trust\n"
        self.weir.reload()
        self.assertEqual(self.asked(), [])
