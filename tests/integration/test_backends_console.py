"""The console's view of many backends, and what an operator orders about them: what SHOW tells, and that orders are kept."""
import contextlib
import re
import threading
import time

from harness.case import Case, beyond_pgbouncer, replicated, wait_until
from harness.fake_backend import FakeBackend, result
from harness.gate import Gate
from harness.load import Load
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

    def change_file(self, names):
        self.weir.databases = {"app": f"backends={','.join(names)} dbname={{dbname}}"}
        self.weir.backends = {n: self.lines[n] for n in names}
        self.weir.reload()

    def names(self):
        return [r["name"] for r in self.weir.show("backends")]

    def wait_names(self, *names):
        wait_until(lambda: self.names() == list(names), 30, f"the backends to be {names}", interval=0.05)

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
        self.weir.wait_log("health: pg2 (127.0.0.1:")

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
        self.weir.wait_log(re.compile(rf"WARNING.*{text}"))
        self.pg.servers[other].halt("immediate")
        wait_until(lambda: self.row(NAMES[one])["role"] == "primary", 30, "the one that is left to be the primary", interval=0.05)
        self.assertIsNone(self.row(NAMES[one], "health", "backend")["alerts"])


@beyond_pgbouncer
class Evidence(Case):
    def test_a_primary_that_breaks_off_in_the_middle_of_a_probe(self):
        """Its word holds for two intervals, but not when the connection that it was given on is lost, be that idle or not."""
        seconds, broken = 10, threading.Event()

        def once(peer):
            peer.startup()
            if broken.is_set():
                return
            peer.login_ok()
            for _ in range(2):  # what may be asked, and the first probe: not in recovery
                peer.recv()
                peer.send(result(*("f" + 7 * " ").split(" ")))
            peer.recv()
            broken.set()
        with FakeBackend(once) as fake, FakeBackend(lambda peer: peer.startup()) as other:
            self.start(databases={"app": "backends=one,two dbname=x"}, userlist={**USERS, "probe": ""},
                       backends={n: f"host=127.0.0.1 port={f.port}" for n, f in (("one", fake), ("two", other))},
                       weir={"probe_user": "probe", "probe_interval": seconds, "probe_interval_fast": seconds, "probe_timeout": 5})

            def role():
                return "".join(r["role"] for r in self.weir.show("backends", name="one"))
            wait_until(lambda: role() == "primary", 30, "the first probe", interval=0.05)
            self.assertTrue(broken.wait(30 + 2 * seconds), "no second probe")
            began = time.monotonic()
            wait_until(lambda: role() == "unknown", 30, "the evidence to be dropped", interval=0.05)
            self.assertLess(time.monotonic() - began, 4 * SLOW)


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
        self.order_fails("disable nobody", "08P01", "no such database: nobody")  # about databases

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
        self.change_file(("pg1", "pg2"))
        self.wait_names("pg1", "pg2")
        self.wait_row("pg1", state="DRAINING")
        self.wait_row("pg2", breaker="OPEN", weight="7")
        self.weir.admin("enable backend pg1")
        self.change_file(NAMES)
        self.wait_row("pg3", state="UP", role="primary" if self.pg.leader == 2 else "replica")
        self.wait_row("pg2", breaker="OPEN", weight="7")


