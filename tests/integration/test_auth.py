"""Who may log in, with what, and how the pooler then logs in to PostgreSQL."""
import math
import os
import subprocess
import threading
import time

import psycopg

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend
from harness.postgres import SECRET
from harness.util import SLOW
from harness.weir import IS_PGBOUNCER, WORKERS, quoted
from harness.wire import md5_secret, scram_verifier

SERVER_USERS = {"trust": "app", "md5": "u_md5", "scram": "u_scram", "password": "u_plain"}
WRONG = "08P01" if IS_PGBOUNCER else "28P01"  # SQLSTATE of a wrong password
FORMS = {"plain": lambda user: SECRET, "md5": lambda user: md5_secret(user, SECRET), "scram": lambda user: scram_verifier(SECRET)}
ASKED = {("plain", "plain"): [3], ("plain", "md5"): [3], ("plain", "scram"): [3], ("md5", "plain"): [5], ("md5", "md5"): [5], ("md5", "scram"): [10, 11, 12],
         ("scram-sha-256", "plain"): [10, 11, 12], ("scram-sha-256", "scram"): [10, 11, 12], ("trust", "plain"): [], ("trust", "md5"): [], ("trust", "scram"): []}


class Matrix(Case):
    """Every way to ask the client × every form of its secret × every way in which the server asks."""

    def server_login_works(self, auth_type, form, server):
        """With a plain secret anything; with an md5 one md5; SCRAM keys fit only the very same verifier (see PassThrough)."""
        return server == "trust" or form == "plain" or (form == "md5" and server == "md5")

    def one_cell_row(self, auth_type, form):
        self.start(auth_type=auth_type, userlist={**{u: FORMS[form](u) for u in SERVER_USERS.values()}, "admin": ""}, server_login_retry=1)
        for server, user in SERVER_USERS.items():
            with self.subTest(client=auth_type, secret=form, server=server):
                secret = None if auth_type == "trust" else SECRET
                if (auth_type, form) not in ASKED:
                    self.assertEqual(self.refused(user=user, secret=secret).code, WRONG)
                    continue
                if not self.server_login_works(auth_type, form, server):
                    self.assertEqual(self.refused(user=user, secret=secret).severity, "FATAL")
                    continue
                with self.weir.connect(user, secret=secret) as c:
                    self.assertEqual(c.one("select current_user"), user)
                    self.assertEqual([r for r in c.auth_requests if r], ASKED[auth_type, form])
                if auth_type != "trust":
                    for wrong in ("wrong", "", SECRET + " ", SECRET.upper(), FORMS[form](user) if form != "plain" else "x"):
                        e = self.refused(user=user, secret=wrong)
                        self.assertEqual((e.severity, e.code), ("FATAL", WRONG), f"{wrong!r}: {e}")
                    self.assert_serves(user=user, secret=SECRET)

    def test_trust(self):
        for form in FORMS:
            self.one_cell_row("trust", form)

    @subset("asan")
    def test_md5(self):
        for form in FORMS:
            self.one_cell_row("md5", form)

    @subset("asan", "tsan")
    def test_scram(self):
        for form in FORMS:
            self.one_cell_row("scram-sha-256", form)

    def test_plain(self):
        for form in FORMS:
            self.one_cell_row("plain", form)


