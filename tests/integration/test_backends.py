"""Many backends: what a slow, failing, frozen or dying server costs its clients; the acceptance tests of the design.

Three real servers, each behind a gate. Capacity is made of connections and pg_sleep, not of the machine's speed, so that the numbers hold on a busy
machine as well. What a test compares it measures itself, before the fault.
"""
import contextlib
import itertools
import os
import re
import statistics
import subprocess
import time
import unittest.mock

from harness import wire
from harness.case import Case, beyond_pgbouncer, replicated, wait_until
from harness.gate import Gate
from harness.load import Load, prepare
from harness.patroni import FAULTS, Patroni
from harness.postgres import bindir
from harness.util import SLOW, run_as
from harness.weir import USERS
from harness.wire import query

NAMES = ("pg1", "pg2", "pg3")
PROBES = {"probe_user": "probe", "probe_interval": 0.5, "probe_timeout": 0.4, "breaker_hold": 20}
SHOW_BACKENDS = ("name", "host", "port", "role", "state", "health")  # at least these columns; health is 0 to 100
SHOW_HEALTH = ("backend", "err", "lat", "lag", "warm")               # the four factors
LOST = "08...|57P0[123]|closed|reset|timeout"
SERVED_BY_NONE = "53000"                                             # in a session, once breaker_hold is over


@beyond_pgbouncer
class Backends(Case):
    """`app` reads anywhere, `rw` goes to the primary, `ro` to replicas."""
    make_cluster = staticmethod(replicated)
    POOL = 10

    def setUp(self):
        self.addCleanup(self.pg.heal)  # last
        self.gates = []
        for s in self.pg.servers:
            self.gates.append(Gate(s.port))
            self.addCleanup(self.gates[-1].close)

    def start(self, weir=None, **options):
        backends = {name: f"host=127.0.0.1 port={g.port} weight=100{self.more_of(i)}" for i, (name, g) in enumerate(zip(NAMES, self.gates))}
        line = f"backends={','.join(NAMES)} dbname={{dbname}}"
        w = super().start(databases={"app": line, "rw": f"{line} target_session_attrs=read-write", "ro": f"{line} target_session_attrs=read-only"}, backends=backends, userlist={**USERS, "probe": ""},
                          weir={**PROBES, **(weir or {})}, **{"default_pool_size": self.POOL, "query_wait_timeout": 60, **options})
        prepare(self.pg, w.dbname)
        self.pg.wait_in_sync()
        self.wait_states(pg1="UP", pg2="UP", pg3="UP")
        wait_until(lambda: "unknown" not in {r["role"] for r in w.show("backends")}, 30, "each backend's role to be known", interval=0.05)
        return w

    def more_of(self, i):
        """More keys of backend i."""
        return ""

    # -- what the pooler says
    def states(self):
        return {r["name"]: r["state"].upper() for r in self.weir.show("backends")}

    def health(self, i):
        return float(self.weir.show("backends", name=NAMES[i])[0]["health"])

    def wait_states(self, timeout=30, **want):
        try:
            wait_until(lambda: {k: v for k, v in self.states().items() if k in want} == want, timeout, f"backends to be {want}", interval=0.05)
        except AssertionError as e:
            raise AssertionError(f"{e}; they are {self.states()}") from None

    def wait_state(self, i, state, timeout=30):
        began = time.monotonic()
        self.wait_states(timeout, **{NAMES[i]: state})
        return time.monotonic() - began

    def wait_primary(self, i, timeout=30):
        wait_until(lambda: [r["name"] for r in self.weir.show("backends") if r["role"] == "primary"] == [NAMES[i]], timeout, f"{NAMES[i]} to be seen as the primary",
                   interval=0.05)

    # -- load
    def load(self, database="app", **kw):
        return Load(self.weir.host, self.weir.port, database, **{"clients": 9, "seconds": 6, "work": 0.01, "patience": 60 * SLOW, **kw})

    def port(self, i):
        return self.pg.servers[i].port

    def share(self, result, i):
        return result.shares()[self.port(i)]

    def check_quiet(self, result):
        """No error and every answer the right one."""
        self.assertFalse(result.violations)
        self.assertFalse(result.errors(), result.table())

    def check_recovered(self):
        """After the faults: everything is up and takes its part again."""
        for g in self.gates:
            g.clear()
        self.pg.heal()

        def balanced():
            r = self.load(seconds=1).run()  # what traffic took out comes back by traffic
            is_up = set(self.states().values()) == {"UP"}
            return is_up and not r.errors() and all(self.share(r, i) > 0.15 for i in range(len(NAMES)))
        wait_until(balanced, 90, "all backends to take their part")
        for database in ("app", "rw", "ro"):
            self.assert_serves(database=database)
            self.assert_idle(database=database)


