"""Which backend a transaction goes to: what the client, its port, user and database want, and read_write_split."""
import time

from harness import wire
from harness.case import beyond_pgbouncer, wait_until
from harness.util import free_port
import test_backends

ON_REPLICA = "select pg_is_in_recovery()"  # says where it was asked, and so is never split itself


@beyond_pgbouncer
class Wishes(test_backends.Backends):
    """target_session_attrs: the startup parameter goes before the port, that before the user, that before the database."""

    def where(self, **login):
        c = self.client(**login)
        return {c.one(ON_REPLICA) for _ in range(20)}

    def test_startup_parameter(self):
        self.start()
        self.assertEqual(self.where(database="app", target_session_attrs="read-only"), {"t"})
        self.assertEqual(self.where(database="ro", target_session_attrs="primary"), {"f"})
        self.assertEqual(self.where(database="rw", options="-c target_session_attrs=standby"), {"t"})
        error = self.refused(database="app", target_session_attrs="fastest")
        self.assertEqual(error.code, "22023")
        self.assertIn("read-only", error.message)

    def test_replication(self):
        """From the primary, unless the client wishes otherwise; from the new primary after a promotion."""
        self.start()
        for database, wish, in_recovery in (("app", {}, "f"), ("rw", {}, "f"), ("ro", {}, "t"), ("app", {"target_session_attrs": "standby"}, "t")):
            with self.subTest(database, wish=wish):
                c = self.raw().login("repl", database, replication="database", **wish)
                self.assertEqual(c.one(ON_REPLICA), in_recovery)
                c.close()
        self.pg.switchover()
        c = self.raw().login("repl", "app", replication="database")
        self.assertEqual((c.one(ON_REPLICA), c.one("select current_setting('port')")), ("f", str(self.pg.primary.port)))
        c.close()
        wait_until(lambda: not self.weir.show("servers", replication="logical"), 30, "replication connections to be closed")

    def test_user(self):
        self.start(users={"app": "target_session_attrs=standby"})
        self.assertEqual(self.where(database="app"), {"t"})

    def test_port(self):
        port = free_port()
        self.start(weir={"target_session_attrs_ports": f"{port}:read-only"})
        c = self.client(port=port, database="app")
        self.assertEqual({c.one(ON_REPLICA) for _ in range(20)}, {"t"})
        self.assertEqual(self.where(database="rw"), {"f"})


@beyond_pgbouncer
class Split(test_backends.Backends):
    """Where a statement was answered is told by pg_stat_activity of each server."""

    def start(self, **weir):
        super().start(weir={"read_write_split": 1, "read_your_writes": "off", **weir})
        self.pg.sql("create table kept(a int); grant all on kept to public", self.weir.dbname)
        self.pg.wait_in_sync()


    def test_reads_go_to_replicas_and_the_rest_to_the_primary(self):
        self.start()
        c = self.client(database="app")
        for _ in range(20):
            self.assertEqual(c.one("select count(*) from kept /* m1 */"), "0")
        self.assertEqual(self.served_by("m1"), {"replica"})
        self.assertEqual(c.one("select pg_is_in_recovery()"), "f", "differs between servers: not proven")
        c.sql("insert into kept values (1)")
        self.assertEqual(c.one("select pg_is_in_recovery() from kept for update"), "f")
        self.assertEqual(c.one("with x as (insert into kept values (2) returning a) select a from x"), "2")
        c.sql("create sequence s")
        self.assertEqual(c.one("select nextval('s')"), "1")

    def test_hints(self):
        self.start()
        c = self.client(database="app")
        self.assertEqual(c.one("/* weir: replica */ select pg_is_in_recovery()"), "t")
        self.assertEqual(c.one("/* weir: primary */ select pg_is_in_recovery()"), "f")

    def test_a_read_only_block_is_a_replica_s(self):
        self.start()
        c = self.client(database="app")
        c.sql("begin read only")
        self.assertEqual(c.one("select pg_is_in_recovery()"), "t")
        self.assert_error(c.run("insert into kept values (1)"), "25006")
        c.sql("rollback")
        c.sql("begin")
        self.assertEqual(c.one("select pg_is_in_recovery()"), "f")
        c.sql("commit")

    def test_batches(self):
        """Parse, Bind, Execute up to Sync are one transaction; a prepared statement is judged by its text."""
        self.start()
        c = self.client(database="app")
        for _ in range(10):
            reply = c.send(wire.parse("", "select count(*) from kept /* m1 */"), wire.bind(), wire.execute(), wire.sync()).collect()
            self.assertEqual(reply.value, "0")
        self.assertEqual(self.served_by("m1"), {"replica"})
        c.send(wire.parse("p", "select count(*) from kept /* m2 */"), wire.sync()).collect()
        for _ in range(10):
            self.assertEqual(c.send(wire.bind("", "p"), wire.execute(), wire.sync()).collect().value, "0")
        self.assertEqual(self.served_by("m2"), {"replica"})
        reply = c.send(wire.parse("", "select 1"), wire.bind(), wire.execute(), wire.parse("", "insert into kept values (1)"), wire.bind(), wire.execute(),
                       wire.sync()).collect()
        self.assertFalse(reply.errors)
        c.send(wire.parse("w", "insert into kept values (2)"), wire.sync()).collect()
        self.assertFalse(c.send(wire.bind("", "w"), wire.execute(), wire.sync()).collect().errors)

    def test_own_writes_by_time(self):
        self.start(read_your_writes="time", read_your_writes_time=60)
        c = self.client(database="app")
        for n in range(1, 30):
            c.sql(f"insert into kept values ({n})")
            self.assertEqual(c.one("select count(*) from kept"), str(n))
        other = self.client(database="app")
        other.one("select count(*) from kept /* m1 */")
        self.assertEqual(self.served_by("m1"), {"replica"}, "another session has written nothing")

    def test_own_writes_by_lsn(self):
        """Replay stands still: the session reads its write from the primary; when it goes on, from a replica again."""
        self.start(read_your_writes="lsn")
        for i in self.pg.replicas:
            self.pg.pause_replay(i)
        c = self.client(database="app")
        c.sql("insert into kept values (1)")
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            self.assertEqual(c.one("select count(*) from kept"), "1")
        for i in self.pg.replicas:
            self.pg.resume_replay(i)

        def is_read_from_replica():
            self.assertEqual(c.one("select count(*) from kept /* m1 */"), "1")
            return "replica" in self.served_by("m1")
        wait_until(is_read_from_replica, 30, "a replica that shows the write")

    def test_a_client_that_says_what_it_wants(self):
        self.start()
        c = self.client(database="app", target_session_attrs="primary")
        c.one("select count(*) from kept /* m1 */")
        self.assertEqual(self.served_by("m1"), {"primary"}, "a client that says what it wants is not split")

    def served_by(self, mark):
        """The roles of the servers where a statement with this comment was the last of some connection."""
        sql = f"select count(*) from pg_stat_activity where datname = '{self.weir.dbname}' and query like '%/* {mark} */%' and pid <> pg_backend_pid()"
        return {"primary" if s is self.pg.primary else "replica" for s in self.pg.servers if int(s.one(sql))}
