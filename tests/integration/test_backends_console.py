"""The console's view of many backends, and what an operator orders about them: what SHOW tells, and that orders are kept."""
import time

from harness.case import Case, beyond_pgbouncer, replicated, wait_until
from harness.gate import Gate
from harness.util import SLOW
from harness.weir import USERS

NAMES = ("pg1", "pg2", "pg3")
UNKNOWN = "42704"


class Watched(Case):
    """One database over three real servers, each behind a gate; probes every half second, so that little is waited for."""
    make_cluster = staticmethod(replicated)
    PROBES = {"probe_user": "probe", "probe_interval": 0.5 * SLOW, "probe_interval_fast": 0.2 * SLOW, "probe_timeout": 0.4 * SLOW}

    def setUp(self):
        self.addCleanup(self.pg.heal)  # last
        self.gates = []
        for s in self.pg.servers:
            self.gates.append(Gate(s.port))
            self.addCleanup(self.gates[-1].close)

    def start(self, names=NAMES, weir=None, **options):
        self.lines = {n: f"host=127.0.0.1 port={g.port}" for n, g in zip(NAMES, self.gates)}
        return super().start(databases={"app": f"backends={','.join(names)} dbname={{dbname}}"}, backends={n: self.lines[n] for n in names},
                             userlist={**USERS, "probe": ""}, weir={**self.PROBES, **(weir or {})}, **options)

    def row(self, name, what="backends", key="name"):
        return self.weir.show(what, **{key: name})[0]

    def wait_row(self, name, timeout=30, **want):
        def reached():
            rows = self.weir.show("backends", name=name)
            return rows and all(rows[0][k] == v for k, v in want.items())
        try:
            wait_until(reached, timeout, f"{name} to show {want}", interval=0.05)
        except AssertionError as e:
            raise AssertionError(f"{e}; it shows {self.weir.show('backends', name=name)}") from None

    def wait_roles(self):
        for i, name in enumerate(NAMES):
            self.wait_row(name, role="primary" if i == self.pg.leader else "replica")

    def order_fails(self, command, code, text):
        with self.weir.console() as c:
            self.assert_error(c.run(command), code, text)