class Console(Backends):
    def test_show_backends(self):
        self.start()
        reply = self.weir.admin("show backends")
        columns = [n for n, _ in reply.columns]
        self.assertEqual(reply.tags, ["SHOW"])
        self.assertLessEqual(set(SHOW_BACKENDS), set(columns))
        rows = {r["name"]: r for r in self.weir.show("backends")}
        self.assertEqual(sorted(rows), sorted(NAMES))
        for i, name in enumerate(NAMES):
            self.assertEqual((rows[name]["host"], rows[name]["port"]), ("127.0.0.1", str(self.gates[i].port)))
            self.assertEqual(rows[name]["role"], "primary" if i == self.pg.leader else "replica")
            self.assertTrue(0 <= float(rows[name]["health"]) <= 100)
        wait_until(lambda: all(self.health(i) >= 70 for i in range(3)), 60, "health to be good after the slow start")

    def test_show_health(self):
        self.start()
        reply = self.weir.admin("show health")
        self.assertLessEqual(set(SHOW_HEALTH), {n for n, _ in reply.columns})
        rows = {r["backend"]: r for r in self.weir.show("health")}
        self.assertEqual(sorted(rows), sorted(NAMES))
        for row in rows.values():
            for factor in ("err", "lat", "lag", "warm"):
                self.assertTrue(0 <= float(row[factor]) <= 1, row)

    def test_roles(self):
        self.start()
        for database, roles in (("rw", {"f"}), ("ro", {"t"}), ("app", {"f", "t"})):
            c = self.client(database=database)
            self.assertEqual({c.one("select pg_is_in_recovery()") for _ in range(60)} | ({"f", "t"} if database == "app" else set()), roles, database)
        r = self.load("ro", seconds=1).run()
        self.check_quiet(r)
        self.assertEqual({s.replica for s in r.good}, {True})

    def test_breaker_commands(self):
        self.start()
        i = self.pg.replicas[0]
        self.weir.admin(f"breaker open {NAMES[i]}")
        r = self.load("ro", seconds=1).run()
        self.check_quiet(r)
        self.assertEqual(self.share(r, i), 0)
        self.weir.admin(f"breaker reset {NAMES[i]}")
        self.check_recovered()

    def test_lag(self):
        """A replica behind lag_hard gets no reads until it is back below lag_soft."""
        self.start(weir={"lag_soft": 0.5, "lag_hard": 2})
        i = self.pg.replicas[0]
        self.pg.pause_replay(i)
        with self.load("rw", kind="write", clients=2, seconds=60, think=0.05) as writes:
            self.wait_state(i, "LAGGING", 30)
            r = self.load("ro", seconds=1).run()
            self.check_quiet(r)
            self.assertEqual(self.share(r, i), 0)
            self.pg.resume_replay(i)
            self.wait_state(i, "UP", 60)
            self.check_quiet(writes.finish())
        self.check_recovered()


class Slow(Backends):
    """1. One of three is slower by 20 ms."""
    DELAY, SHARE, WITHIN, RISE = 20, 0.15, 5, 2.0

    def test_slower(self):
        self.start()
        slow = self.pg.replicas[0]
        with self.load(seconds=20, work=0.02, clients=9) as load:
            time.sleep(5)
            at = time.monotonic()
            self.gates[slow].delay(self.DELAY / 2)  # each way
            time.sleep(9)
            cleared = time.monotonic()
            self.gates[slow].delay(0)
            r = load.result()
        self.check_quiet(r)
        before, after = r.between(at - 4, at), r.between(at + self.WITHIN, cleared)
        self.assertGreater(self.share(before, slow), self.SHARE, before)
        self.assertLess(self.share(after, slow), self.SHARE, r.table())
        # Whatever else happens on this machine meanwhile slows the others as well.
        usual = max(before.percentile(99), after.without(self.port(slow)).percentile(99), 0.04)
        self.assertLess(after.percentile(99), self.RISE * usual, r.table())
        self.assertNotIn("EJECTED", self.states().values(), "slow is not broken")
        self.check_recovered()


