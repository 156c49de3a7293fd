"""EXPLAIN ROUTE and SHOW ROUTES: what the console says of a statement's way is where it goes, and what it counts is what was sent."""
import collections
import subprocess

import psycopg

from harness.case import beyond_pgbouncer, wait_until
import test_backends
from test_backends import NAMES, SERVED_BY_NONE

# Statement, and the reason for its way. {m} becomes a comment by which the server that answered is found.
STATEMENTS = (
    ("select count(*) from kept {m}", "proven_read_only"),
    ("values (1), (2) {m}", "proven_read_only"),
    ("with x as (select a from kept) select sum(a) from x {m}", "proven_read_only"),
    ("select 1; select 2 {m}", "proven_read_only"),
    ("select ';' || 'it''s' {m};", "proven_read_only"),
    ("explain select * from kept {m}", "proven_read_only"),
    ("insert into kept values (1) {m}", "not_proven"),
    ("update kept set a = 2 {m}", "not_proven"),
    ("delete from kept where a = 3 {m}", "not_proven"),
    ("select nextval('numbers') {m}", "not_proven"),
    ("select random() {m}", "not_proven"),
    ("select a from kept for update {m}", "not_proven"),
    ("with x as (insert into kept values (4) returning a) select a from x {m}", "not_proven"),
    ("select pg_is_in_recovery() {m}", "not_proven"),
    ("select 1; insert into kept values (5) {m}", "not_proven"),
    ("create table if not exists made(a int) {m}", "not_proven"),
    ("begin read only {m}", "read_only_block"),
    ("begin {m}", "not_proven"),
    ("/* weir: replica */ select pg_is_in_recovery() {m}", "hint_replica"),
    ("/* weir: primary */ select count(*) from kept {m}", "hint_primary"),
    ("/* weir: primary, replica */ select 1 {m}", "hint_primary"),
    ("/* other: primary */ select 1 {m}", "proven_read_only"),
    ("select 1 /* weir: primary */ {m}", "proven_read_only"),
)