class Refusals(Case):
    """A refused client learns nothing about who exists."""

    @beyond_pgbouncer
    def test_unknown_user_looks_like_a_wrong_password(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            self.start(auth_type=auth_type, userlist={"app": SECRET, "admin": SECRET})
            seen = []
            for user in ("app", "nobody", "other_nobody"):
                c = self.raw()
                c.send(wire.startup_packet({"user": user, "database": "app"}))
                with self.assertRaises(wire.PgError) as caught:
                    c.authenticate(user, "wrong")
                e = caught.exception
                seen.append((c.auth_requests, {k: v.replace(user, "USER") for k, v in e.fields.items()}))
                self.assertEqual((e.severity, e.code), ("FATAL", WRONG))
            self.assertEqual(seen[0], seen[1])
            self.assertEqual(seen[1], seen[2])
            self.assertEqual(self.weir.count(), 0, "no server was opened for them")

    @beyond_pgbouncer
    def test_salts_of_unknown_users_are_constant(self):
        self.start(auth_type="scram-sha-256", userlist={"app": scram_verifier(SECRET), "admin": SECRET})
        salts = {}
        for user in ("app", "nobody", "other_nobody", "app", "nobody", "other_nobody"):
            c = self.raw()
            c.send(wire.startup_packet({"user": user, "database": "app"})).recv()
            parts = c.send(wire.ScramClient("x").first()).recv()[1][4:].decode().split(",")
            self.assertEqual(parts[2], "i=4096")
            salts.setdefault(user, set()).add(parts[1])
            self.assertEqual(len(parts[1]), len(next(iter(salts["app"]))))
        self.assertEqual([len(s) for s in salts.values()], [1, 1, 1])
        self.assertEqual(len(set.union(*salts.values())), 3)

    def test_unknown_database_is_told_only_after_login(self):
        self.start(auth_type="md5", userlist={"app": SECRET, "admin": SECRET})
        self.assertEqual(self.refused(database="nosuch", secret="wrong").code, WRONG)
        e = self.refused(database="nosuch", secret=SECRET)
        self.assertEqual(e.severity, "FATAL")
        self.assertRegex(e.code, "^(08P01|3D000)$")
        self.assertIn("nosuch", e.message)

    def test_trust_wants_a_known_user(self):
        self.start(auth_type="trust", userlist={"app": "", "admin": ""})
        e = self.refused(user="nobody")
        self.assertEqual((e.severity, e.message), ("FATAL", '"trust" authentication failed'))
        self.assert_serves()

    def test_trust_wants_a_known_user_even_where_one_is_forced(self):
        self.start(auth_type="trust", userlist={"app": "", "admin": ""}, databases={"forced": "{pg} user=app2"})
        self.assertEqual(self.refused(user="nobody", database="forced").message, '"trust" authentication failed')
        with self.weir.connect("app", "forced") as c:
            self.assertEqual(c.one("select current_user"), "app2")

    def test_any_wants_a_forced_user(self):
        self.start(auth_type="any", databases={"forced": "{pg} user=app2", "free": "{pg}"})
        with self.weir.connect("whoever", "forced") as c:
            self.assertEqual(c.one("select current_user"), "app2")
        for database in ("free", "nosuch"):
            e = self.refused(user="whoever", database=database)
            self.assertEqual((e.severity, e.message), ("FATAL", "bouncer config error"))
        self.weir.wait_log("auth_type=any requires forced user")

    def test_a_user_name_that_is_too_long(self):
        self.start(auth_type="md5")
        for bytes_, message in ((127, "password authentication failed"), (128, "username too long")):
            self.assertEqual(self.refused(user="x" * bytes_, secret="x").message, message)

    def test_attempts_are_logged_before_their_outcome(self):
        self.start(auth_type="md5", userlist={"app": SECRET, "admin": ""})
        self.refused(user="nobody", secret="x")
        self.refused(secret="wrong")
        log = self.weir.wait_log("pooler error", 2)
        for text in ("login attempt: db=app user=nobody tls=no", "no such user: nobody", "login attempt: db=app user=app tls=no"):
            self.assertIn(text, log)
        self.assertNotIn("no such user: app", log)

    @beyond_pgbouncer
    def test_an_empty_secret_never_matches(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            self.start(auth_type=auth_type, userlist={"app": "", "admin": SECRET})
            self.assertEqual(self.refused(secret="").code, WRONG)

    def test_a_refused_login_of_the_server_is_passed_on(self):
        self.start(auth_type="plain", userlist={"u_scram": "not the password", "admin": SECRET})
        e = self.refused(user="u_scram", secret="not the password")
        self.assertEqual(e.severity, "FATAL")
        self.assertRegex(e.code, "^(28P01|08P01)$")
        self.assertTrue(self.weir.alive())

    def test_a_user_that_postgresql_does_not_know(self):
        self.start(userlist={"ghost": "", "app": "", "admin": ""})
        e = self.refused(user="ghost")
        self.assertEqual(e.severity, "FATAL")
        self.assert_serves()

    def test_a_database_that_postgresql_does_not_know(self):
        self.start(databases={"app": "{pg}", "ghost": "{server} dbname=no_such_database"})
        e = self.refused(database="ghost")
        self.assertIn("no_such_database", e.message)
        self.assertRegex(e.code, "^(3D000|08P01)$")
        self.assert_serves()


class PassThrough(Case):
    """SCRAM keys of the client's login serve for the server's when both hold the same verifier."""

    def verifier(self):
        return self.pg.one("select rolpassword from pg_authid where rolname = 'u_scram'")

    @subset("asan")
    def test_same_verifier(self):
        self.start(auth_type="scram-sha-256", userlist={"u_scram": self.verifier(), "admin": ""}, default_pool_size=5)
        clients = [self.client("u_scram", secret=SECRET) for _ in range(5)]
        for c in clients:
            c.sql("begin")
        self.assertEqual(self.weir.count("usename = 'u_scram'"), 5)
        for c in clients:
            c.sql("commit")

    def test_iterations_of_plain_secrets(self):
        self.start(auth_type="scram-sha-256", userlist={"app": SECRET, "admin": ""}, scram_iterations=5000)
        c = self.raw()
        c.send(wire.startup_packet({"user": "app", "database": "app"}))
        c.recv()
        first = b"n,,n=,r=" + b"x" * 18
        c.send(wire.msg("p", wire.cstr("SCRAM-SHA-256") + len(first).to_bytes(4, "big") + first))
        self.assertRegex(c.recv()[1][4:].decode(), r",i=5000$")

    def test_md5_setting_with_a_scram_secret(self):
        self.start(auth_type="md5", userlist={"u_scram": self.verifier(), "admin": ""})
        self.assertEqual(self.client("u_scram", secret=SECRET).one("select current_user"), "u_scram")

    def test_another_verifier_of_the_same_password_does_not_fit(self):
        self.start(auth_type="scram-sha-256", userlist={"u_scram": scram_verifier(SECRET), "admin": ""})
        self.assertEqual(self.refused(user="u_scram", secret=SECRET).severity, "FATAL")

    def test_wrong_password(self):
        self.start(auth_type="scram-sha-256", userlist={"u_scram": self.verifier(), "admin": ""})
        self.assertEqual(self.refused(user="u_scram", secret="wrong").code, WRONG)
        self.assertEqual(self.client("u_scram", secret=SECRET).one("select 1"), "1")
        self.assertEqual(self.refused(user="u_scram", secret="wrong").code, WRONG)


class Secrets(Case):
    def test_forced_user_with_a_password(self):
        self.start(auth_type="md5", userlist={"app": "clients own", "app2": "other", "admin": ""},
                   databases={**{n: f"{{pg}} user={u} password={SECRET}" for n, u in (("a", "u_scram"), ("b", "u_md5"), ("c", "u_plain"))}}, default_pool_size=1)
        for database, user in (("a", "u_scram"), ("b", "u_md5"), ("c", "u_plain")):
            first, second = self.client("app", database, secret="clients own"), self.client("app2", database, secret="other")
            self.assertEqual(first.one("select current_user"), user)
            self.assertEqual(first.server_pid(), second.server_pid(), "clients of a forced user share one pool")

    def test_forced_user_takes_its_password_from_the_auth_file(self):
        self.start(auth_type="md5", userlist={"app": "clients own", "u_scram": SECRET, "admin": ""}, databases={"app": "{pg} user=u_scram"})
        self.assertEqual(self.client(secret="clients own").one("select current_user"), "u_scram")

    def test_odd_names_and_secrets(self):
        names = ['odd "name"', "ünïcode", "with space"]
        secret = "pä\u00adss \u2168 'w\"ord\\"  # SASLprep maps the soft hyphen to nothing and the numeral to IX
        for name in names:
            self.pg.sql(f"drop role if exists {quoted(name)}; create role {quoted(name)} login")
        try:
            for auth_type in ("plain", "md5") + (() if IS_PGBOUNCER else ("scram-sha-256",)):
                self.start(auth_type=auth_type, userlist={**{n: secret for n in names}, "admin": ""})
                for name in names:
                    with self.subTest(auth_type, name=name):
                        given = "päss IX 'w\"ord\\" if auth_type == "scram-sha-256" else secret
                        self.assertEqual(self.client(name, secret=given).one("select current_user"), name)
        finally:
            self.doCleanups()
            for name in names:
                self.pg.sql(f"drop role {quoted(name)}")

    @beyond_pgbouncer
    def test_saslprep_towards_the_server(self):
        secret = "pä\u00adss\u2168"
        self.pg.sql(f"set password_encryption = 'scram-sha-256'; drop role if exists prepped; create role prepped login password 'pässIX'; "
                    f"alter role prepped password '{secret}'")
        with open(f"{self.pg.data}/pg_hba.conf") as f:
            hba = f.read()
        try:
            with open(f"{self.pg.data}/pg_hba.conf", "w") as f:
                f.write("host all prepped all scram-sha-256\n" + hba)
            self.pg.sql("select pg_reload_conf()")
            self.start(auth_type="plain", userlist={"prepped": secret, "admin": ""})
            def works():
                try:
                    with self.weir.connect("prepped", secret=secret) as c:
                        return c.one("select current_user") == "prepped"
                except wire.PgError:
                    return False
            wait_until(works, 20, "a login with a normalised password", interval=0.3)
        finally:
            self.doCleanups()
            with open(f"{self.pg.data}/pg_hba.conf", "w") as f:
                f.write(hba)
            self.pg.sql("drop role prepped; select pg_reload_conf()")

    def test_auth_file_is_read_again_on_reload(self):
        self.start(auth_type="md5", userlist={"app": SECRET, "admin": ""}, stats_users="", admin_users="pgbouncer,app")
        self.assertEqual(self.refused(user="app2", secret="two").code, WRONG)
        kept = self.client(secret=SECRET)
        self.weir.userlist = {"app2": "two", "app": "changed"}
        self.weir.write()
        os.utime(self.weir.userlist_path, (1, 1))
        with self.weir.console("app", secret=SECRET) as c:
            c.run("reload").check()
        self.assertEqual(self.client("app2", secret="two").one("select current_user"), "app2")
        self.assertEqual(self.refused(secret=SECRET).code, WRONG)
        self.assertEqual(self.client(secret="changed").one("select 1"), "1")
        self.assertEqual(kept.one("select 1"), "1")
        self.weir.userlist = {"app": "changed"}
        self.weir.write()
        os.utime(self.weir.userlist_path, (2, 2))
        with self.weir.console("app", secret="changed") as c:
            c.run("reload").check()
        self.assertEqual(self.refused(user="app2", secret="two").code, WRONG)

    @beyond_pgbouncer
    def test_secrets_are_not_logged(self):
        self.start(auth_type="md5", userlist={"u_scram": SECRET, "admin": ""}, verbose=2)
        self.client("u_scram", secret=SECRET).sql("select 1")
        self.refused(user="u_scram", secret="mistyped-password")
        log = self.weir.wait_log("pooler error")
        self.assertNotIn(SECRET, log)
        self.assertNotIn("mistyped-password", log)

    def test_a_hostile_client_cannot_choose_the_servers_user(self):
        """What the server is told about user and database comes from the configuration, not from the startup packet's odd corners."""
        seen = []

        def script(peer):
            peer.startup()
            seen.append(peer.params)
            peer.login_ok()
            peer.serve()
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr + " user=app"})
            self.client("app2", application_name="user").sql("select 1")
        self.assertEqual((seen[0]["user"], seen[0]["database"]), ("app", "app"))
        self.assertLessEqual(set(seen[0]), {"user", "database", "application_name", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings",
                                            "IntervalStyle", "datestyle", "timezone"})


