"""How large pools are: growth, shrinking, the ceiling of adaptive ones, ramps of logins, and fair shares of a common limit."""
from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.gate import Gate
from harness.load import Load
from harness.util import scaled


class SizeCase(Case):
    def size(self, database="app", user="app"):
        """The row of SHOW POOL_SIZES, numbers as numbers."""
        (row,) = self.weir.show("pool_sizes", database=database, user=user)
        return {k: int(v) if v is not None and v.isdigit() else v for k, v in row.items()}

    def gated(self, **arguments):
        gate = Gate(self.pg.port)
        self.addCleanup(gate.close)
        self.start(databases={"app": f"host=127.0.0.1 port={gate.port} dbname={{dbname}}"}, **arguments)
        return gate

    def begin_all(self, count):
        clients = self.clients(count)
        for c in clients:
            c.send(wire.query("begin"))
        for c in clients:
            c.collect().check()
        return clients


@beyond_pgbouncer
class Growth(SizeCase):
    @subset("tsan", "asan")
    def test_many_cold_clients_are_all_served_within_a_few_logins(self):
        count = scaled(64, 16)
        gate = self.gated(default_pool_size=count)
        gate.delay(50)  # so that a login takes long, and those that can run at the same time do
        clients = self.begin_all(count)
        seen = gate.counters()
        self.assertEqual(seen["most_open"], count)
        self.assertGreaterEqual(seen["most_logins"], min(count, 32) // 2)
        self.assertLessEqual(seen["most_logins"], 32)
        row = self.size()
        self.assertEqual((row["in_use"], row["max"], row["burst"], row["failures"], row["next_retry_ms"]), (count, count, 32, 0, None))
        for c in clients:
            c.sql("commit")
        wait_until(lambda: self.size()["target"] == count, 30, "the target to show what was wanted")

    def test_login_burst_bounds_the_logins_under_way(self):
        gate = self.gated(default_pool_size=12, weir={"login_burst": 3})
        gate.delay(20)
        self.begin_all(12)
        self.assertEqual(gate.counters()["most_logins"], 3)

    def test_after_an_outage_logins_begin_with_few(self):
        gate = self.gated(default_pool_size=20, server_login_retry=1)
        clients = self.begin_all(20)
        for c in clients:
            c.sql("commit")
        gate.reset()
        gate.refuse()
        self.weir.wait_pool(sv_idle=0, sv_active=0)
        first, *others = clients
        first.send(wire.query("begin"))  # waits all through the outage
        wait_until(lambda: self.size()["failures"] >= 3, 30, "some failed logins")
        row = self.size()
        self.assertLessEqual(row["burst"], 4)
        self.assertLessEqual(row["next_retry_ms"], 1000)
        self.weir.admin("reload")  # forgets nothing
        self.assertGreaterEqual(self.size()["failures"], 3)
        gate.delay(10)
        gate.open()
        first.collect().check()
        gate.forget_peaks()
        for c in others:
            c.send(wire.query("begin"))
        for c in others:
            c.collect().check()
        self.assertLess(gate.counters()["most_logins"], len(others))
        self.assertEqual(self.size()["failures"], 0)


@beyond_pgbouncer
class Shrinking(SizeCase):
    def test_unused_servers_go_down_to_the_minimum(self):
        for mode in ("fixed", "demand", "adaptive"):
            with self.subTest(mode):
                w = self.start(default_pool_size=10, min_pool_size=2, server_idle_timeout=1, weir={"pool_sizing": mode})
                for c in self.begin_all(10):
                    c.sql("commit")
                self.assertEqual(self.weir.count(), 10)
                wait_until(lambda: self.weir.count() == 2, 30, "the unused servers to be closed")
                self.assertEqual(self.size()["mode"], mode)
                self.assertEqual(self.size()["idle"], 2)
                self.assertEqual(w, self.weir)

    def test_a_mode_that_does_not_exist_is_refused_and_reload_changes_it(self):
        w = self.start()
        w.weir_section["pool_sizing"] = "dynamic"
        w.write()
        with self.assertRaises(wire.PgError) as caught:
            w.admin("reload")
        detail = str(caught.exception.fields)
        for word in ("pool_sizing", "fixed", "demand", "adaptive"):
            self.assertIn(word, detail)
        self.client().sql("select 1")
        self.assertEqual(self.size()["mode"], "demand")
        w.weir_section["pool_sizing"] = "demand"
        w.databases["app"] += " pool_sizing=adaptive"
        w.write()
        w.admin("reload")
        self.assertEqual(self.size()["mode"], "adaptive")
        self.assert_serves()


@beyond_pgbouncer
class Ceiling(SizeCase):
    def test_it_sinks_when_the_server_slows_down_under_load_and_recovers(self):
        gate = self.gated(default_pool_size=20, weir={"pool_sizing": "adaptive"})
        few = Load(self.weir.host, self.weir.port, clients=2, seconds=3, work=0.01)
        few.run()
        with Load(self.weir.host, self.weir.port, clients=40, seconds=120, work=0.01) as load:
            wait_until(lambda: self.size()["in_use"] == 20, 30, "the pool to be full")
            gate.delay(60)
            wait_until(lambda: self.size()["ceiling"] <= 14, 60, "the ceiling to sink")
            wait_until(lambda: self.weir.count() <= 15, 60, "the servers to become fewer")
            gate.delay(0)
            low = self.size()["ceiling"]
            wait_until(lambda: self.size()["ceiling"] >= low + 2, 60, "the ceiling to rise")
            load.finish()
        self.assert_serves()


@beyond_pgbouncer
class Shares(SizeCase):
    def greedy(self, user, clients):
        """Clients that ask again at once; ends with the test."""
        load = Load(self.weir.host, self.weir.port, user=user, clients=clients, seconds=120, work=0.02)
        load.start()
        self.addCleanup(load.finish)
        return load

    @subset("tsan")
    def test_a_greedy_user_leaves_others_their_share(self):
        self.start(default_pool_size=20, max_db_connections=4)
        self.greedy("app", 20)
        wait_until(lambda: self.size()["in_use"] == 4, 30, "the greedy one to have all")
        self.greedy("app2", 20)
        wait_until(lambda: self.size(user="app2")["in_use"] == 2, 30, "the other one to have its share")
        self.assertEqual(self.size(user="app2")["share"], 2)
        for _ in range(20):
            self.assertLessEqual(self.weir.count(), 4)
        # A third one, who wants little, is served in time, too.
        third = self.client(user="app3")
        for _ in range(5):
            self.assertEqual(third.one("select current_user"), "app3")

    def test_without_fair_shares_there_are_none(self):
        self.start(default_pool_size=20, max_db_connections=4, weir={"fair_shares": 0})
        second = self.client(user="app2")  # a login waits for a server, too
        self.greedy("app", 20)
        wait_until(lambda: self.size()["in_use"] == 4, 30, "the greedy one to have all")
        second.send(wire.query("select 1"))
        self.weir.wait_waiting(1, user="app2")
        self.assertEqual([row["share"] for row in self.weir.show("pool_sizes")], [None, None])
        # RELOAD ends the starvation.
        self.weir.weir_section["fair_shares"] = 1
        self.weir.reload()
        self.assertEqual(second.collect().check().value, "1")

    def test_shares_do_nothing_while_there_is_room(self):
        self.start(default_pool_size=3, max_db_connections=10)
        self.greedy("app", 20)
        self.greedy("app2", 20)
        wait_until(lambda: self.size()["in_use"] == 3 and self.size(user="app2")["in_use"] == 3, 30, "both to have what they may")
