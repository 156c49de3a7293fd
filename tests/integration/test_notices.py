"""What a client is told besides its results: that it is queued, a message at login; errors about prepared statements within the session; and
server_fast_close."""
from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.wire import query

QUEUED = "No server connection available in postgres backend, client being queued"


def notice(fields):
    return {k: fields[k] for k in "SCM"}


@beyond_pgbouncer
class Notices(Case):
    def test_a_message_at_login(self):
        self.start(login_notify_message="welcome; maintenance at noon")
        for _ in range(2):  # the first login of the pool, and one after it
            c = self.raw()
            c.send(wire.startup_packet({"user": "app", "database": "app"}))
            seen = []
            while True:
                kind, body = c.recv()
                seen.append(kind)
                if kind == "N":
                    self.assertEqual(notice(wire.parse_fields(body)), {"S": "NOTICE", "C": "00000", "M": "welcome; maintenance at noon"})
                if kind == "Z":
                    break
            self.assertEqual(seen[-3:], ["K", "N", "Z"])
            self.assertEqual(seen.count("N"), 1)
            self.assertEqual(c.one("select 1"), "1")
        self.weir.reload(login_notify_message="")
        c = self.raw()
        c.send(wire.startup_packet({"user": "app", "database": "app"}))
        self.assertNotIn("N", c.collect().types)

    @subset("tsan", "asan")
    def test_a_client_that_is_queued(self):
        self.start(default_pool_size=1, query_wait_notify=1)
        holder, waiting, quick = self.clients(3)
        holder.sql("begin")
        waiting.send(query("select 5"))
        kind, body = waiting.recv()
        self.assertEqual(kind, "N")
        self.assertEqual(notice(wire.parse_fields(body)), {"S": "NOTICE", "C": "00000", "M": QUEUED})
        self.assertFalse(waiting.readable(1.5))  # once
        holder.sql("commit")
        reply = waiting.collect()
        self.assertEqual(reply.value, "5")
        self.assertNotIn("N", reply.types)
        # The next wait is told again; one that is short is not.
        holder.sql("begin")
        waiting.send(query("select 6"))
        self.assertEqual(waiting.recv()[0], "N")
        holder.sql("commit")
        self.assertEqual(waiting.collect().value, "6")
        holder.sql("begin")
        quick.send(query("select 7"))
        self.weir.wait_waiting(1)
        holder.sql("commit")
        self.assertNotIn("N", quick.collect().types)

    def test_nobody_is_told(self):
        self.start(default_pool_size=1, query_wait_notify=0)
        holder, waiting = self.clients(2)
        holder.sql("begin")
        waiting.send(query("select 5"))
        self.assertFalse(waiting.readable(1.5))
        holder.sql("commit")
        self.assertEqual(waiting.collect().value, "5")