@beyond_pgbouncer
class Shown(Watched):
    def test_roles_within_seconds(self):
        began = time.monotonic()
        self.start()
        self.wait_roles()
        self.assertLess(time.monotonic() - began, 5 * SLOW)
        rows = {r["name"]: r for r in self.weir.show("backends")}
        self.assertEqual(sorted(rows), sorted(NAMES))
        for i, name in enumerate(NAMES):
            row = rows[name]
            self.assertEqual((row["host"], row["port"], row["databases"]), ("127.0.0.1", str(self.gates[i].port), "app"))
            self.assertEqual((row["state"], row["breaker"], row["connect_breaker"], row["weight"]), ("UP", "CLOSED", "CLOSED", "100"))
            self.assertTrue(0 <= int(row["health"]) <= 100)
            for factor in ("err", "lat", "lag", "warm"):
                self.assertTrue(0 <= float(row[factor]) <= 1, row)
            self.assertEqual(row["timeline"], str(self.pg.primary.timeline()))
            self.assertIsNotNone(row["probed"])
            self.assertIsNone(row["probe_error"])
            self.assertEqual(row["lag_seconds"] is None, i == self.pg.leader, row)

    def test_health_and_events(self):
        self.start(weir={"degraded_below": 1})  # a probe that a busy machine delays must not make history
        self.wait_roles()
        rows = {r["backend"]: r for r in self.weir.show("health")}
        self.assertEqual(sorted(rows), sorted(NAMES))
        for row in rows.values():
            for factor in ("err", "lat", "lag", "warm"):
                self.assertTrue(0 <= float(row[factor]) <= 1, row)
            self.assertIsNone(row["alerts"])
        self.weir.admin("drain pg2")
        self.wait_row("pg2", state="DRAINING")
        self.assertRegex(self.row("pg2", "health", "backend")["last_transitions"], r"^UP -> DRAINING \d{4}-.* \(operator\)$")
        events = self.weir.show("health_events", backend="pg2", kind="state")
        self.assertEqual([(e["from_state"], e["to_state"], e["why"]) for e in events], [("UP", "DRAINING", "operator")])
        self.assertIn("health: pg2 (127.0.0.1:", self.weir.log())

    def test_nothing_without_routing(self):
        """A list of hosts is PgBouncer's; nothing watches it, and that is what the console says."""
        Case.start(self, databases={"app": "{pg}"}, weir=self.PROBES)
        for what in ("backends", "health", "health_events", "breakers"):
            self.assertEqual(self.weir.show(what), [])
        self.order_fails("drain pg1", UNKNOWN, "no such backend")

    def test_one_backend_down_at_the_start(self):
        down = self.pg.replicas[0]
        self.gates[down].refuse()
        self.start()
        self.wait_row(NAMES[self.pg.leader], role="primary", state="UP")
        wait_until(lambda: "refused" in (self.row(NAMES[down])["probe_error"] or ""), 30, "the refusal to be told", interval=0.05)
        self.assertEqual((self.row(NAMES[down])["role"], self.row(NAMES[down])["probed"]), ("unknown", None))
        self.gates[down].open()
        self.wait_row(NAMES[down], 60, state="UP", role="replica")

    def test_frozen(self):
        """With the defaults a server that answers nothing any more is out in less than four seconds."""
        self.start(weir={"probe_interval": 1, "probe_interval_fast": 0.5, "probe_timeout": 0.6} if SLOW == 1 else None)
        self.wait_roles()
        cold = self.pg.replicas[0]
        self.pg.freeze(cold)
        began = time.monotonic()
        self.wait_row(NAMES[cold], state="EJECTED")
        self.assertLess(time.monotonic() - began, 4 * SLOW)
        self.pg.thaw(cold)
        self.wait_row(NAMES[cold], 60, state="UP")

    def test_two_claimants(self):
        """Two replicas promoted apart from each other are on one timeline: neither is the primary, and that is said."""
        self.start()
        self.wait_roles()
        old, (one, other) = self.pg.leader, self.pg.replicas
        self.pg.kill9(old)
        for i in (one, other):
            self.pg.servers[i].sql("select pg_promote()")
        text = "several servers claim to be the primary"
        wait_until(lambda: text in (self.row(NAMES[one], "health", "backend")["alerts"] or ""), 30, "the alert in SHOW HEALTH", interval=0.05)
        self.assertEqual({self.row(NAMES[i])["role"] for i in (one, other)}, {"unknown"})
        self.assertTrue([e for e in self.weir.show("health_events", kind="notice", alert="1") if text in e["why"]])
        self.assertRegex(self.weir.log(), rf"WARNING.*{text}")
        self.pg.servers[other].halt("immediate")
        wait_until(lambda: self.row(NAMES[one])["role"] == "primary", 30, "the one that is left to be the primary", interval=0.05)
        self.assertIsNone(self.row(NAMES[one], "health", "backend")["alerts"])


