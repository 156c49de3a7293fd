"""SHOW for people: who waits and behind whom, what happened, what each worker does, where the memory is; and clauses that choose rows."""
import os
import signal

import psycopg

from harness.case import Case, wait_until
from harness.util import free_port
from harness.wire import query, startup_packet


class Waiters(Case):
    settings = {"default_pool_size": 1}

    def waiters(self, **match):
        return self.weir.show("waiters", **match)

    def test_behind_whom(self):
        holder = self.client(application_name="cron")
        holder.sql("begin")
        first, second = self.client(application_name="web"), self.client(application_name="batch")
        for i, c in enumerate((first, second), 1):
            c.send(query("select 1"))
            self.weir.wait_waiting(i)
        rows = self.waiters()
        self.assertEqual([(r["application_name"], r["position"], r["queue_length"], r["waits_for"], r["detail"]) for r in rows],
                         [("web", "1", "2", "pool_size", "1 connections of 1"), ("batch", "2", "2", "pool_size", "1 connections of 1")])
        ids = {r["application_name"]: r["id"] for r in self.weir.show("clients")}
        self.assertEqual((rows[0]["behind_id"], rows[1]["behind_id"], rows[1]["behind_application_name"]), (None, ids["web"], "web"))
        self.assertEqual({(r["holder_id"], r["holder_application_name"]) for r in rows}, {(ids["cron"], "cron")})
        self.assertGreaterEqual(int(rows[0]["holder_transaction_ms"]), int(rows[0]["wait_ms"]))
        self.assertGreaterEqual(int(rows[0]["wait_ms"]), int(rows[1]["wait_ms"]))
        self.assertEqual(len(self.weir.show("waiters where application_name = 'batch' and position > 1")), 1)
        holder.sql("commit")
        self.assertEqual([c.collect().value for c in (first, second)], ["1", "1"])
        self.assertEqual(self.waiters(), [])

    def test_pause_and_suspend(self):
        c = self.client()
        c.sql("select 1")
        self.weir.admin("pause app")
        c.send(query("select 1"))
        self.weir.wait_waiting(1)
        self.assertEqual([(r["waits_for"], r["detail"]) for r in self.waiters()], [("PAUSE", "of this database")])
        self.weir.admin("resume app")
        self.assertEqual(c.collect().value, "1")

    def test_a_rate_limit(self):
        self.start(limits={"slow": {"key": "user", "rate": "2/min", "burst": "1", "at": "transaction", "action": "delay", "max_delay": "50"}})
        c = self.client(application_name="limited")
        c.sql("select 1")
        c.send(query("select 1"))
        wait_until(lambda: self.waiters(), 15, "a client that waits")
        self.assertEqual([(r["application_name"], r["waits_for"], r["position"]) for r in self.waiters()], [("limited", "rate limit", None)])
        c.drop()


class Events(Case):
    def events(self, kind):
        return [(r["subject"], r["event"]) for r in self.weir.show(f"events where kind = '{kind}'")]

    def test_what_happened(self):
        self.start()
        self.assertEqual(self.events("process"), [(None, "up")])
        self.assertIn((f"127.0.0.1:{self.weir.port}", "listening"), self.events("listener"))
        for command in ("pause app", "resume app", "disable app", "enable app", "reconnect", "kill app", "resume app"):
            self.weir.admin(command)
        self.assertEqual(self.events("database"), [("app", "paused"), ("app", "resumed"), ("app", "disabled"), ("app", "enabled"), (None, "reconnecting"),
                                                   ("app", "killed"), ("app", "resumed")])
        self.weir.reload()
        self.weir.admin("set default_pool_size = 9")
        with open(self.weir.ini_path, "a") as f:
            f.write("no_such_option = 1\n")
        self.weir.signal(signal.SIGHUP)
        wait_until(lambda: len(self.events("reload")) == 3, 15, "the reload to fail")
        self.assertEqual(self.events("reload"), [(self.weir.ini_path, "reloaded"), ("default_pool_size", "set"), (self.weir.ini_path, "failed")])
        self.assertIn("no_such_option", self.weir.show("events where event = 'failed'")[0]["detail"])
        self.assertEqual(self.events("signal"), [(None, "SIGHUP")])

    def test_a_lock_out(self):
        self.start(auth_type="md5", userlist={"app": "right", "admin": "a"}, weir={"auth_failures_max": 2})
        self.weir.console_secret = "a"
        for _ in range(2):
            self.refused(secret="wrong")
        wait_until(lambda: self.events("login"), 15, "the lock-out")
        self.assertEqual(self.events("login"), [("address=127.0.0.1 user=app", "locked out")])

    def test_a_name_that_is_not_found(self):
        self.start(databases={"app": "{pg}", "lost": "host=no-such-host.invalid dbname=x"}, resolv_conf="resolv.conf",
                   files={"resolv.conf": f"nameserver 127.0.0.1:{free_port()}\n"})  # nobody is there
        c = self.raw()
        c.send(startup_packet({"user": "app", "database": "lost"}))
        wait_until(lambda: self.events("dns"), 20, "the failed look-up")
        self.assertEqual(self.events("dns"), [("no-such-host.invalid", "lookup failed")])


class Insides(Case):
    settings = {}

    def test_workers(self):
        clients = self.clients(4)
        for c in clients:
            c.sql("select 1")
        rows = self.weir.show("workers")
        self.assertEqual([r["worker"] for r in rows], [str(i) for i in range(len(rows))])
        self.assertEqual(sum(int(r["clients"]) for r in rows), 5)  # the console's client, too
        totals = self.weir.show("stats_totals", database="app")[0]
        self.assertEqual(sum(int(r["queries"]) for r in rows), int(totals["query_count"]))
        self.assertEqual(sum(int(r["bytes_sent"]) for r in rows), int(totals["bytes_sent"]))

    def test_memory_adds_up_to_what_the_kernel_says(self):
        clients = self.clients(50)
        for c in clients:
            c.sql("select 1")
        rows = self.weir.show("memory")
        self.assertEqual(rows[-1]["consumer"], "unexplained")
        total = sum(int(r["bytes"]) for r in rows)
        rss = self.weir.rss_kb() * 1024
        self.assertLess(abs(total - rss), rss * 0.1, rows)
        if not os.environ.get("WEIR_SLOW"):  # sanitizers have allocators of their own
            self.assertLess(abs(int(rows[-1]["bytes"])), rss * 0.1, rows)

    def test_clauses_by_a_driver(self):
        with psycopg.connect(self.weir.url("admin", "pgbouncer"), autocommit=True, prepare_threshold=None) as db:
            rows = db.execute("SHOW CONFIG WHERE key LIKE '%\\_timeout' AND value >= 0 ORDER BY key DESC LIMIT 2;").fetchall()
            self.assertEqual(len(rows), 2)
            self.assertGreater(rows[0][0], rows[1][0])
            self.assertEqual(db.execute("SHOW CLIENTS WHERE port < 0", binary=True).fetchall(), [])
            with self.assertRaises(psycopg.errors.UndefinedColumn) as caught:
                db.execute("SHOW CLIENTS WHERE nope = 1")
            self.assertIn("SHOW CLIENTS has type, user", caught.exception.diag.message_detail)
            self.assertTrue(db.execute("SHOW CLIENTS").fetchall())
