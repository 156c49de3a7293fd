"""Many databases, users and pools cost little: memory, and what an idle process does."""
import os
import re
import shutil
import subprocess
import tempfile

from harness import wire
from harness.case import Case, beyond_pgbouncer, wait_until
from harness.util import SLOW, rss_kb, scaled
from harness.weir import Weir

MANY = scaled(10_000, 1000)


def system_calls(pid, seconds):
    """How often each thread of `pid` called the system, by name of the call."""
    out = tempfile.NamedTemporaryFile("r", suffix=".strace")
    subprocess.run(["timeout", "-s", "INT", str(seconds), "strace", "-f", "-c", "-o", out.name, "-p", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {m.group(2): int(m.group(1)) for m in re.finditer(r"(?m)^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", out.read())}


def instructions(pid):
    """Context switches and CPU time (clock ticks) used so far: neither depends on how busy the machine is."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@beyond_pgbouncer
class Configured(Case):
    def pooler(self, count, **options):
        databases = {"app": "{pg}", **{f"db{i:05d}": f"host=127.0.0.1 port=1 dbname=db{i:05d}" for i in range(count)}}
        secret = wire.scram_verifier("x")
        users = {f"user{i:05d}": "pool_size=5 max_user_connections=10" for i in range(count)}
        userlist = {"app": "", "admin": "", **{f"user{i:05d}": secret for i in range(count)}}
        w = Weir(self.pg, databases=databases, users=users, userlist=userlist, **{"server_login_retry": 60, **options})
        self.addCleanup(w.stop)
        return w

    def test_memory(self):
        few, many = self.pooler(0).start(), self.pooler(MANY).start()
        kilobytes = many.rss_kb() - few.rss_kb()
        self.assertLess(kilobytes, MANY * 2 * 2, f"{kilobytes / MANY:.2f} kB for each database with a user")  # 2 kB each
        self.weir = many
        self.assert_serves()

    def test_pools_that_were_used_once(self):
        """A login makes the pool of its database and user, whatever becomes of it."""
        count = scaled(2000, 200)
        w = self.weir = self.pooler(count, query_wait_timeout=600, server_login_retry=1, server_idle_timeout=1).start()
        before = rss_kb(w.pid)
        for i in range(count):
            c = self.raw()
            c.send(wire.startup_packet({"user": f"user{i:05d}", "database": f"db{i:05d}"}))
            c.drop()
        wait_until(lambda: len(w.show("pools")) >= count, 60 * SLOW, "the pools")
        self.assertLess(rss_kb(w.pid) - before, 8 * count)
        self.assert_quiet(w)
        # All of them are forgotten, and what they took with them.
        w.reload(pool_idle_timeout=1)
        wait_until(lambda: len(w.show("pools")) < 5, 60, "the pools to be forgotten")
        self.assert_serves()

    def assert_quiet(self, w):
        """What an idle process does has nothing to do with how many pools there are: ten ticks a second, each a few system calls."""
        if not shutil.which("strace") or os.getuid() != 0:
            return self.assertLess(self.ticks(w, 3), 30)
        wait_until(lambda: self.ticks(w, 1) <= 2, 60, "the process to become quiet")
        calls = system_calls(w.pid, 3)
        self.assertLess(sum(calls.values()), 600 * SLOW, calls)
        self.assertLess(self.ticks(w, 5), 10 * SLOW)

    def ticks(self, w, seconds):
        """CPU time in hundredths of a second."""
        before = instructions(w.pid)
        with w.console() as c:
            self.assertFalse(c.readable(seconds))
        return instructions(w.pid) - before


@beyond_pgbouncer
class Forgotten(Case):
    def pools(self):
        return {(r["database"], r["user"]) for r in self.weir.show("pools")}

    def test_pool_idle_timeout(self):
        self.start(pool_idle_timeout=2, server_idle_timeout=1)
        stays, goes = self.client(), self.client(user="app2")
        for c in (stays, goes):
            c.sql("select 1")
        total = int(self.weir.show("totals", name="total_query_count")[0]["value"])
        goes.close()
        wait_until(lambda: ("app", "app2") not in self.pools(), 30, "the pool of app2 to be forgotten")
        self.assertIn(("app", "app"), self.pools())
        self.assertGreaterEqual(int(self.weir.show("totals", name="total_query_count")[0]["value"]), total)
        self.assertEqual(stays.one("select 2"), "2")
        self.assertEqual(self.client(user="app2").one("select 3"), "3")
        self.assertIn(("app", "app2"), self.pools())

    def test_autodb_idle_timeout(self):
        self.start(databases={"app": "{pg}", "*": "{server}"}, autodb_idle_timeout=2, server_idle_timeout=1, pool_idle_timeout=0)
        c = self.client(database="postgres")
        c.sql("select 1")
        self.client().sql("select 1")
        self.assertIn("postgres", {r["name"] for r in self.weir.show("databases")})
        c.close()
        wait_until(lambda: ("postgres", "app") not in self.pools(), 30, "the database to be forgotten")
        self.assertNotIn("postgres", {r["database"] for r in self.weir.show("stats")})
        self.assertIn(("app", "app"), self.pools())
        self.assertEqual(self.client(database="postgres").one("select 1"), "1")

    def test_under_load(self):
        """Pools that come and go all the time, while others work."""
        self.start(pool_idle_timeout=0.2, server_idle_timeout=0.2, server_lifetime=1, databases={"app": "{pg}", "*": "{server}"}, autodb_idle_timeout=0.2)
        steady = self.client()
        for round_number in range(scaled(30)):
            for user in ("app2", "app3"):
                for database in ("app", "postgres"):
                    with self.weir.connect(user=user, database=database) as c:
                        self.assertEqual(c.one("select 1"), "1")
            self.assertEqual(steady.one(f"select {round_number}"), str(round_number))
            if round_number % 10 == 9:
                wait_until(lambda: len(self.pools()) <= 2, 30, "idle pools to go")