class Failing(Backends):
    """2. One of three fails at once, which makes it look idle."""
    ERRORS, RETURN = 0.005, 0.15

    def fail(self, fault, clear, existing):
        self.start()
        bad = self.pg.replicas[0]
        if not existing:
            fault(self.gates[bad])  # while nobody is logged in: only logins will see it
        with self.load(seconds=12, clients=12) as load:
            at = time.monotonic()
            if existing:
                time.sleep(3)
                at = time.monotonic()
                fault(self.gates[bad])
                self.gates[bad].reset(new=self.gates[bad].reset_new)
            ejected = self.wait_state(bad, "EJECTED", 4)
            time.sleep(5)
            r = load.result()
        during = r.between(at)
        self.assertFalse(r.violations)
        self.assertLess(during.error_rate(), self.ERRORS, f"ejected after {ejected:.1f} s\n{r.table()}")
        self.assertRegex(" ".join(during.errors()) or "closed", f"^(({LOST}) ?)+$")
        self.assertEqual(self.share(r.between(at + 4), bad), 0)
        clear(self.gates[bad])
        self.check_recovered()

    def test_starting_up(self):
        """57P03 to each login; connections that are open go on."""
        self.fail(lambda g: g.refuse_with("57P03"), lambda g: g.clear(), existing=False)

    def test_starting_up_after_a_crash(self):
        self.fail(lambda g: g.refuse_with("57P03"), lambda g: g.clear(), existing=True)

    def test_rst(self):
        self.fail(lambda g: g.reset(new=True), lambda g: g.clear(), existing=True)

    def test_refused(self):
        self.fail(lambda g: g.refuse(), lambda g: g.open(), existing=True)

    def test_cut_in_mid_login(self):
        self.fail(lambda g: g.cut_after(60, which="new"), lambda g: g.clear(), existing=True)

    def test_the_last_one_is_never_ejected(self):
        """With all of a role failing in the same way, the pooler tries on and is back with the first that works."""
        self.start()
        for i in self.pg.replicas:
            self.gates[i].refuse()
            self.gates[i].reset()
        wait_until(lambda: any(s in ("EJECTED", "DEGRADED", "HALF_OPEN") for s in self.states().values()), 30, "the failures to be seen")
        self.gates[self.pg.replicas[0]].open()
        wait_until(lambda: self.answered("ro"), 60, "reads to be served")
        self.check_recovered()

    def answered(self, database):
        try:
            self.assert_serves(database=database)
            return True
        except (wire.PgError, wire.Closed, OSError):
            return False


class Frozen(Backends):
    """3. One of three does not answer any more and does not close anything either."""
    EJECTED, LOGINS, RAMP = 4, 8, 0.34

    def test_frozen(self):
        self.start()
        cold = self.pg.replicas[0]
        with self.load(seconds=40, clients=24) as load:
            time.sleep(3)
            at = time.monotonic()
            self.pg.freeze(cold)
            self.wait_state(cold, "EJECTED", self.EJECTED)  # scaled under sanitizers
            time.sleep(2)
            self.gates[cold].forget_peaks()
            thawed = time.monotonic()
            self.pg.thaw(cold)
            wait_until(lambda: self.states()[NAMES[cold]] in ("UP", "DEGRADED"), 60, "the thawed one to be taken back", interval=0.05)
            back = time.monotonic()
            r = load.finish() if self.wait_share(cold) else None
        self.assertFalse(r.violations)
        self.assertEqual(r.between(at + self.EJECTED, thawed).error_rate(), 0, r.table())
        self.assertEqual(self.share(r.between(at + self.EJECTED, thawed), cold), 0)
        # Clients that were on it when it froze had their answer late or not at all; nobody else noticed.
        self.assertLessEqual(sum(r.errors().values()), 24, r.table())
        first = r.between(back, back + 3)
        self.assertLess(self.share(first, cold), self.RAMP, f"slow start\n{r.table()}")
        self.assertLessEqual(self.gates[cold].counters()["most_logins"], self.LOGINS)
        self.check_recovered()

    def wait_share(self, i):
        """Until the server works at its part again; its own statistics may be a minute late."""
        def routed():
            return int(self.weir.show("backends", name=NAMES[i])[0]["routed"])
        before = routed()
        wait_until(lambda: routed() > before + 100, 30, "the thawed server to work")
        time.sleep(3)
        return True

    def test_frozen_on_the_way(self):
        """The same by the network: nothing is accepted, nothing is refused, nothing comes back."""
        self.start()
        cold = self.pg.replicas[1]
        with self.load(seconds=12, clients=12) as load:
            time.sleep(2)
            at = time.monotonic()
            self.gates[cold].freeze()
            self.wait_state(cold, "EJECTED", self.EJECTED)
            ejected = time.monotonic()
            time.sleep(4)
            self.gates[cold].thaw()
            r = load.result()
        self.assertFalse(r.violations)
        self.assertEqual(r.between(ejected + 0.5, ejected + 3.5).error_rate(), 0, r.table())
        self.assertLess(r.between(at, ejected + 3.5).error_rate(), 0.02, r.table())
        self.check_recovered()