@beyond_pgbouncer
class Orders(Watched):
    def test_drain_disable_enable(self):
        self.start()
        self.wait_roles()
        self.assertEqual(self.weir.admin("drain pg2").tags, ["DRAIN"])
        self.wait_row("pg2", state="DRAINING", why="operator")
        self.weir.admin("disable backend pg2")
        self.wait_row("pg2", state="DOWN")
        self.weir.admin(f"enable backend \"127.0.0.1:{self.gates[1].port}\"")
        self.wait_row("pg2", state="UP")
        self.assertEqual(self.row("pg1")["state"], "UP")

    def test_reweight(self):
        self.start()
        self.wait_roles()
        self.weir.admin("reweight pg3 12.5")
        self.wait_row("pg3", weight="12.5")
        self.weir.admin("reweight pg3 default")
        self.wait_row("pg3", weight="100")
        self.order_fails("reweight pg3 much", "22023", "give a number")
        self.order_fails("reweight pg3 10000000", "22023", "between")

    def test_breaker(self):
        self.start()
        self.wait_roles()
        name = NAMES[self.pg.leader]
        self.weir.admin(f"breaker open {name}")
        self.wait_row(name, breaker="OPEN", connect_breaker="OPEN", state="UP", role="primary")
        rows = {r["operation"]: r for r in self.weir.show("breakers", backend=name)}
        self.assertEqual(sorted(rows), ["connect", "query"])
        for row in rows.values():
            self.assertEqual((row["state"], row["forced"], row["in_force"], row["next_try_ms"]), ("OPEN", "1", "1", None))
        self.weir.admin(f"breaker close {name}")
        self.wait_row(name, breaker="CLOSED")
        self.assertEqual({r["forced"] for r in self.weir.show("breakers", backend=name)}, {"1"})
        self.weir.admin(f"breaker reset {name}")
        self.assertEqual({(r["state"], r["forced"]) for r in self.weir.show("breakers", backend=name)}, {("CLOSED", "0")})

    def test_ejected_is_open(self):
        self.start()
        self.wait_roles()
        bad = NAMES[self.pg.replicas[0]]
        gate = self.gates[self.pg.replicas[0]]
        gate.refuse()
        gate.reset()
        self.wait_row(bad, state="EJECTED", breaker="OPEN")
        row = self.weir.show("breakers", backend=bad, operation="query")[0]
        self.assertEqual((row["in_force"], row["forced"]), ("1", "0"))
        self.assertGreaterEqual(int(row["next_try_ms"]), 0)
        gate.clear()
        gate.open()
        self.weir.admin(f"breaker reset {bad}")
        self.wait_row(bad, 60, state="UP", breaker="CLOSED")

    def test_unknown_names(self):
        self.start()
        for command in ("drain", "disable backend", "enable backend", "breaker open", "breaker close", "breaker reset", "reset roles"):
            self.order_fails(f"{command} nobody", UNKNOWN, 'no such backend: "nobody"; SHOW BACKENDS lists those there are')
        self.order_fails("reweight nobody 5", UNKNOWN, "no such backend")
        self.order_fails("drain", "08P01", "a backend is required")
        self.order_fails("disable app", "0A000", "not supported yet")  # about databases

    def test_stats_users_may_only_look(self):
        self.start()
        with self.weir.console(user="stats") as c:
            self.assertEqual(c.run("show backends").errors, [])
            self.assert_error(c.run("drain pg1"), "08P01", "admin access needed")
            self.assert_error(c.run("reset roles pg1"), "08P01", "admin access needed")

    def test_reload_keeps_orders(self):
        self.start()
        self.wait_roles()
        self.weir.admin("drain pg1")
        self.weir.admin("breaker open pg2")
        self.weir.admin("reweight pg2 7")
        self.reload(("pg1", "pg2"))
        wait_until(lambda: [r["name"] for r in self.weir.show("backends")] == ["pg1", "pg2"], 30, "pg3 to be gone", interval=0.05)
        self.wait_row("pg1", state="DRAINING")
        self.wait_row("pg2", breaker="OPEN", weight="7")
        self.weir.admin("enable backend pg1")
        self.reload(("pg1", "pg2", "pg3"))
        self.wait_row("pg3", state="UP", role="primary" if self.pg.leader == 2 else "replica")
        self.wait_row("pg2", breaker="OPEN", weight="7")

    def reload(self, names):
        self.weir.databases = {"app": f"backends={','.join(names)} dbname={{dbname}}"}
        self.weir.backends = {n: self.lines[n] for n in names}
        self.weir.reload()
