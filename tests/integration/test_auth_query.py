"""Secrets that a query finds: who is asked, what is made of the answer, and what nobody may learn or change."""
import subprocess
import threading
import time

import psycopg

from harness import wire
from harness.case import Case, beyond_pgbouncer, wait_until
from harness.postgres import SECRET
from harness.util import scaled
from harness.weir import IS_PGBOUNCER, WORKERS
from harness.wire import md5_secret, scram_verifier

WRONG = "08P01" if IS_PGBOUNCER else "28P01"
ASKER = "asker"


class AuthQuery(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg.sql(f"do $$ begin create role {ASKER} superuser login; exception when duplicate_object then null; end $$")

    def start(self, **arguments):
        """auth_file knows only asker (and admin); everybody else is asked for."""
        super().start(**{"auth_type": "scram-sha-256", "auth_user": ASKER, "userlist": {ASKER: "", "admin": "of admin"}, **arguments})
        self.weir.console_secret = "of admin" if self.weir.options["auth_type"] != "trust" else None

    def table(self, **secrets):
        """A table of secrets in the pooler's own database; returns the query for it."""
        self.pg.sql("drop table if exists secrets; create table secrets (name text, secret text); grant all on secrets to public", self.weir.dbname)
        self.put(**secrets)
        return "select name, secret from public.secrets where name = $1"

    def put(self, **secrets):
        for name, secret in secrets.items():
            value = "null" if secret is None else f"'{secret}'"
            self.pg.sql(f"delete from secrets where name = '{name}'; insert into secrets values ('{name}', {value})", self.weir.dbname)

    def start_with_table(self, secrets, **arguments):
        self.start(**arguments)
        self.weir.reload(auth_query=self.table(**secrets))

    def asked(self):
        """How often the servers' pool of asker was used, by a counter in the database."""
        return int(self.pg.one("select coalesce(last_value, 0) from asked", self.weir.dbname)) - 1

    def counted(self, **secrets):
        """As table(), but the query counts itself."""
        self.table(**secrets)
        self.pg.sql("drop sequence if exists asked; create sequence asked; select nextval('asked')", self.weir.dbname)
        return "select name, secret from public.secrets where name = $1 and nextval('public.asked') > 0"

    def assert_wrong(self, **kw):
        e = self.refused(**kw)
        self.assertEqual((e.severity, e.code), ("FATAL", WRONG), e)


class Logins(AuthQuery):
    def test_the_default_query(self):
        self.start()
        with self.weir.connect("u_scram", secret=SECRET) as c:
            self.assertEqual(c.one("select current_user"), "u_scram")
        self.assert_wrong(user="u_scram", secret="wrong")
        self.assert_wrong(user="app", secret="")  # no password in PostgreSQL either

    def test_md5_secrets_and_methods(self):
        for auth_type, user, asked in (("md5", "u_md5", 5), ("md5", "u_scram", 10), ("plain", "u_md5", 3)):
            with self.subTest(auth_type=auth_type, user=user):
                self.start(auth_type=auth_type)
                with self.weir.connect(user, secret=SECRET) as c:
                    self.assertEqual(c.auth_requests[0], asked)
                    self.assertEqual(c.one("select current_user"), user)
                self.assert_wrong(user=user, secret="wrong")
                self.doCleanups()

    def test_pass_through_needs_nothing_in_auth_file(self):
        """The secret of pg_authid and the ClientKey of the client's login: client SCRAM, server SCRAM."""
        self.start(default_pool_size=5)
        clients = [self.client("u_scram", secret=SECRET) for _ in range(5)]
        for c in clients:
            c.sql("begin")
        self.assertEqual(len({c.server_pid() for c in clients}), 5)

    def test_plain_secrets_answer_any_server(self):
        self.start_with_table({"u_scram": SECRET, "u_md5": SECRET, "u_plain": SECRET}, auth_type="md5")
        for user in ("u_scram", "u_md5", "u_plain"):
            with self.weir.connect(user, secret=SECRET) as c:
                self.assertEqual(c.one("select current_user"), user)

    def test_real_clients(self):
        self.start()
        with psycopg.connect(self.weir.dsn("u_scram", secret=SECRET)) as c:
            self.assertEqual(c.execute("select current_user").fetchone(), ("u_scram",))
        with self.assertRaises(psycopg.OperationalError):
            psycopg.connect(self.weir.dsn("u_scram", secret="wrong"))
        ran = subprocess.run(["psql", "-XAtc", "select current_user", self.weir.url("u_scram", secret=SECRET)], capture_output=True, text=True)
        self.assertEqual(ran.stdout, "u_scram\n", ran.stderr)

    def test_auth_file_goes_first(self):
        self.start(userlist={ASKER: "", "admin": "of admin", "app": "of the file"}, auth_type="md5")
        self.weir.reload(auth_query=self.table(app="of the table", app2="of the table"))
        self.assert_serves(secret="of the file")
        self.assert_wrong(secret="of the table")
        self.assert_serves(user="app2", secret="of the table")

    def test_a_user_of_users_alone_is_asked_for(self):
        self.start_with_table({"app": "x"}, auth_type="md5", users={"app": "pool_mode=session"})
        self.assert_serves(secret="x")
        self.assert_wrong(secret="y")

    def test_a_new_password_counts_at_once(self):
        self.start_with_table({"app": "old"}, auth_type="md5")
        self.assert_serves(secret="old")
        self.put(app="new")
        self.assert_wrong(secret="old")
        self.assert_serves(secret="new")

    def test_expired_and_null_passwords(self):
        self.pg.sql(f"create role expired login password '{SECRET}' valid until '2001-01-01'; create role later login password '{SECRET}' "
                    "valid until '2101-01-01'; create role nopass login")
        self.addCleanup(self.pg.sql, "drop role expired; drop role later; drop role nopass")
        self.start(auth_type="md5", databases={"app": "{pg} user=app"})
        self.assert_serves(user="later", secret=SECRET)
        self.assert_wrong(user="expired", secret=SECRET)
        for secret in ("", "null", "NULL"):
            self.assertEqual(self.refused(user="nopass", secret=secret).severity, "FATAL")

    @beyond_pgbouncer
    def test_per_database(self):
        self.pg.sql("do $$ begin create role asker2 superuser login; exception when duplicate_object then null; end $$")
        self.start(auth_user=None, auth_type="md5", userlist={ASKER: "", "asker2": "", "admin": "of admin"}, databases={
            "app": f"{{pg}} auth_user={ASKER} auth_query='select $1::text, current_user::text'",
            "other": "{pg} auth_user=asker2 auth_query='select $1::text, current_user::text'",
            "elsewhere": f"{{pg}} auth_user={ASKER} auth_dbname=where auth_query='select $1::text, current_database()::text'",
            "where": "{server} dbname=postgres",
            "nobody": "{pg}"})
        self.assert_serves(secret=ASKER)
        self.assert_serves(database="other", secret="asker2")
        self.assert_wrong(database="other", secret=ASKER)
        self.assert_serves(database="elsewhere", secret="postgres")
        self.assert_wrong(database="nobody", secret=ASKER)
        self.assertIsNotNone(self.weir.pool("where", ASKER))
        self.assertIsNone(self.weir.pool("elsewhere", ASKER))

    @beyond_pgbouncer
    def test_a_global_auth_dbname(self):
        self.start(auth_type="md5", auth_dbname="where", auth_query="select $1::text, current_database()::text",
                   databases={"app": "{pg}", "where": "{server} dbname=postgres", "own": "{pg} auth_dbname=own"})
        self.assert_serves(secret="postgres")
        self.assert_serves(database="own", secret=self.weir.dbname)
        self.assert_wrong(database="own", secret="postgres")

    def test_a_wildcard_database(self):
        self.start(databases={"*": "{server}"})
        with self.weir.connect("u_scram", self.weir.dbname, secret=SECRET) as c:
            self.assertEqual(c.one("select current_database()"), self.weir.dbname)

    def test_trust_wants_a_user_that_exists(self):
        self.start(auth_type="trust")
        self.assert_serves(user="app")
        e = self.refused(user="nobody_at_all")
        self.assertEqual((e.severity, e.message), ("FATAL", '"trust" authentication failed'))

    def test_auth_user_itself_logs_in(self):
        self.start(userlist={"admin": "of admin"}, auth_type="trust")
        for _ in range(2):
            self.assert_serves(user=ASKER)
            self.assert_serves(user="app")

    @beyond_pgbouncer
    def test_the_console(self):
        self.start(userlist={ASKER: ""}, auth_type="md5", admin_users="admin", stats_users="stats", auth_dbname="app",
                   auth_query="select $1::text, ('of ' || $1)::text")
        self.assertIn("not allowed", self.refused(user="app", database="pgbouncer", secret="of app").message)
        self.assert_wrong(user="admin", database="pgbouncer", secret="of app")
        with self.weir.console() as c:
            self.assertFalse(c.run("reload").errors)
        with self.weir.console("stats", secret="of stats") as c:
            self.assertTrue(c.run("show pools").rows)
            self.assertIn("admin access needed", c.run("reload").error.message)

    def test_many_users(self):
        self.start_with_table({f"user{i}": f"secret{i}" for i in range(30)}, auth_type="md5", databases={"app": "{pg} user=app"})
        for i in range(30):
            self.assert_serves(user=f"user{i}", secret=f"secret{i}")
            self.assert_wrong(user=f"user{i}", secret=f"secret{i + 1}")


@beyond_pgbouncer
class Strangers(AuthQuery):
    """Who does not exist, and databases that do not, look like a wrong password."""

    def test_nobody_can_be_told_from_somebody(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            with self.subTest(auth_type):
                form = scram_verifier if auth_type == "scram-sha-256" else str
                self.start_with_table({"app": form("x")}, auth_type=auth_type)
                seen = []
                for user, database in (("app", "app"), ("nobody", "app"), ("app", "nosuch"), ("nobody", "nosuch")):
                    c = self.raw()
                    c.send(wire.startup_packet({"user": user, "database": database}))
                    with self.assertRaises(wire.PgError) as caught:
                        c.authenticate(user, "wrong")
                    e = caught.exception
                    seen.append((c.auth_requests, {k: v.replace(user, "USER") for k, v in e.fields.items()}))
                for other in seen[1:]:
                    self.assertEqual(other, seen[0])
                self.weir.wait_log("no such user: nobody")
                self.doCleanups()

    def test_injection_is_no_use(self):
        self.start_with_table({"app": "x"}, auth_type="md5")
        for user in ("app' or 'a'='a", "$1", "x'; drop table secrets; --", "é" * 20, "a" * 200):
            self.assertEqual(self.refused(user=user, secret="x").severity, "FATAL")
        self.assert_serves(secret="x")

    def test_names_of_bytes(self):
        self.start_with_table({"app": "x"}, auth_type="md5")
        c = self.raw()
        c.send(wire.startup_packet({"user": b"\xff\xfe", "database": "app"}))
        self.assertEqual(self.fatal(c).message, "bouncer config error")  # PostgreSQL takes it for no text
        self.assert_serves(secret="x")

    def test_wrong_passwords_are_limited(self):
        self.start_with_table({"app": "x"}, auth_type="md5", weir={"auth_failures_max": 2})
        self.assertEqual([self.refused(secret="wrong").code for _ in range(3)], ["28P01", "28P01", "28000"])
        self.assertEqual(self.refused(secret="x").message, "too many wrong passwords")


@beyond_pgbouncer
class OursAlone(AuthQuery):
    """Nothing of a client's is ever applied to the connection that is asked."""

    def hostile(self):
        """A schema whose pg_authid and functions give every user the secret `gotcha`."""
        self.pg.sql("drop schema if exists evil cascade; create schema evil; grant usage on schema evil to public;"
                    "create view evil.pg_authid as select 'app'::name as rolname, 'gotcha'::text as rolpassword, null::timestamptz as rolvaliduntil, "
                    "true as rolcanlogin; grant select on evil.pg_authid to public", self.weir.dbname)
        self.addCleanup(self.pg.sql, "drop schema if exists evil cascade", self.weir.dbname)

    def test_a_hostile_search_path_at_start(self):
        self.start(auth_type="md5", track_extra_parameters="IntervalStyle, search_path")
        self.hostile()
        for params in ({"search_path": "evil,pg_catalog"}, {"options": "-c search_path=evil,pg_catalog"}):
            self.assertEqual(self.refused(secret="gotcha", **params).severity, "FATAL")
            self.assertEqual(self.refused(user="u_md5", secret="gotcha", **params).code, "28P01")
        with self.weir.connect("u_md5", secret=SECRET, search_path="evil,pg_catalog") as c:
            self.assertIn("evil", c.one("show search_path"))
        self.assertEqual(self.refused(secret="gotcha").severity, "FATAL")

    def leave(self, *statements, **arguments):
        """A session of auth_user's in the same pool that leaves something behind."""
        self.start(auth_type="md5", userlist={ASKER: "pw", "admin": "of admin"}, default_pool_size=1, **arguments)
        self.hostile()
        with self.weir.connect(ASKER, secret="pw") as c:
            pid = c.server_pid()
            for statement in statements:
                c.sql(statement)
        self.assert_idle(user=ASKER)
        return pid

    def assert_not_fooled(self, pid):
        self.assertEqual(self.refused(secret="gotcha").severity, "FATAL")
        with self.weir.connect("u_md5", secret=SECRET) as c:
            self.assertEqual(c.one("select current_user"), "u_md5")
        self.assertEqual([b["pid"] for b in self.pg.backends(self.weir.dbname, f"usename = '{ASKER}'")], [pid], "it is the same connection")

    def test_what_sessions_of_auth_user_left_behind(self):
        for statement in ("set search_path = evil, pg_catalog", "create temp table pg_authid as select 'app'::name as rolname, 'gotcha'::text as "
                          "rolpassword, null::timestamptz as rolvaliduntil, true as rolcanlogin", "set role app", "set session authorization app",
                          "set default_transaction_read_only = on", "set statement_timeout = 1", "prepare weir_0 as select 1"):
            with self.subTest(statement[:30]):
                self.assert_not_fooled(self.leave(statement))
                self.doCleanups()

    def test_connect_query_is_run_again(self):
        pid = self.leave("set search_path = evil", databases={"app": "{pg} connect_query='set application_name to fresh'"})
        self.assert_not_fooled(pid)
        with self.weir.connect(ASKER, secret="pw") as c:
            c.sql("begin")
            self.assertNotEqual(c.one("show search_path"), "evil")

    def test_clients_after_a_look_up(self):
        """Prepared statements of clients survive that the connection is made fresh in between."""
        self.start(auth_type="md5", userlist={ASKER: "pw", "admin": "of admin"}, default_pool_size=1)
        with psycopg.connect(self.weir.dsn(ASKER, secret="pw"), prepare_threshold=1, autocommit=True) as c:
            for i in range(6):
                self.assertEqual(c.execute("select %s::int + 1", (i,)).fetchone(), (i + 1,))
                self.assert_serves(user="u_md5", secret=SECRET)
            c.execute("set application_name = 'mine'")
            self.assert_serves(user="u_md5", secret=SECRET)
            self.assertEqual(c.execute("show application_name").fetchone(), ("mine",))


@beyond_pgbouncer
class Sharing(AuthQuery):
    def begin(self, user="app"):
        c = self.raw()
        c.send(wire.startup_packet({"user": user, "database": "app"}))
        return c

    def waiting_logins(self):
        return int(next(r["items"] for r in self.weir.show("lists") if r["list"] == "login_clients"))

    def test_one_query_for_a_crowd(self):
        self.start(auth_type="md5", default_pool_size=5)
        self.weir.reload(auth_query=self.counted(app="x"))
        self.weir.admin("pause")
        crowd = [self.begin() for _ in range(scaled(60))]
        wait_until(lambda: self.waiting_logins() >= len(crowd), 30, "all to wait")
        self.weir.admin("resume")
        for c in crowd:
            self.assertEqual(c.authenticate("app", "x").one("select 1"), "1")
        # One for all that were asked for before it went out; whoever came later shares the next.
        self.assertLessEqual(self.asked(), 2)

    def test_who_comes_after_the_query_was_sent_gets_a_newer_answer(self):
        self.start(auth_type="md5")
        self.weir.reload(auth_query=self.table(app="old"))
        self.assert_serves(secret="old")
        with self.pg.connect(database=self.weir.dbname) as lock:
            lock.sql("begin; update secrets set secret = 'new'; lock table secrets in access exclusive mode")
            first = self.begin()
            wait_until(lambda: self.pg.count(self.weir.dbname, f"usename = '{ASKER}' and wait_event_type = 'Lock'") == 1, 30, "the first to be asked for")
            later = [self.begin() for _ in range(10)]
            wait_until(lambda: self.waiting_logins() >= 11, 30, "the others to wait")
            self.assertEqual(self.pg.count(self.weir.dbname, f"usename = '{ASKER}' and state = 'active'"), 1)
            lock.sql("commit")
            for c in later:
                c.authenticate("app", "new")
            first.authenticate("app", "new")

    def test_different_users_and_databases_do_not_share(self):
        self.start(auth_type="md5", databases={"app": "{pg} user=app", "two": "{pg} user=app"})
        self.weir.reload(auth_query=self.counted(a="x", b="x"))
        for user in ("a", "b"):
            for database in ("app", "two"):
                self.assert_serves(user=user, database=database, secret="x")
        self.assertEqual(self.asked(), 4)

    def test_it_counts_in_its_pool(self):
        self.start(auth_type="md5", default_pool_size=1, weir={"workers": WORKERS})
        self.weir.reload(auth_query=self.table(a="x", b="x"))
        self.assertEqual(self.refused(user="c", secret="x").code, "28P01")
        with self.pg.connect(database=self.weir.dbname) as lock:
            lock.sql("begin; lock table secrets in access exclusive mode")
            asking = [self.begin(user) for user in "ab"]
            wait_until(lambda: self.pg.count(self.weir.dbname, f"usename = '{ASKER}' and wait_event_type = 'Lock'") == 1, 30, "one to be asked for")
            wait_until(lambda: self.waiting_logins() == 2, 30, "the other to wait")
            self.weir.wait_pool(user=ASKER, sv_active=1, sv_idle=0, sv_login=0)
            row = self.weir.show("servers", user=ASKER)[0]
            self.assertEqual((row["state"], row["database"]), ("active", "app"))
            lock.sql("rollback")
        for c, user in zip(asking, "ab"):
            with self.assertRaises(wire.PgError):
                c.authenticate(user, "wrong")
        self.assertEqual(self.pg.count(self.weir.dbname, f"usename = '{ASKER}'"), 1)

    def test_cached_answers(self):
        self.start(auth_type="md5", weir={"auth_query_ttl": 600})
        self.weir.reload(auth_query=self.counted(app="old", app2="x"))
        for _ in range(5):
            self.assert_serves(secret="old")
        self.assertEqual(self.asked(), 1)
        self.put(app="new")
        self.assert_serves(secret="new")  # does not match what is known, so it is asked
        self.assertEqual(self.asked(), 2)
        self.assert_wrong(secret="old")
        self.assertEqual(self.asked(), 3)
        self.assert_serves(secret="new")
        self.assertEqual(self.asked(), 3)
        self.assert_wrong(user="nobody", secret="x")
        self.put(nobody="x")
        self.assertEqual(self.refused(user="nobody", secret="y").code, "28P01")
        self.weir.admin("reload")
        before = self.asked()
        self.assert_serves(secret="new")
        self.assertEqual(self.asked(), before + 1)

    def test_cached_answers_of_every_method(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            with self.subTest(auth_type):
                self.start(auth_type=auth_type, weir={"auth_query_ttl": 600})
                self.weir.reload(auth_query=self.counted(app="old"))
                self.assert_serves(secret="old")
                self.put(app="new")
                self.assert_serves(secret="new")
                self.put(app=None)
                self.assert_serves(secret="new")
                self.assert_wrong(secret="old")
                self.doCleanups()

    def test_a_new_scram_secret_is_known_at_the_second_try(self):
        """The client was given the salt of the old one, and nothing it says can prove the new password."""
        self.start(weir={"auth_query_ttl": 600, "auth_failures_max": 1})
        self.weir.reload(auth_query=self.table(app=scram_verifier("old")))
        self.assert_serves(secret="old")
        self.put(app=scram_verifier("new"))
        self.assert_wrong(secret="new")
        self.assert_serves(secret="new")

    def test_clients_that_do_not_wait(self):
        self.start(auth_type="md5", client_login_timeout=2)
        self.weir.reload(auth_query=self.table(app="x"))
        with self.pg.connect(database=self.weir.dbname) as lock:
            lock.sql("begin; lock table secrets in access exclusive mode")
            gone, late = self.begin(), self.begin()
            wait_until(lambda: self.pg.count(self.weir.dbname, f"usename = '{ASKER}' and wait_event_type = 'Lock'") == 1, 30, "one to be asked for")
            gone.drop()
            self.fatal(late, text="client_login_timeout")
            # The query that nobody waits for does not go on.
            wait_until(lambda: self.pg.count(self.weir.dbname, f"usename = '{ASKER}'") == 0, 30, "the query to be cancelled")
            lock.sql("rollback")
        self.assert_serves(secret="x")
        self.assert_idle(user=ASKER)

    def test_the_queue_has_its_limit(self):
        self.start(auth_type="md5", query_wait_timeout=1, client_login_timeout=60)
        self.weir.reload(auth_query=self.table(app="x"))
        self.assert_serves(secret="x")
        self.weir.admin("pause")
        self.fatal(self.begin(), text="query_wait_timeout")
        self.weir.admin("resume")
        self.assert_serves(secret="x")

    def test_a_storm_of_logins(self):
        self.start_with_table({f"user{i}": "x" for i in range(5)}, auth_type="md5", databases={"app": "{pg} user=app"}, default_pool_size=3)
        failures, until = [], time.monotonic() + 3

        def come(i):
            n = 0
            while time.monotonic() < until:
                n += 1
                try:
                    if n % 7 == 0:
                        self.begin(f"user{i % 5}").drop()
                        continue
                    with self.weir.connect(f"user{i % 5}", secret="wrong" if n % 5 == 0 else "x") as c:
                        if n % 5 == 0 or c.one("select 1") != "1":
                            failures.append(n)
                except wire.PgError as e:
                    if n % 5 or e.code != "28P01":
                        failures.append(e)
        crowd = [threading.Thread(target=come, args=(i,)) for i in range(scaled(12))]
        for t in crowd:
            t.start()
        for t in crowd:
            t.join()
        self.assertEqual(failures, [])
        self.assert_idle(user=ASKER)
        self.assertLessEqual(self.pg.count(self.weir.dbname, f"usename = '{ASKER}'"), 3)


class Trouble(AuthQuery):
    def assert_config_error(self, logged, **kw):
        e = self.refused(secret="x", **kw)
        self.assertEqual((e.severity, e.code, e.message), ("FATAL", "08P01", "bouncer config error"))
        self.weir.wait_log(logged)

    def test_answers_that_are_none(self):
        self.start(auth_type="md5")
        for query, logged in (("select 1", "error response from auth_query"), ("select nothing from nowhere where '' = $1", "error response from auth_query"),
                              ("select 'app'::text, 'x'::text, 1 where $1 <> ''", "expected 2 columns from auth_query, not 3"),
                              ("select null::text, 'x'::text where $1 <> ''", "auth_query response contained null user name")):
            with self.subTest(query):
                self.weir.reload(auth_query=query)
                self.assert_config_error(logged)
        self.weir.reload(auth_query="select 'app'::text, 'x'::text where $1 <> ''")
        self.assert_serves(secret="x")

    @beyond_pgbouncer
    def test_answers_that_are_in_doubt(self):
        self.start(auth_type="md5")
        for query, logged in (("select $1::text, 'x'::text union all select 'app', 'y'", "more than one row"),
                              ("select 'app2'::text, 'x'::text where $1 <> ''", 'was asked for "app" and answered "app2"'),
                              ("select $1::text, repeat('x', 70000)", "too long"),
                              ("select $1::text", "expected 2 columns from auth_query, not 1"),
                              ("begin", "error response"), ("", "error response")):
            with self.subTest(query[:40]):
                self.weir.reload(auth_query=query)
                e = self.refused(secret="x")
                self.assertEqual(e.message, "bouncer config error")
                self.assert_idle(user=ASKER)
        self.weir.reload(auth_query="select $1::text, 'x'::text")
        self.assert_serves(secret="x")

    @beyond_pgbouncer
    def test_an_auth_dbname_that_is_none(self):
        self.start(auth_type="md5", auth_dbname="nosuch")
        self.assert_config_error('authentication database "nosuch" is not configured.')
        for name in ("pgbouncer", "weir"):
            with self.assertRaises(wire.PgError):
                self.weir.reload(auth_dbname=name)
        self.weir.options["auth_dbname"] = None
        self.weir.write()

    @beyond_pgbouncer
    def test_the_console_has_no_users_of_its_own(self):
        self.start(auth_type="md5", userlist={ASKER: ""})
        self.assert_config_error('cannot use the reserved "pgbouncer" database as an auth_dbname', user="admin", database="pgbouncer")

    @beyond_pgbouncer
    def test_an_auth_user_that_cannot_log_in(self):
        for user, file in (("u_scram", {}), ("u_scram", {"u_scram": "wrong"}), ("no_such_role", {"no_such_role": ""})):
            with self.subTest(user, file=file):
                self.start(auth_type="md5", auth_user=user, userlist={"admin": "of admin", **file})
                for _ in range(2):
                    self.assertEqual(self.refused(secret="x").severity, "FATAL")
                self.weir.wait_log(f'auth_query: user "{user}" cannot log in to the server')
                self.doCleanups()

    def test_auth_user_with_a_password(self):
        self.pg.sql("grant pg_read_all_data to u_scram; grant select on pg_authid to u_scram")
        self.addCleanup(self.pg.sql, "revoke all on pg_authid from u_scram; revoke pg_read_all_data from u_scram")
        self.start(auth_user="u_scram", auth_type="md5", userlist={"admin": "of admin", "u_scram": SECRET})
        with self.weir.connect("u_md5", secret=SECRET) as c:
            self.assertEqual(c.one("select current_user"), "u_md5")

    @beyond_pgbouncer
    def test_a_server_that_is_down(self):
        self.start(auth_type="md5", databases={"app": "host=127.0.0.1 port=1 dbname=x", "up": "{pg}"}, server_login_retry=300, client_login_timeout=2)
        for _ in range(2):
            e = self.refused(secret="x")
            self.assertEqual(e.severity, "FATAL")
        self.assertRegex(e.message, "client_login_timeout|server login has been failing")
        with self.weir.connect("u_md5", "up", secret=SECRET) as c:
            self.assertEqual(c.one("select 1"), "1")

    @beyond_pgbouncer
    def test_connections_that_die(self):
        self.start_with_table({"app": "x"}, auth_type="md5", databases={"app": "{pg} user=app2"})
        for _ in range(3):
            self.assert_serves(secret="x")
            self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{ASKER}' and datname = '{self.weir.dbname}'")
        with self.pg.connect(database=self.weir.dbname) as lock:
            lock.sql("begin; lock table secrets in access exclusive mode")
            c = self.raw()
            c.send(wire.startup_packet({"user": "app", "database": "app"}))
            where = f"usename = '{ASKER}' and wait_event_type = 'Lock'"
            wait_until(lambda: self.pg.count(self.weir.dbname, where) == 1, 30, "it to be asked")
            pid = self.pg.backends(self.weir.dbname, where)[0]["pid"]
            self.pg.sql(f"select pg_terminate_backend({pid})")
            wait_until(lambda: [b for b in self.pg.backends(self.weir.dbname, where) if b["pid"] != pid], 30, "it to be asked again")
            lock.sql("rollback")
            c.authenticate("app", "x")

    @beyond_pgbouncer
    def test_a_routed_database(self):
        here = {"one": f"host=127.0.0.1 port={self.pg.port}", "two": f"host=::1 port={self.pg.port}"}
        self.start(databases={"app": "backends=one,two dbname={dbname}"}, backends=here)
        for _ in range(3):
            with self.weir.connect("u_scram", secret=SECRET) as c:
                self.assertEqual(c.one("select current_user"), "u_scram")
            self.assert_wrong(user="u_scram", secret="wrong")

    @beyond_pgbouncer
    def test_a_routed_database_that_is_down(self):
        down = {"one": "host=127.0.0.1 port=1", "two": "host=::1 port=1"}
        self.start(databases={"app": "backends=one,two dbname={dbname}"}, backends=down, weir={"breaker_hold": 0.5, "probe_user": ASKER, "probe_interval": 0.5, "probe_interval_fast": 0.2, "probe_timeout": 0.4})
        wait_until(lambda: all(r["probe_error"] for r in self.weir.show("backends")), 30, "both to have been asked in vain")
        e = self.refused(user="u_scram", secret=SECRET)
        self.assertEqual((e.severity, e.code, e.message), ("FATAL", "57P03", "no healthy backend for auth_query (breaker_hold)"), e)
        self.assertIn("auth_query: no healthy backend", self.weir.log())

    @beyond_pgbouncer
    def test_kill_and_shutdown_while_it_is_asked(self):
        self.start_with_table({"app": "x"}, auth_type="md5")
        with self.pg.connect(database=self.weir.dbname) as lock:
            lock.sql("begin; lock table secrets in access exclusive mode")
            waiting = [self.raw() for _ in range(3)]
            for c in waiting:
                c.send(wire.startup_packet({"user": "app", "database": "app"}))
            wait_until(lambda: self.pg.count(self.weir.dbname, f"usename = '{ASKER}' and wait_event_type = 'Lock'") == 1, 30, "it to be asked")
            self.weir.admin("kill app")
            self.weir.signal(3)
            self.assertEqual(self.weir.wait_exit(20), 0)
            lock.sql("rollback")