@beyond_pgbouncer
class Statements(Case):
    """statement_error = keep: as PostgreSQL answers."""
    settings = {"weir": {"statement_error": "keep", "workers": 2}, "default_pool_size": 2}

    def same(self, *messages, setup=(), replies=1):
        """The same messages to PostgreSQL and through the pooler: the same answers, apart from what tells where an error was raised."""
        with self.pg.connect(user="app") as direct:
            results = []
            for c in (direct, self.client()):
                for sql in setup:
                    c.extended(*sql)
                c.send(*messages)
                got = [c.collect() for _ in range(replies)]
                results.append([(r.types, r.rows, r.tags, [(e.severity, e.code, e.message) for e in r.errors]) for r in got])
                self.assertEqual(c.one("select 1") if results[-1][-1][0][-1] == "Z" else "1", "1")
        self.assertEqual(*results)
        return results[0]

    @subset("tsan", "asan")
    def test_unknown_names(self):
        [[types, _, _, errors]] = self.same(wire.bind("", "nosuch"), wire.execute(), wire.sync())
        self.assertEqual((types, errors), ("EZ", [("ERROR", "26000", 'prepared statement "nosuch" does not exist')]))
        self.same(wire.describe("S", "nosuch"), wire.sync())
        self.same(wire.parse("", "select 1"), wire.bind("", ""), wire.execute(), wire.bind("", "nosuch"), wire.execute(), wire.sync())
        self.same(wire.bind("", "nosuch", ["x" * 100000]), wire.sync())

    @subset("tsan", "asan")
    def test_names_in_use(self):
        self.same(wire.parse("a", "select 1"), wire.sync(), wire.parse("a", "select 2"), wire.bind("", "a"), wire.execute(), wire.sync(),
                  wire.bind("", "a"), wire.execute(), wire.sync(), replies=3)
        self.same(wire.parse("a", "select 1"), wire.parse("a", "select 1"), wire.sync(), wire.bind("", "a"), wire.sync(), replies=2)

    def test_a_transaction_is_aborted(self):
        c = self.client()
        c.sql("begin")
        c.send(wire.bind("", "nosuch"), wire.execute(), wire.sync())
        reply = c.collect()
        self.assert_error(reply, "26000", 'prepared statement "nosuch" does not exist')
        self.assert_error(c.run("select 1"), "25P02")
        c.sql("rollback")
        self.assertEqual(c.one("select 3"), "3")

    def test_pipelines(self):
        """Batches one behind the other, of which some fail, without waiting for any answer."""
        ok = (wire.parse("good", "select 4"), wire.sync())
        bad = (wire.bind("", "nosuch"), wire.execute(), wire.sync())
        use = (wire.bind("", "good"), wire.execute(), wire.sync())
        again = (wire.parse("good", "select 5"), wire.sync())
        self.same(*ok, *bad, *use, *again, *use, *bad, *use, replies=7)

    def test_other_clients_keep_the_server(self):
        a, b = self.clients(2)
        b.send(wire.parse("mine", "select 11"), wire.sync())
        b.collect()
        for _ in range(20):
            a.send(wire.bind("", "mine"), wire.execute(), wire.sync())
            self.assert_error(a.collect(), "26000")
            b.send(wire.bind("", "mine"), wire.execute(), wire.sync())
            self.assertEqual(b.collect().value, "11")
        self.assertLessEqual(self.weir.count(), 2)

    def test_by_default_the_connection_ends(self):
        self.start()
        c = self.client()
        c.send(wire.bind("", "nosuch"), wire.sync())
        self.fatal(c, "08P01", "prepared statement did not exist")
        c = self.client()
        c.send(wire.parse("a", "select 1"), wire.parse("a", "select 1"), wire.sync())
        self.fatal(c, "08P01", "prepared statement name is already in use")


class FastClose(Case):
    def change(self, **more):
        self.weir.databases["app"] = "{pg} application_name=other connect_query='select 1'"
        self.weir.reload(**more)

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_sessions_outside_a_transaction_end(self):
        self.start(pool_mode="session", server_fast_close=1)
        idle, busy = self.clients(2)
        idle.sql("select 1")
        busy.sql("begin")
        self.change()
        self.fatal(idle, text="database configuration changed")
        self.assertEqual(busy.one("select 2"), "2")
        self.assertFalse(busy.readable(0.3))
        busy.send(query("commit"))
        reply = busy.expect_close()
        self.assertEqual(reply.tags, ["COMMIT"])
        self.assertIn("database configuration changed", reply.errors[-1].message)
        wait_until(lambda: self.weir.count() == 0, 30, "the servers to go")
        self.assert_serves()

    def test_without_it_they_go_on(self):
        self.start(pool_mode="session")
        c = self.client()
        pid = c.server_pid()
        self.change()
        self.assertEqual(c.server_pid(), pid)
        c.close()
        wait_until(lambda: self.weir.count() == 0, 30, "the server to go with its client")

    @beyond_pgbouncer
    def test_transaction_pooling_needs_it_not(self):
        self.start(server_fast_close=1)
        c = self.client()
        pid = c.server_pid()
        self.change()
        self.assertNotEqual(c.server_pid(), pid)
