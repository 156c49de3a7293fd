"""A storm: many clients on few servers, clients and servers killed at random, every answer checked.

STORM_SECONDS (15), STORM_CLIENTS (1000) and STORM_SEED change it; the long run is STORM_SECONDS=600.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.util import SLOW, scaled

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = float(os.environ.get("STORM_SECONDS", "15" if SLOW == 1 else "8"))
CLIENTS = int(os.environ.get("STORM_CLIENTS", "1000"))
SEED = int(os.environ.get("STORM_SEED", str(random.randrange(1 << 30))))


class Storms(Case):
    COUNT = ("select count(*), string_agg(format('%s %s %s %s %s', pid, usename, state, wait_event, left(query, 30)), ' | ' order by backend_start) "
             "from pg_stat_activity where datname = '{}' and usename <> 'postgres'")

    def process(self, users, clients, seconds, first):
        return subprocess.Popen([sys.executable, "-m", "harness.storm", self.weir.host, str(self.weir.port), "app", users, str(clients), str(seconds), str(SEED), str(first)],
                                cwd=HERE, stdout=subprocess.PIPE, text=True)

    def watch(self, stop, seen, limit, also=None):
        """Counts servers as PostgreSQL sees them, as fast as it can, on a connection of its own."""
        c = None
        while not stop.is_set():
            try:
                c = c or self.pg.connect()
                count, who = c.sql(self.COUNT.format(self.weir.dbname))[0]
                seen["samples"] = seen.get("samples", 0) + 1
                # PostgreSQL lists who was killed by -9 until it notices, which may be after his connection has ended.
                count = int(count) - sum(row.startswith(f"{seen.get('killed')} ") for row in (who or "").split(" | "))
                seen["most"] = max(seen.get("most", 0), count)
                if count > limit:
                    seen["over"] = seen.get("over", 0) + 1
                    seen.setdefault("evidence", who)
            except (OSError, wire.Closed, wire.PgError):
                c = None  # PostgreSQL is being restarted
                time.sleep(0.05)
            time.sleep(0.002)
        if c:
            c.close()

    def kill_servers(self, stop, chance, kill9_after, seen):
        began = time.monotonic()
        while not stop.wait(chance.random() * 0.3):
            try:
                backends = self.pg.backends(self.weir.dbname)
                if not backends:
                    continue
                victim = chance.choice(backends)["pid"]
                if kill9_after and time.monotonic() - began > kill9_after:
                    kill9_after, seen["killed"] = 0, victim
                    self.pg.kill_backend(victim, signal.SIGKILL)
                elif chance.random() < 0.8:
                    self.pg.sql(f"select pg_terminate_backend({victim})")
                else:
                    self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.weir.dbname}' limit 3")
            except (OSError, AssertionError, wire.Closed, wire.PgError):
                time.sleep(0.1)

    def kill_clients(self, stop, chance, users, count, dead):
        """A process full of clients that dies by kill -9, again and again."""
        while not stop.is_set():
            p = self.process(users, count, 10_000, 900_000)
            stop.wait(1 + chance.random() * 2)
            p.kill()
            p.communicate()
            dead.append(count)

    def storm(self, clients, limit, users="app", kill9=True, beside=threading.Event.wait, **settings):
        """`beside` runs meanwhile, until the event that it is given is set."""
        self.start(max_client_conn=clients * 2 + 200, query_wait_timeout=int(120 * SLOW), **settings)
        self.pg.sql("create table storm(a int, b int); grant all on storm to public", database=self.weir.dbname)
        with self.weir.connect() as c:
            c.sql("select 1")
        before = self.weir.rss_kb()
        chance, stop, seen, dead = random.Random(SEED), threading.Event(), {}, []
        processes = 3
        with background(self.watch, stop, seen, limit), background(self.kill_servers, stop, chance, SECONDS / 2 if kill9 else 0, seen), \
                background(self.kill_clients, stop, chance, users, clients // 10, dead), background(beside, stop):
            try:
                running = [self.process(users, clients // processes, SECONDS, n * 100_000) for n in range(processes)]
                results = []
                for p in running:
                    out, _ = p.communicate(timeout=SECONDS + 180 * SLOW)
                    self.assertEqual(p.returncode, 0)
                    results.append(json.loads(out))
            finally:
                stop.set()
                for p in running:
                    if p.poll() is None:
                        p.kill()
        total = {k: sum(r[k] for r in results) for k in ("answers", "lost", "vanished")}
        report = f"seed {SEED}: {total}, longest {max(r['longest'] for r in results)} s, {sum(dead)} clients killed -9, watched {seen}"
        print(f"     {report}", flush=True)
        self.assertEqual([v for r in results for v in r["violations"]], [], report)
        self.assertGreater(total["answers"], clients, report)
        self.assertLessEqual(seen["most"], limit, report)
        self.assertGreater(seen["samples"], 20, report)
        self.check_quiet(users, limit, before, clients)

    def check_quiet(self, users, limit, before, clients):
        """After the storm nothing is left in use and everybody is served."""
        self.pg.wait_ready()
        for user in users.split(","):
            self.assert_idle(60, user=user)
            self.assert_serves(user=user)
            row = self.weir.pool(user=user)
            self.assertEqual((row["cl_active"], row["maxwait"]), (0, 0), row)
        wait_until(lambda: not self.weir.show("clients", database="app"), 60, "no clients left")
        wait_until(lambda: self.weir.count("state <> 'idle'") == 0, 60, "idle servers only")
        self.assertLessEqual(self.weir.count(), limit)
        self.assertLess(self.weir.open_files(), limit + 100)
        self.assertEqual(self.pg.one("select count(*) from pg_locks where locktype = 'advisory'"), "0")
        if SLOW == 1:
            self.assertLess(self.weir.rss_kb() - before, 40_000 + clients * 20)

    @subset("tsan", "asan")
    def test_storm(self):
        self.storm(scaled(CLIENTS, 60), 20, default_pool_size=20)

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_storm_while_workers_change_threads(self):
        """All are driven by one thread, each has its own, and again, several times a second."""

        def change(stop):
            with self.weir.console() as console:
                folds = 1
                while not stop.wait(0.1):
                    folds = 1 - folds
                    console.sql(f"set fold_workers = {folds}")

        self.storm(scaled(CLIENTS, 60), 20, beside=change, default_pool_size=20, weir={"workers": 2, "fold_workers": 1})
        changes = {kind: self.weir.log().count(f"workers: {kind}") for kind in ("one thread for all", "a thread for each")}
        print(f"     {changes}", flush=True)
        self.assertGreater(min(changes.values()), 3, changes)

    @subset("tsan")
    def test_storm_of_users_within_a_limit(self):
        self.storm(scaled(CLIENTS // 4, 40), 8, users="app,app2,app3", default_pool_size=6, max_db_connections=8, kill9=False)
