"""Workers that share a thread while one is enough: who drives whom, when that changes, and that nobody notices."""
import os
import subprocess
import sys
import threading

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.postgres import bindir
from harness.util import tied
from harness.weir import Weir


@beyond_pgbouncer
class Folding(Case):
    def fold(self, folds):
        self.weir.admin(f"set fold_workers = {int(folds)}")
        wait_until(lambda: self.threads() == ({"0"} if folds else {"0", "1", "2"}), 10, "the workers to be where they belong")

    def threads(self):
        return {row["thread"] for row in self.weir.show("workers")}

    def begin(self, **settings):
        self.start(default_pool_size=6, weir={"workers": 3, "fold_workers": 1, **settings})

    def test_idle_workers_share_one_thread_and_clients_are_dealt_to_all(self):
        self.begin()
        clients = self.clients(6)
        for c in clients:
            c.sql("select 1")
        rows = self.weir.show("workers")
        self.assertEqual({row["thread"] for row in rows}, {"0"})
        self.assertTrue(all(int(row["clients"]) >= 2 for row in rows), rows)

    def test_off_gives_each_a_thread_of_its_own(self):
        self.begin(fold_workers=0)
        self.assertEqual(self.threads(), {"0", "1", "2"})
        self.client().sql("select 1")

    def test_on_and_off(self):
        self.begin()
        self.fold(False)
        self.fold(True)
        self.assertIn("workers: one thread for all (fold_workers is on)", self.weir.log())

    def test_a_thread_that_is_squeezed_becomes_several_until_there_is_little_to_do(self):
        """All of them on one core, where others want to run all the time, too: more and more of them, until its share is too small whatever else
        runs on this machine."""
        core = str(min(os.sched_getaffinity(0)))
        w = Weir(self.pg, default_pool_size=6, weir={"workers": 3, "fold_workers": 1})
        self.addCleanup(w.stop)
        self.weir = w.start(before=["taskset", "-c", core])
        self.assertEqual(self.threads(), {"0"})
        script = f"{w.dir}/one.sql"
        with open(script, "w") as f:
            f.write("select 1;\n")
        load = ["pgbench", "-n", "-M", "prepared", "-c", "16", "-T", "120", "-f", script, "-h", w.host, "-p", str(w.port), "-U", "app", "app"]
        spin = tied(["taskset", "-c", core, sys.executable, "-c", "while True: pass"])
        run = [subprocess.Popen(tied([f"{bindir()}/{load[0]}", *load[1:]]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        changed = threading.Event()

        def squeeze():
            while len(run) < 30 and not changed.is_set():
                for _ in range(6):  # sessions get equal shares, where the kernel groups them
                    run.append(subprocess.Popen(spin, start_new_session=True))
                changed.wait(2)
        try:
            with background(squeeze):
                try:
                    wait_until(lambda: "workers: a thread for each (one is full)" in w.log(), 30, "the workers to get threads")
                finally:
                    changed.set()
        finally:
            for p in run:
                p.kill()
                p.wait()
        wait_until(lambda: "workers: one thread for all (one is enough)" in w.log(), 60, "the workers to share a thread again")
        self.assertEqual(self.threads(), {"0"})
        self.assert_serves()

    @subset("tsan", "asan")
    def test_sessions_go_on_where_they_were(self):
        """In a transaction, in a COPY, in mid-message, waiting, and with a prepared statement."""
        self.begin()
        self.pg.sql("create table lines(a int); grant all on lines to public", database=self.weir.dbname)
        for folds in (False, True, False):
            in_transaction, in_copy, halfway, prepared = self.clients(4)
            in_transaction.sql("begin; create temporary table t(a int) on commit drop; insert into t values (42)")
            in_copy.send(wire.query("copy lines from stdin"))
            in_copy.collect("G")
            message = wire.query("select 'whole'")
            halfway.send(message[:9])
            prepared.send(wire.parse("s", "select $1::int + 1") + wire.sync())
            prepared.collect().check()
            holders = self.in_transactions(4)
            waiting = self.client()
            waiting.send(wire.query("select 'served'"))
            self.weir.wait_waiting(1)
            self.fold(folds)
            self.assertEqual(in_transaction.one("select a from t"), "42")
            in_copy.send(wire.copy_data(b"1\n2\n") + wire.copy_done())
            in_copy.collect().check()
            holders[0].sql("commit")
            self.assertEqual(waiting.collect().check().value, "served")
            halfway.send(message[9:])
            self.assertEqual(halfway.collect().check().value, "whole")
            prepared.send(wire.bind("", "s", ["41"]) + wire.execute("") + wire.sync())
            self.assertEqual(prepared.collect().check().value, "42")
            in_transaction.sql("commit")
            for c in holders[1:]:
                c.sql("commit")
            self.assert_idle(10)
        self.assertEqual(self.pg.one("select count(*) from lines", database=self.weir.dbname), "6")

    @subset("tsan")
    def test_idle_servers_are_watched_by_whoever_has_them_now(self):
        self.begin()
        for folds in (False, True):
            clients = self.in_transactions(6)
            for c in clients:
                c.sql("commit")
            self.assertEqual(self.weir.count(), 6)
            self.fold(folds)
            self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.weir.dbname}' and usename = 'app'")
            wait_until(lambda: not self.weir.show("servers", database="app"), 10, "the dead servers to be noticed")
            for c in clients:
                c.sql("select 1")
                c.close()

    @subset("tsan")
    def test_deadlines_pass_on_the_new_thread(self):
        self.begin()
        self.weir.admin("set query_wait_timeout = 2")
        for folds in (False, True):
            holders = self.in_transactions(6)
            waiting = self.client()
            waiting.send(wire.query("select 1"))
            self.weir.wait_waiting(1)
            self.fold(folds)
            self.fatal(waiting, text="query_wait_timeout")
            for c in holders:
                c.sql("commit")
                c.close()

    @subset("tsan")
    def test_cancel_finds_its_way(self):
        self.begin()
        for folds in (False, True):
            clients = self.clients(3)
            for c in clients:
                c.send(wire.query("select pg_sleep(60)"))
            wait_until(lambda: self.weir.count("state = 'active'") == 3, 10, "the queries to run")
            self.fold(folds)
            for c in clients:
                c.cancel()
                self.assert_error(c.collect(), "57014")
            for c in clients:
                c.close()

    def test_new_clients_come_in_whoever_drives(self):
        self.begin()
        for folds in (False, True, False):
            self.fold(folds)
            for c in self.clients(6):
                c.sql("select 1")
                c.close()
        with self.weir.console() as console:
            for command in ("suspend", "set fold_workers = 1", "resume"):
                console.sql(command)
        self.assertEqual(self.client().one("select 1"), "1")