@beyond_pgbouncer
class AddedAndRemoved(Watched):
    """ADD BACKEND and REMOVE BACKEND, and the same by the file. pg1 is the primary, pg2 a replica; pg3 comes and goes."""
    TWO = NAMES[:2]

    def start_two(self, **kw):
        self.start(self.TWO, **kw)
        self.pg.wait_in_sync()  # the database is there on each
        for name in self.TWO:
            self.wait_row(name, state="UP", role="primary" if NAMES.index(name) == self.pg.leader else "replica")

    def line_of(self, name):
        return f"{self.lines[name]} weight=100 role=auto zone=b max_connections=80"

    def add(self, name="pg3", database="app"):
        self.assertEqual(self.weir.admin(f"add backend {name} '{self.line_of(name)}' to {database}").tags, ["ADD BACKEND"])

    @contextlib.contextmanager
    def under_load(self):
        """Single reads and transactions of several statements; whatever happens meanwhile, none of them notices. Yields a function that gives, once the
        block is left, the ports that served what began between two moments."""
        loads = [Load(self.weir.host, self.weir.port, clients=6, seconds=120 * SLOW, work=0.01, first=0, kind=kind, patience=60 * SLOW) for kind in ("read", "block")]
        with contextlib.ExitStack() as stack:
            for load in loads:
                stack.enter_context(load)
            results = []
            yield lambda begin, end: {port for r in results for port in r.between(begin, end).shares()}
            results += [load.finish() for load in loads]
        for r in results:
            self.assertGreater(len(r), 0)
            self.assertFalse(r.violations)
            self.assertFalse(r.errors(), r.table())

    def wait_busy(self, i):
        wait_until(lambda: self.pg.servers[i].count(self.weir.dbname, "query like '%pg_sleep%'") > 0, 30, f"{NAMES[i]} to be used", interval=0.02)

    def wait_unused(self, i):
        """No connection leads there any more but the prober's."""
        wait_until(lambda: self.pg.servers[i].count(self.weir.dbname) == 0, 30, f"nobody to be connected to {NAMES[i]}", interval=0.05)

    def test_under_load(self):
        self.start_two()
        port = self.pg.servers[2].port
        with self.under_load() as ports:
            self.add()
            self.wait_row("pg3", zone="b", role="primary" if self.pg.leader == 2 else "replica")
            self.wait_busy(2)
            used = time.monotonic()
            self.weir.admin("drain pg3")
            self.wait_row("pg3", state="DRAINING", in_use="0")
            drained = time.monotonic()
            self.assertEqual(self.weir.admin("remove backend pg3 from app").tags, ["REMOVE BACKEND"])
            self.wait_names(*self.TWO)
            self.wait_unused(2)
            self.assert_serves()
        self.assertIn(port, ports(0, used))
        self.assertNotIn(port, ports(drained, float("inf")))
        self.assertEqual(self.weir.show("health_events", backend="pg3")[-1]["why"], "no longer watched")

    def test_again_and_again_under_load(self):
        """Not drained before: what runs there ends there."""
        self.start_two()
        with self.under_load():
            for _ in range(5):
                self.add()
                self.wait_busy(2)
                self.weir.admin("remove backend pg3")
                self.wait_names(*self.TWO)
        self.wait_unused(2)

    def test_from_one_to_two_and_back_under_load(self):
        """A lone backend is not watched, a second one makes it so."""
        self.start(NAMES[:1])
        self.pg.wait_in_sync()
        with self.under_load() as ports:
            self.add("pg2")
            self.wait_names(*self.TWO)
            self.wait_busy(1)
            used = time.monotonic()
            self.weir.admin("remove backend pg2")
            self.wait_names()
            self.wait_unused(1)
            self.assert_serves()
        self.assertIn(self.pg.servers[1].port, ports(0, used))

    def test_by_the_file_under_load(self):
        self.start_two()
        with self.under_load() as ports:
            self.change_file(NAMES)
            self.wait_names(*NAMES)
            self.wait_busy(2)
            used = time.monotonic()
            self.change_file(self.TWO)
            self.wait_names(*self.TWO)
            self.wait_unused(2)
            self.assert_serves()
        self.assertIn(self.pg.servers[2].port, ports(0, used))

    def test_a_transaction_ends_where_it_is(self):
        self.start_two()
        self.add()
        self.wait_names(*NAMES)
        port = str(self.pg.servers[2].port)
        for name in self.TWO:
            self.weir.admin(f"drain {name}")
            self.wait_row(name, state="DRAINING")
        c = self.client()
        c.run("begin")
        self.assertEqual(c.one("select current_setting('port')"), port)
        for name in self.TWO:
            self.weir.admin(f"enable backend {name}")
            self.wait_row(name, state="UP")
        self.weir.admin("remove backend pg3")
        self.wait_names(*self.TWO)
        self.assertEqual(c.one("select current_setting('port')"), port)
        self.assertEqual(c.run("commit").tags, ["COMMIT"])
        self.assertNotEqual(c.one("select current_setting('port')"), port)

    def test_until_reload(self):
        self.start_two()
        self.add()
        self.weir.admin("remove backend pg2")
        self.wait_names("pg1", "pg3")
        self.weir.admin("reload")
        self.wait_names(*self.TWO)
        self.weir.admin("reload")
        self.add()  # it can come again; and all that was logged before is there once this is
        log = self.weir.wait_log('added to database "app", until a RELOAD', 2)
        dropped = rf'WARNING backend "pg3" \(127.0.0.1 port {self.gates[2].port}\), which ADD BACKEND had added to database "app", is dropped'
        back = 'WARNING backend "pg2", which REMOVE BACKEND had taken from database "app", is back'
        self.assertEqual([len(re.findall(text, log)) for text in (dropped, back)], [1, 1], "told once, by the first of the two reloads")
        self.wait_names(*NAMES)

    def test_orders_are_kept(self):
        self.start_two()
        self.weir.admin("drain pg1")
        self.weir.admin("reweight pg2 7")
        self.add()
        self.wait_names(*NAMES)
        self.weir.admin("remove backend pg3")
        self.wait_names(*self.TWO)
        self.wait_row("pg1", state="DRAINING")
        self.wait_row("pg2", weight="7")

    def test_refused(self):
        self.start_two()
        self.weir.databases["plain"] = "{pg}"
        self.weir.reload()
        there = f"'{self.line_of('pg3')}'"
        self.order_fails(f"add backend pg3 {there} to nowhere", "3D000", 'ADD BACKEND: no such database: "nowhere"')
        self.order_fails(f"add backend pg3 {there} to plain", "55000", "write backends= with the names of all its servers in place of host=")
        self.order_fails(f"add backend pg1 {there} to app", "42710", 'the name "pg1" is in use with other settings')
        self.order_fails("add backend pg1 to app", "42710", 'database "app" has the backend "pg1" already')
        self.order_fails("add backend pg9 to app", UNKNOWN, 'no backend "pg9" is defined')
        self.order_fails("add backend pg9 'host=h prot=1' to app", "22023", 'ADD BACKEND: backend "pg9": unknown key "prot"')
        self.order_fails(f"add backend pg9 '{self.lines['pg1']}' to app", "22023", "are the same server")
        self.order_fails("remove backend pg3", UNKNOWN, 'no such backend: "pg3"')
        self.weir.admin("remove backend pg2")
        self.order_fails("remove backend pg1", "55000", 'is the last one of database "app"')
        with self.weir.console(user="stats") as c:
            self.assert_error(c.run(f"add backend pg3 {there} to app"), "08P01", "admin access needed")
            self.assert_error(c.run("remove backend pg1"), "08P01", "admin access needed")
        self.assertEqual(self.names(), [])  # a lone backend is not watched
        self.assert_serves()