class Spill(Backends):
    """4. All replicas frozen: some reads go to the primary, the writers do not notice."""
    SPILL, RISE, WRITE = 0.30, 1.20, 0.1  # a write takes long beside what the machine adds to it

    def test_all_replicas_frozen(self):
        self.start(weir={"primary_read_spill": int(100 * self.SPILL)})
        with self.load("rw", kind="write", clients=4, seconds=25, work=self.WRITE) as writes, \
                self.load("ro", clients=20, seconds=25, work=0.02, first=100) as reads:
            time.sleep(5)
            at = time.monotonic()
            for i in self.pg.replicas:
                self.pg.freeze(i)
            wait_until(lambda: not any(self.states()[NAMES[i]] == "UP" for i in self.pg.replicas), 10, "both to be judged")
            judged, most = time.monotonic(), 0
            # Those who were on a replica when it froze are stuck there; others come.
            late = self.load("ro", clients=20, seconds=6, work=0.02, first=200)
            late.start()
            while time.monotonic() < judged + 6:
                busy = self.pg.primary.count(self.weir.dbname, "query like '%pg_sleep(0.02)%' and state = 'active'")
                most = max(most, busy)
                time.sleep(0.02)
            ended = time.monotonic()
            for i in self.pg.replicas:
                self.pg.thaw(i)
            w, r, others = writes.result(), reads.result(), late.result()
        self.assertFalse(w.violations + r.violations + others.violations)
        self.assertLessEqual(most, self.SPILL * self.POOL, "reads on the primary at one time")
        spilled = others.between(judged, ended)
        self.assertGreater(len([s for s in spilled.good if s.port == self.pg.port]), 20, f"reads were served by the primary\n{others.table()}")
        self.assertFalse(w.errors(), w.table())
        before, during = w.between(at - 4, at), w.between(judged, ended)
        self.assertLess(during.percentile(50), self.RISE * before.percentile(50), w.table())
        self.check_recovered()


class Overload(Backends):
    """5. More than the servers can do is not sickness."""
    FACTOR, SECONDS, GOODPUT, RECOVERY, HEALTH = 1.3, 60, 0.95, 5, 70
    WORK = 0.1  # beside which what the machine adds to each is little

    def test_overload(self):
        self.start(default_pool_size=4)
        clients = 60
        # What can be done at most is measured, not computed, as the machine has a say in it.
        peak = self.load(clients=3 * 4, seconds=13, work=self.WORK).run()
        best = peak.throughput(peak.begin + 2, peak.begin + 12)
        rows = []
        with self.load(clients=clients, seconds=self.SECONDS, work=self.WORK, rate=self.FACTOR * best, processes=2) as load:
            ends = time.monotonic() + self.SECONDS - 1
            while time.monotonic() < ends:
                rows += self.weir.show("backends")
                time.sleep(0.25)
            r = load.result()
        after = self.load(clients=6, seconds=self.RECOVERY, work=self.WORK).run()
        self.check_quiet(r)
        self.assertGreaterEqual(r.throughput(r.begin + 5, r.begin + self.SECONDS - 1), self.GOODPUT * best, r.table(5))
        worst = min(rows, key=lambda row: float(row["health"]))
        self.assertGreaterEqual(float(worst["health"]), self.HEALTH, worst)
        self.assertEqual({row["state"].upper() for row in rows}, {"UP"})
        last = after.between(after.begin + self.RECOVERY - 1)
        self.assertLess(last.percentile(90), 3 * self.WORK, after.table())
        self.check_recovered()


class Cold(Backends):
    """6. Many session clients at once on an empty pool."""
    CLIENTS, WITHIN, TIMES, DELAY = 64, 1.0, 3, 100

    def start(self):
        return super().start(pool_mode="session", default_pool_size=64)

    def compare(self):
        """Seconds of as many logins without a pooler, by the same gates to the same servers, and through the pooler."""
        gates = itertools.cycle(self.gates)
        direct = self.logins(lambda: wire.Wire("127.0.0.1", next(gates).port), self.weir.dbname)
        return direct, self.logins(lambda: wire.Wire(self.weir.host, self.weir.port), "app")

    def test_cold_start(self):
        self.start()
        direct, pooled = self.compare()
        # Where the machine is what it takes: one wave of logins until the clients are told that they are in, one for their queries.
        self.assertLess(pooled, max(self.WITHIN, self.TIMES * direct) * SLOW, f"{direct:.2f} s without a pooler")
        self.check_recovered()

    def test_cold_start_of_servers_far_away(self):
        # Eight at a time on each server; one by one would take 64 round trips, and twice as long as is allowed.
        self.start()
        for gate in self.gates:
            gate.delay(self.DELAY)  # each way
        direct, pooled = self.compare()
        round_trip = 2 * self.DELAY / 1000
        self.assertGreater(direct, 2 * round_trip)
        self.assertLess(pooled, max(self.CLIENTS * round_trip / 2, self.TIMES * direct) * SLOW, f"{direct:.2f} s without a pooler")

    def logins(self, connect, database):
        """Seconds until all have their first answer; the connections stay open to the end of it."""
        with contextlib.ExitStack() as stack:
            began = time.monotonic()
            everybody = [stack.enter_context(contextlib.closing(connect())) for _ in range(self.CLIENTS)]
            for c in everybody:
                c.send(wire.startup_packet({"user": "app", "database": database}))
            for c in everybody:
                c.authenticate("app", None)
                c.send(query("select 1"))
            for c in everybody:
                self.assertEqual(c.collect().value, "1")
            return time.monotonic() - began