@beyond_pgbouncer
class ExplainRoute(test_backends.Backends):
    def start(self, **weir):
        super().start(weir={"read_write_split": 1, "read_your_writes": "off", **weir})
        self.pg.sql("create table kept(a int); grant all on kept to public; create sequence numbers; grant all on sequence numbers to public;"
                    "grant create on schema public to public", self.weir.dbname)
        self.pg.wait_in_sync()

    def explain(self, sql, database="app", user="stats"):
        """The steps as a dict: name -> (verdict, detail)."""
        with self.weir.console(user) as c:
            reply = c.run(f"EXPLAIN ROUTE FOR {database} {sql}").check()
        self.assertEqual([n for n, _ in reply.columns], ["step", "verdict", "detail"])
        return {step: (verdict, detail) for step, verdict, detail in reply.rows}

    def role(self, name):
        return "primary" if NAMES.index(name) == self.pg.leader else "replica"

    def roles_chosen(self, steps):
        return {self.role(name) for name in steps["chosen"][0].split(", ")}

    def served_by(self, mark):
        sql = f"select count(*) from pg_stat_activity where datname = '{self.weir.dbname}' and query like '%/* {mark} */%' and pid <> pg_backend_pid()"
        return {"primary" if s is self.pg.primary else "replica" for s in self.pg.servers if int(s.one(sql))}

    def sent(self, database="app"):
        rows = self.weir.show("routes", database=database)
        return collections.Counter({(r["reason"], r["target"]): int(r["count"]) for r in rows if r["target"]})

    def events(self, database="app"):
        return {r["reason"]: int(r["count"]) for r in self.weir.show("routes", database=database) if r["target"] is None}

    def routed(self):
        return sum(int(r["routed"]) for r in self.weir.show("backends"))

    def test_where_statements_are_said_to_go_is_where_they_go(self):
        self.start()
        c = self.client(database="app")
        before, routed, expected = self.sent(), self.routed(), collections.Counter()
        for i, (pattern, reason) in enumerate(STATEMENTS):
            sql = pattern.replace("{m}", f"/* m{i}x */")
            with self.subTest(sql=sql):
                steps = self.explain(sql)
                self.assertEqual(steps["decision"][0], reason)
                c.sql(sql)
                where = self.served_by(f"m{i}x")
                if sql.startswith("begin"):
                    c.sql("rollback")
                self.assertEqual(self.roles_chosen(steps), where, steps)
                expected[(reason, *where)] += 1
        self.assertEqual(self.sent() - before, expected, "SHOW ROUTES has each transaction where it went")
        self.assertEqual(self.routed() - routed, len(STATEMENTS), "and SHOW BACKENDS their number")

    def test_what_it_says_of_a_statement_and_of_backends(self):
        self.start()
        steps = self.explain("select nextval('numbers')")
        self.assertEqual(steps["proof"], ("not proven", "calls a function that is volatile or not built in: nextval"))
        self.assertEqual(steps["read_write_split"], ("on", None))
        for i, name in enumerate(NAMES):
            verdict, detail = steps[f"backend {name}"]
            role = "primary" if i == self.pg.leader else "replica"
            self.assertEqual(verdict, "chosen" if role == "primary" else "not eligible")
            self.assertRegex(detail, rf"role={role} state=UP weight=100 health=\d\.\d\d outstanding=\d+ cost=\S+ rank=")
        replica = NAMES[self.pg.replicas[0]]
        self.weir.admin(f"drain {replica}")
        self.wait_states(**{replica: "DRAINING"})
        verdict, detail = self.explain("select 1")[f"backend {replica}"]
        self.assertEqual(verdict, "not eligible")
        self.assertIn("its state takes no new work", detail)
        self.assertNotIn(replica, self.explain("select 1")["chosen"][0])
        self.weir.admin(f"enable backend {replica}")

    def test_target_session_attrs(self):
        self.start()
        for database, word, role in (("rw", "read-write", "primary"), ("ro", "read-only", "replica")):
            steps = self.explain("insert into kept values (1)", database)
            self.assertEqual(steps["target_session_attrs"][0], word)
            self.assertIn(f'of database "{database}"', steps["target_session_attrs"][1])
            self.assertEqual(self.roles_chosen(steps), {role})
            c = self.client(database=database)
            for _ in range(5):
                c.one("select 1")
            self.assertEqual(self.sent(database), {(f"target_session_attrs={word}", role): 5})

    def test_own_writes(self):
        self.start(read_your_writes="time", read_your_writes_time=60)
        steps = self.explain("select count(*) from kept")
        self.assertEqual(steps["read_your_writes"], ("time", "just after a write: the session has written a short time ago: the primary, for 60 s"))
        c = self.client(database="app")
        c.sql("insert into kept values (1)")
        before = self.sent()
        self.assertEqual(c.one("select count(*) from kept"), "1")
        self.assertEqual(self.sent() - before, {("recent_write", "primary"): 1})

    def test_held_and_rejected(self):
        """Without a primary a write is held; when it is back, one that waits is released; else it is rejected."""
        self.start(breaker_hold=2)
        c = self.client(database="app")
        c.sql("insert into kept values (1)")
        before, name = self.events(), NAMES[self.pg.leader]
        self.weir.admin(f"disable backend {name}")
        self.wait_states(**{name: "DOWN"})
        self.assertEqual(self.explain("insert into kept values (1)")["chosen"][0], "none")
        self.assert_error(c.run("insert into kept values (2)"), SERVED_BY_NONE)
        after = self.events()
        self.assertEqual((after["held"] - before["held"], after["rejected"] - before["rejected"], after["released"]), (1, 1, before["released"]))
        self.weir.admin(f"enable backend {name}")
        self.wait_states(**{name: "UP"})
        c.sql("insert into kept values (3)")
        self.weir.admin(f"disable backend {name}")
        self.wait_states(**{name: "DOWN"})
        c.send(test_backends.query("insert into kept values (4)"))
        wait_until(lambda: self.events()["held"] == after["held"] + 1, 10, "the write to be held", interval=0.02)
        self.weir.admin(f"enable backend {name}")
        self.assertFalse(c.collect().errors)
        self.assertEqual(self.events()["released"], before["released"] + 1)

    def test_drivers(self):
        self.start()
        sql = "select count(*) from kept; -- what, \"then\"?"
        with psycopg.connect(self.weir.dsn("stats", "pgbouncer"), autocommit=True) as c:
            rows = {step: verdict for step, verdict, _ in c.execute("EXPLAIN ROUTE FOR app USER app select a from kept where a = %s", (1,))}
            self.assertEqual((rows["user"], rows["proof"]), ("app", "read-only"))
            self.assertEqual(len(c.execute("SHOW ROUTES").description), 5)
        done = subprocess.run(["psql", "-X", "-At", "-F", "|", "-c", f"EXPLAIN ROUTE FOR app {sql}", self.weir.url("stats", "pgbouncer")], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        self.assertIn("decision|proven_read_only|", done.stdout)
        script = "EXPLAIN ROUTE FOR app /* weir: primary */ select 1;\nSHOW ROUTES;\n"
        done = subprocess.run(["psql", "-X", "-At", "-F", "|", self.weir.url("stats", "pgbouncer")], input=script, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        self.assertIn("hint|primary|", done.stdout)
        self.assertIn(f"chosen|{NAMES[self.pg.leader]}|", done.stdout)

    def test_which_database(self):
        self.start()
        with self.weir.console() as c:
            self.assert_error(c.run("EXPLAIN ROUTE select 1"), "08P01", "several databases are routed (app, ro, rw); say EXPLAIN ROUTE FOR")
            self.assert_error(c.run("EXPLAIN ROUTE FOR nowhere select 1"), "08P01", "no such database: nowhere")