@beyond_pgbouncer
class WrongPasswords(Case):
    """auth_failures_max, auth_failures_window and auth_failure_delay."""
    WINDOW = 600

    def start(self, auth_type="scram-sha-256", **weir):
        super().start(auth_type=auth_type, userlist={u: SECRET for u in ("app", "app2", "admin")}, weir={"auth_failures_window": self.WINDOW, **weir},
                      client_login_timeout=60 * SLOW)

    def console(self):
        return self.weir.console(secret=SECRET)

    def row(self):
        with self.console() as c:
            reply = c.run("show rate_limits").check()
            return dict(zip([n for n, _ in reply.columns], reply.rows[0])) if reply.rows else None

    def login_clients(self):
        with self.console() as c:
            return dict(c.run("show lists").check().rows)["login_clients"]

    def attempt(self, user="app", secret="wrong", source=None, host=None):
        """"ok" or the error, of a login from a certain address."""
        c = self.raw(host, source=source)
        try:
            c.login(user, "app", secret)
            return "ok"
        except wire.PgError as e:
            return e
        finally:
            c.drop()

    def codes(self, count, **kw):
        outcomes = [self.attempt(**kw) for _ in range(count)]
        return [o if o == "ok" else o.code for o in outcomes]

    def test_off_unless_asked_for(self):
        self.start()
        self.assertEqual(self.codes(20), ["28P01"] * 20)
        self.assertEqual(self.attempt(secret=SECRET), "ok")
        self.assertIsNone(self.row())

    def test_refused_after_so_many(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            with self.subTest(auth_type):
                self.start(auth_type, auth_failures_max=3)
                self.assertEqual(self.codes(3), ["28P01"] * 3)
                e = self.attempt(secret=SECRET)
                self.assertEqual((e.severity, e.code, e.message), ("FATAL", "28000", "too many wrong passwords"))
                self.assertRegex(e.fields["D"], rf'^Key "address=127.0.0.1 user=app", limit "3 failures in {self.WINDOW} s", retry after \d+ ms\.$')
                self.assertLessEqual(int(e.fields["D"].split()[-2]), self.WINDOW * 1000)
                # Nobody else suffers: another user, another address, the Unix socket.
                self.assertEqual(self.attempt("app2", SECRET), "ok")
                self.assertEqual(self.attempt(secret=SECRET, source="127.0.0.2"), "ok")
                self.assertEqual(self.attempt(secret=SECRET, host="::1"), "ok")
                self.assertEqual(self.attempt(secret=SECRET, host=self.weir.socket_dir), "ok")
                self.assertEqual(self.codes(1, secret=SECRET), ["28000"])
                row = self.row()
                self.assertEqual((row["name"], row["at"], row["allowed"], row["rejected"], row["keys"]), ("auth_failures", "password", "3", "2", "1"))
                self.weir.wait_log('key "address=127.0.0.1 user=app"')
                self.doCleanups()

    def test_who_does_not_exist_is_treated_alike(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            with self.subTest(auth_type):
                self.start(auth_type, auth_failures_max=2, auth_failure_delay=0.1)
                seen = {}
                for user in ("app", "nobody"):
                    outcomes = [self.attempt(user) for _ in range(4)]
                    seen[user] = [(o.code, o.message, o.fields.get("D", "").replace(user, "USER").split("retry")[0]) for o in outcomes]
                self.assertEqual(seen["app"], seen["nobody"])
                self.assertEqual([code for code, _, _ in seen["app"]], ["28P01", "28P01", "28000", "28000"])
                self.doCleanups()

    def test_on_the_unix_socket_by_user(self):
        self.start(auth_failures_max=2)
        there = self.weir.socket_dir
        self.assertEqual(self.codes(3, host=there), ["28P01", "28P01", "28000"])
        self.assertIn('"address=unix user=app"', self.attempt(host=there).fields["D"])
        self.assertEqual(self.attempt("app2", SECRET, host=there), "ok")
        self.assertEqual(self.attempt(secret=SECRET), "ok")

    def test_the_window_ends(self):
        window = 1 * SLOW
        self.start(auth_failures_max=2, auth_failures_window=window)
        self.assertEqual(self.codes(2), ["28P01"] * 2)
        e = self.attempt(secret=SECRET)
        if e != "ok":  # on a slow machine it may be over already
            self.assertLessEqual(int(e.fields["D"].split()[-2]), window * 1000)
        wait_until(lambda: self.attempt(secret=SECRET) == "ok", 30, "the window to end")

    def test_a_good_login_forgets(self):
        self.start(auth_failures_max=3)
        for _ in range(3):
            self.assertEqual(self.codes(2), ["28P01"] * 2)
            self.assertEqual(self.attempt(secret=SECRET), "ok")

    def test_many_at_once_have_no_more_tries(self):
        for auth_type in ("md5", "scram-sha-256"):
            with self.subTest(auth_type):
                self.start(auth_type, auth_failures_max=3)
                waiting = [self.raw() for _ in range(30)]
                for c in waiting:  # all have been asked for their password
                    c.send(wire.startup_packet({"user": "app", "database": "app"}))
                    self.assertEqual(c.recv()[0], "R")
                for c in waiting:
                    if auth_type == "md5":
                        c.send(wire.password("md5" + 32 * "0"))
                    else:
                        c.scram = wire.ScramClient("wrong")
                        c.send(c.scram.first())
                if auth_type != "md5":
                    for c in waiting:
                        c.send(c.scram.final(c.recv()[1][4:]))
                codes = [self.fatal(c).code for c in waiting]
                # Those that are looked at by different workers in the same moment may all be.
                self.assertTrue(3 <= codes.count("28P01") <= 3 + WORKERS - 1, codes)
                self.assertEqual(codes.count("28P01") + codes.count("28000"), 30)
                self.doCleanups()

    def test_the_console_too(self):
        self.start(auth_failures_max=2)
        for expected in ("28P01", "28P01", "28000"):
            self.assertEqual(self.refused(user="admin", database="pgbouncer", secret="wrong").code, expected)

    def test_a_reload_turns_it_off(self):
        self.start(auth_failures_max=1)
        with self.console() as c:
            self.assertEqual(self.codes(2), ["28P01", "28000"])
            self.weir.weir_section["auth_failures_max"] = 0
            self.weir.write()
            c.run("reload").check()
        self.assertEqual(self.attempt(secret=SECRET), "ok")

    def test_the_answer_is_held_back(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            with self.subTest(auth_type):
                self.start(auth_type, auth_failure_delay=0.5)
                began = time.monotonic()
                self.assertEqual(self.codes(1), ["28P01"])
                self.assertGreaterEqual(time.monotonic() - began, 0.5)
                self.assertEqual((self.row()["delayed"], self.row()["action"]), ("1", "delay"))
                self.doCleanups()

    def test_who_waits_costs_nobody_else(self):
        """Many wait for their refusal; they send what they like, go when they like, and others are served."""
        self.start("md5", auth_failure_delay=50)
        waiting = [self.raw() for _ in range(50)]
        for c in waiting:
            c.send(wire.startup_packet({"user": "app", "database": "app"}))
            self.assertEqual(c.recv()[0], "R")
            c.send(wire.password("md5" + 32 * "0"))
        wait_until(lambda: self.row()["delayed"] == "50", 30, "all to be held back")
        self.assertEqual(self.login_clients(), "50")
        before = self.weir.rss_kb()
        waiting[0].sock.setblocking(False)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += waiting[0].sock.send(b"x" * 65536)
        except BlockingIOError:
            pass
        self.assertLess(sent, 64 << 20, "it is no longer read")
        self.assertLess(self.weir.rss_kb() - before, 16 << 10)
        self.assertEqual(self.attempt(secret=SECRET), "ok")
        for c in waiting:
            c.drop()
        # Long before their time; but that the first one has gone stands behind what is no longer read of it.
        wait_until(lambda: self.login_clients() in ("0", "1"), 20, "those who went to be let go")

    def test_psql_and_psycopg(self):
        self.start(auth_failures_max=1, auth_failure_delay=0.1)

        def psql():
            return subprocess.run(["psql", "-X", "-c", "select 1", self.weir.url(secret="wrong")], capture_output=True, text=True).stderr
        self.assertIn("SASL authentication failed", psql())
        told = psql()
        self.assertIn("FATAL:  too many wrong passwords", told)
        self.assertIn("retry after", told)
        with self.assertRaisesRegex(psycopg.OperationalError, "too many wrong passwords"):
            psycopg.connect(self.weir.dsn(secret=SECRET))
        with psycopg.connect(self.weir.dsn("app2", secret=SECRET)) as c:
            self.assertEqual(c.execute("select 1").fetchone(), (1,))


@beyond_pgbouncer
class WrongCredential(Case):
    """PostgreSQL refuses what the pooler logs in with: clients are many, attempts are few."""
    POOL = 5
    WRONG = "not the password"

    def attempts(self):
        with open(self.pg.log_path) as f:
            return f.read().count('password authentication failed for user "u_scram"')

    def storm(self, threads=20, seconds=3):
        """Clients that come again as soon as they are refused. Returns how they were, how often PostgreSQL was asked, and how often one pool
        may have asked it: with the first ones together, before any answer; then one at a time, each after twice the pause of the one before,
        from 100 ms (or a fifth less)."""
        began = time.monotonic()
        before, end, codes, lock = self.attempts(), began + seconds, [], threading.Lock()

        def come():
            while time.monotonic() < end:
                try:
                    with self.weir.connect("u_scram"):
                        code = "ok"
                except wire.PgError as e:
                    code = e.code
                with lock:
                    codes.append(code)
        crowd = [threading.Thread(target=come) for _ in range(threads)]
        for t in crowd:
            t.start()
        for t in crowd:
            t.join()
        pauses = int(math.log2((time.monotonic() - began) / 0.08 + 1))
        return codes, self.attempts() - before, self.POOL + pauses

    def users(self, secret):
        return {"u_scram": secret, "app": "", "admin": ""}

    def mend(self):
        """Another credential is tried at once, however long the wrong one would have had to wait."""
        self.weir.userlist = self.users(SECRET)
        self.weir.reload()
        os.utime(self.weir.userlist_path, (1, 1))
        began = time.monotonic()
        with self.weir.connect("u_scram") as c:
            self.assertEqual(c.one("select current_user"), "u_scram")
        self.assertLess(time.monotonic() - began, 10 * SLOW)

    def test_storm(self):
        self.start(userlist=self.users(self.WRONG), default_pool_size=self.POOL, server_login_retry=300)
        codes, attempts, most = self.storm()
        self.assertEqual(set(codes), {"28P01"})
        self.assertGreater(len(codes), 100)
        self.assertTrue(1 <= attempts <= most, (attempts, most))
        self.assert_serves()  # another credential, not affected
        self.mend()

    def test_storm_on_a_routed_database(self):
        here = {"one": f"host=127.0.0.1 port={self.pg.port}", "two": f"host=::1 port={self.pg.port}"}
        self.start(userlist=self.users(self.WRONG), databases={"app": "backends=one,two dbname={dbname}"}, backends=here, default_pool_size=self.POOL,
                   server_login_retry=300)
        codes, attempts, most = self.storm()
        self.assertEqual(set(codes), {"28P01"})
        self.assertGreater(len(codes), 100)
        self.assertTrue(1 <= attempts <= 2 * most, (attempts, most))
        self.assert_serves()
        self.mend()

    def test_a_database_that_no_backend_knows(self):
        """Told at once, as by a plain database: nobody is held for what no time will mend."""
        here = {"one": f"host=127.0.0.1 port={self.pg.port}", "two": f"host=::1 port={self.pg.port}"}
        self.start(databases={"app": "backends=one,two dbname=nowhere"}, backends=here, server_login_retry=300, weir={"breaker_hold": 60 * SLOW})
        for _ in range(3):
            e = self.refused()
            self.assertEqual(e.code, "3D000", e)
            self.assertIn('database "nowhere" does not exist', e.message)