class Failover(Backends):
    """7. The primary changes. Transactions that begin without one are held; none goes to a replica that must not."""
    CLIENTS, HOLD = 8, 20

    def start(self, **kw):
        w = super().start(weir={"breaker_hold": self.HOLD * SLOW}, **kw)
        self.wait_primary(self.pg.leader)
        return w

    def stored(self):
        """All (client, seq) in the table of the present primary."""
        return [(int(c), int(s)) for c, s in self.pg.sql("select client, seq from load_rows", self.weir.dbname)]

    def check_writes(self, result, lost=0):
        """Nothing acknowledged is missing (but for `lost` that the old primary had not sent on), nothing is there twice."""
        self.assertFalse(result.violations)
        stored = self.stored()
        self.assertEqual(len(stored), len(set(stored)), "written twice")
        missing = {(s.client, s.seq) for s in result.good} - set(stored)
        self.assertLessEqual(len(missing), lost, f"acknowledged and not there: {sorted(missing)[:10]}")
        self.assertNotIn("25006", result.errors(), "a write reached a replica")

    def change(self):
        """A planned switchover: transactions at the primary end, new ones are held, then the primary changes."""
        old = self.pg.leader
        self.weir.admin(f"breaker open {NAMES[old]}")
        where = "state <> 'idle'"
        wait_until(lambda: self.pg.servers[old].count(self.weir.dbname, where) == 0, 30, "the primary to have no transactions", interval=0.01)
        gap = self.pg.switchover()
        self.weir.admin(f"breaker reset {NAMES[old]}")
        self.wait_primary(self.pg.leader)
        return gap

    def test_switchover_and_back_under_pgbench(self):
        self.start()
        bench = [f"{bindir()}/pgbench", "-h", self.weir.host, "-p", str(self.weir.port), "-U", "app"]
        subprocess.run([f"{bindir()}/pgbench", "-h", self.pg.host, "-p", str(self.pg.port), "-U", "postgres", "-i", "-q", self.weir.dbname], check=True,
                       capture_output=True, timeout=60 * SLOW)
        self.pg.sql("grant all on all tables in schema public to public", self.weir.dbname)
        self.pg.wait_in_sync()
        first = self.pg.leader
        run = subprocess.Popen([*bench, "-n", "-c", str(self.CLIENTS), "-T", "25", "-M", "simple", "rw"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **run_as())
        try:
            time.sleep(3)
            gaps = [self.change()]
            time.sleep(3)
            while self.pg.leader != first:
                gaps.append(self.change())
                time.sleep(3)
            self.assertIsNone(run.poll(), "pgbench ended before the switch back")
            out, err = run.communicate(timeout=120 * SLOW)
        finally:
            if run.poll() is None:
                run.kill()
                run.communicate()
        self.assertEqual(run.returncode, 0, err)
        self.assertNotIn("aborted", err)
        self.assertRegex(out, r"number of failed transactions: 0 ", f"gaps {gaps}\n{err}")
        self.assertEqual(self.pg.one("select sum(abalance) from pgbench_accounts", self.weir.dbname), self.pg.one("select sum(delta) from pgbench_history", self.weir.dbname))
        self.check_recovered()

    def test_switchover_and_back_under_checked_writes(self):
        self.start()
        first = self.pg.leader
        with self.load("rw", kind="write", clients=self.CLIENTS, seconds=120, work=0, think=0.002) as load:
            time.sleep(2)
            self.change()
            time.sleep(2)
            while self.pg.leader != first:
                self.change()
                time.sleep(1)
            r = load.finish()
        self.check_quiet(r)
        self.check_writes(r)
        self.assertGreaterEqual(len(r.shares()), 2, "more than one primary has answered")
        self.assertLess(r.longest_gap(), self.HOLD * SLOW)
        self.check_recovered()

    def test_writes_begun_without_a_primary_are_held(self):
        """kill -9 of the primary while all clients are between transactions; what they begin then waits for the new one."""
        self.start()
        old, new = self.pg.leader, self.pg.replicas[0]
        clients = self.clients(self.CLIENTS, database="rw")
        for n, c in enumerate(clients):
            c.sql(f"insert into load_rows values ({n}, 1)")
        self.pg.wait_in_sync()
        self.pg.kill9(old)
        for n, c in enumerate(clients):
            c.send(query(f"insert into load_rows values ({n}, 2)"))
        time.sleep(2)
        self.assertFalse(any(c.readable() for c in clients), "all are held")
        late = self.client(database="rw")  # a login is not refused within the hold
        late.send(query(f"insert into load_rows values ({self.CLIENTS}, 2)"))
        self.pg.promote(new)
        for c in [*clients, late]:
            reply = c.collect()
            self.assertEqual((reply.tags, reply.errors), (["INSERT 0 1"], []))
        self.assertEqual(sorted(self.stored()), sorted([(n, 1) for n in range(self.CLIENTS)] + [(n, 2) for n in range(self.CLIENTS + 1)]))
        self.wait_primary(new)
        self.check_recovered()

    def test_failover_under_load(self):
        """Transactions at the primary when it dies are lost with it, each once; no other is."""
        self.start()
        old, new = self.pg.leader, self.pg.replicas[0]
        with self.load("rw", kind="write", clients=self.CLIENTS, seconds=60, work=0, think=0.005) as load:
            time.sleep(2)
            died = time.monotonic()
            self.pg.kill9(old)
            time.sleep(1)
            self.pg.promote(new)
            promoted = time.monotonic()
            self.wait_primary(new)
            time.sleep(2)
            self.pg.rejoin(old)
            time.sleep(2)
            r = load.finish()
        self.assertLessEqual(sum(r.errors().values()), self.CLIENTS, r.table())
        self.assertEqual(r.between(0, died - 1).error_rate(), 0)
        self.assertEqual(r.between(promoted).error_rate(), 0, r.table())
        self.assertRegex(" ".join(r.errors()) or "closed", f"^(({LOST}) ?)+$")
        self.assertEqual({s.port for s in r.between(promoted).good}, {self.port(new)})
        self.check_writes(r, lost=self.CLIENTS)
        self.check_recovered()

    def test_writes_after_reads_of_the_promoted(self):
        """Connections that were opened for reads before their server was promoted, and are idle since, say of it that it is a standby."""
        Backends.start(self, weir={"read_write_split": 1, "read_your_writes": "off", "breaker_hold": self.HOLD * SLOW})
        old, new = self.pg.leader, self.pg.replicas[0]
        clients = self.clients(6)

        def spread():
            """Reads at the same time, until each replica has some connections."""
            for c in clients:
                c.send(query("select count(*) from pg_class a, pg_class b"))  # some time, and proven to read only
            for c in clients:
                self.assertFalse(c.collect().errors)
            return all(self.pg.servers[i].count(self.weir.dbname) >= 2 for i in self.pg.replicas)
        wait_until(spread, 30, "connections to both replicas")
        self.pg.kill9(old)
        self.pg.promote(new)
        began = time.monotonic()
        for n, c in enumerate(clients):
            c.send(query(f"insert into load_rows values ({n}, 1)"))
        for c in clients:
            reply = c.collect()
            self.assertEqual((reply.tags, reply.errors), (["INSERT 0 1"], []))
        self.assertLess(time.monotonic() - began, self.HOLD * SLOW / 2)
        self.assertEqual(len(self.stored()), len(clients))

        self.pg.heal()
        for database in ("app", "rw", "ro"):
            self.assert_serves(database=database)

    def test_two_primaries(self):
        """pg_promote while the old one still runs: the higher timeline has the writes, and nobody sees an error."""
        self.start()
        new = self.pg.replicas[0]
        with self.load("rw", kind="write", clients=self.CLIENTS, seconds=60, work=0, think=0.005) as load:
            time.sleep(2)
            self.pg.promote(new)
            self.wait_primary(new)
            seen = time.monotonic()
            time.sleep(2)
            r = load.finish()
        self.check_quiet(r)
        self.assertEqual({s.port for s in r.between(seen + 0.5).good}, {self.port(new)}, r.table())
        self.check_recovered()

    def test_connections_of_before_a_promotion(self):
        """A server tells that it is a standby no longer with its next answer only; idle connections of a reader do not keep writers out."""
        self.start()
        new = self.pg.replicas[0]
        others = [name for i, name in enumerate(NAMES) if i != new]
        for name in others:
            self.weir.admin(f"drain {name}")
        readers = self.clients(self.CLIENTS, database="app")
        for c in readers:
            c.send(query("select pg_is_in_recovery() from pg_sleep(0.2)"))
        self.assertEqual({c.collect().value for c in readers}, {"t"})
        for name in others:
            self.weir.admin(f"enable backend {name}")
        self.pg.kill9(self.pg.leader)
        self.pg.promote(new)
        writers = self.clients(self.CLIENTS, database="app", target_session_attrs="primary")
        for n, c in enumerate(writers):
            c.send(query(f"insert into load_rows values ({n}, 1)"))
        for c in writers:
            self.assertEqual(c.collect().tags, ["INSERT 0 1"])
        self.check_recovered()

    def test_after_the_hold_it_fails_fast(self):
        """In a session an ERROR that leaves it as it was; at login a FATAL that makes clients with several hosts go on to the next."""
        hold = 2
        Backends.start(self, weir={"breaker_hold": hold})
        old = self.pg.leader
        c = self.client(database="rw")
        c.send(wire.parse("kept", "select 42"), wire.sync()).collect()
        self.pg.kill9(old)
        began = time.monotonic()
        reply = c.run("select 1")
        self.assert_error(reply, SERVED_BY_NONE)
        self.assertEqual((reply.error.severity, reply.status), ("ERROR", "I"))
        self.assertGreaterEqual(time.monotonic() - began, hold * 0.8)
        began = time.monotonic()
        self.assert_error(c.run("select 1"), SERVED_BY_NONE)
        self.assertLess(time.monotonic() - began, hold * SLOW, "at once by now")
        self.assertEqual(self.refused(database="rw").code, "57P03")
        self.assert_serves(database="ro")
        self.pg.promote(self.pg.replicas[0])
        self.wait_primary(self.pg.leader)
        wait_until(lambda: not c.run("select 1").errors, 30, "the session to be served again", interval=0.1)
        self.assertEqual(c.send(wire.bind("", "kept"), wire.execute(), wire.sync()).collect().value, "42")
        self.check_recovered()

    def test_returning_clients_do_not_stampede(self):
        """Many are held; the new primary sees their logins in small numbers."""
        self.start(default_pool_size=40)
        old, new = self.pg.leader, self.pg.replicas[0]
        clients = self.clients(40, database="rw")
        self.pg.kill9(old)
        for c in clients:
            c.send(query("select pg_sleep(0.1)"))
        time.sleep(1)
        self.gates[new].forget_peaks()
        self.pg.promote(new)
        for c in clients:
            self.assertFalse(c.collect().errors)
        self.assertLessEqual(self.gates[new].counters()["most_logins"], 8)
        self.check_recovered()


class Hinted(Backends):
    """A Patroni beside each server, and probes so far apart that what is noticed soon is noticed by its word."""
    SECONDS = 3 * SLOW  # between probes; a fifth less at the least

    def setUp(self):
        super().setUp()
        self.patronis = [Patroni() for _ in NAMES]
        for p in self.patronis:
            self.addCleanup(p.close)
        self.tell_the_truth()

    def tell_the_truth(self):
        for i, p in enumerate(self.patronis):
            p.behave("well")
            p.open()
            p.say("primary" if i == self.pg.leader else "replica", timeline=self.pg.primary.timeline())

    def more_of(self, i):
        return f" patroni={self.patronis[i].url}"

    def start(self, **kw):
        with unittest.mock.patch.dict(os.environ, http_proxy="http://127.0.0.1:1", all_proxy="http://127.0.0.1:1"):  # is not listened to
            w = super().start(weir={"probe_interval": self.SECONDS, "probe_interval_fast": self.SECONDS * 0.8, "probe_timeout": 1 * SLOW, "breaker_hold": 30 * SLOW,
                                    "patroni_timeout": 0.5 * SLOW}, **kw)
        self.wait_primary(self.pg.leader)
        self.wait_words({i: f"{p.role}/running" for i, p in enumerate(self.patronis)})
        return w

    def word(self, i):
        return self.weir.show("health", backend=NAMES[i])[0]["patroni"]

    def lines(self, i, text):
        return len(re.findall(rf"{NAMES[i]} .*its Patroni {text}", self.weir.log()))

    def wait_words(self, words):
        for i, word in words.items():
            wait_until(lambda: re.search(word, self.word(i) or ""), 30, f"the Patroni of {NAMES[i]} to be heard to say {word}", interval=0.02)

    def wait_probe(self, i):
        """Returns when the server has just been probed."""
        def probed():
            return self.weir.show("backends", name=NAMES[i])[0]["probed"]
        before = probed()
        wait_until(lambda: probed() != before, 30, f"{NAMES[i]} to be probed", interval=0.01)

    def test_a_switchover_is_followed_at_its_word(self):
        self.start()
        old, new = self.pg.leader, self.pg.replicas[0]
        c = self.client(database="rw")
        c.sql("insert into load_rows values (1, 1)")
        self.pg.wait_in_sync()
        self.wait_probe(new)
        self.patronis[old].say("primary", "stopping")
        self.wait_words({old: "stopping"})
        self.pg.stop(old)
        c.send(query("insert into load_rows values (1, 2)"))
        self.pg.promote(new)
        promoted = time.monotonic()
        self.patronis[old].say("replica", "stopped")
        self.patronis[new].say("primary", timeline=self.pg.primary.timeline())
        reply = c.collect()
        self.assertEqual((reply.tags, reply.errors), (["INSERT 0 1"], []))
        self.assertLess(time.monotonic() - promoted, self.SECONDS / 4, "probes alone would have taken longer")
        self.assertEqual(self.pg.one("select count(*) from load_rows", self.weir.dbname), "2")
        self.wait_primary(new)
        for p in self.patronis:
            self.assertLessEqual(p.connections, 2, f"kept over {p.asked} questions")
        self.tell_the_truth()
        self.check_recovered()

    def test_a_lie_brings_no_write_to_a_replica(self):
        self.start()
        replica = self.pg.replicas[0]
        with self.load("rw", kind="write", clients=8, seconds=60, work=0, think=0.005) as load:
            for timeline in range(7, 10):
                self.patronis[replica].say("primary", timeline=timeline)
                self.wait_words({replica: "primary/running"})
                self.patronis[self.pg.leader].say("replica")
                self.wait_words({self.pg.leader: "replica/running"})
                time.sleep(1)
                self.tell_the_truth()
                self.wait_words({replica: "replica/running", self.pg.leader: "primary/running"})
            r = load.finish()
        self.check_quiet(r)
        self.assertEqual({s.port for s in r.good}, {self.port(self.pg.leader)})
        self.assertLess(r.longest_gap(), self.SECONDS / 2, "a probe gives the role back at once")
        self.assertEqual([e for e in self.weir.show("health_events", kind="role", to_state="primary") if e["backend"] != NAMES[self.pg.leader]], [])
        self.check_recovered()

    def test_one_that_does_not_answer_changes_nothing(self):
        self.start()
        leader = self.pg.leader
        problems = {"hang": "no answer within the time allowed", "garbage": "no JSON object", "no_role": "names no role", "huge_body": "longer than 65536 bytes",
                    "huge_head": "longer than 65536 bytes", "redirect": "HTTP status 302", "unavailable": "HTTP status 503", "not_http": "HTTP"}
        self.assertEqual(set(problems), set(FAULTS))
        with self.load("rw", kind="write", clients=4, seconds=90, work=0, think=0.005) as load:
            for fault, text in [*problems.items(), ("refuse", "connect")]:
                told = self.lines(leader, "does not help")
                asked = self.patronis[leader].asked
                for p in self.patronis:
                    p.refuse() if fault == "refuse" else p.behave(fault)
                self.wait_words(dict.fromkeys(range(len(NAMES)), text))
                if fault != "refuse":
                    wait_until(lambda: self.patronis[leader].asked > asked + 3, 30, "it to be asked on")
                wait_until(lambda: self.lines(leader, "does not help") > told, 30, "the failure to be told")
                self.assertEqual([r["name"] for r in self.weir.show("backends") if r["role"] == "primary"], [NAMES[leader]])
                self.tell_the_truth()
                self.wait_words({i: f"{p.role}/running" for i, p in enumerate(self.patronis)})
                wait_until(lambda: self.lines(leader, "answers") > told, 30, "its recovery to be told")
                self.assertEqual(self.lines(leader, "does not help"), told + 1, "told once")
            r = load.finish()
        self.check_quiet(r)
        self.assertEqual({s.port for s in r.good}, {self.port(leader)})
        self.assertEqual([e["to_state"] for e in self.weir.show("health_events", kind="role", backend=NAMES[leader])], ["primary"], "nothing has changed")
        self.check_recovered()

    def test_reload(self):
        """A Patroni that is no longer listed is no longer asked; one that comes is."""
        w = self.start()
        w.backends = {name: line.replace(f" patroni={p.url}", "") for (name, line), p in zip(w.backends.items(), self.patronis)}
        w.reload()
        wait_until(lambda: self.word(0) is None, 30, "the key to be gone")
        asked = self.patronis[0].asked
        self.wait_probe(0)
        self.assertLessEqual(self.patronis[0].asked, asked + 1)
        w.backends = {name: line + f" patroni={p.url}" for (name, line), p in zip(w.backends.items(), self.patronis)}
        w.reload()
        self.wait_words({i: f"{p.role}/running" for i, p in enumerate(self.patronis)})


class Steady(Backends):
    """Nothing wrong: an even share, and no more latency than directly."""

    def test_even_shares(self):
        # A server that a busy machine lets stand still for a second is avoided for ten.
        self.start()

        def shares():
            r = self.load(seconds=2, clients=12).run()
            self.check_quiet(r)
            return [self.share(r, i) for i in range(3)]
        wait_until(lambda: all(abs(share - 1 / 3) < 0.1 for share in shares()), 40, "even shares")

    def test_weights(self):
        self.start()
        self.weir.backends[NAMES[0]] = self.weir.backends[NAMES[0]].replace("weight=100", "weight=25")
        self.weir.reload()
        # Few clients for their pools: the share follows the weights.
        wait_until(lambda: self.share(self.load(seconds=1, clients=12).run(), 0) < 0.22, 30, "the share to follow the weight")

    def test_blocks_stay_on_one_server(self):
        self.start()
        r = self.load(kind="block", seconds=3, clients=12, work=0.002).run()
        self.check_quiet(r)
        self.assertEqual(len(r.shares()), 3)
        self.assertGreater(statistics.mean(s.latency for s in r.good), 0)
