"""Counters agree with the truth: what pgbench says it has done, what PostgreSQL has committed, what has gone through the wire."""
import re
import subprocess

from harness import wire
from harness.case import Case, beyond_pgbouncer, wait_until
from harness.gate import Gate
from harness.metrics import Metrics
from harness.postgres import bindir
from harness.util import SLOW, free_port, scaled

# Two transactions and five queries.
SCRIPT = "\\set a random(1, 1000)\nbegin;\nselect :a;\nselect repeat('x', :a);\nend;\nselect 3;\n"
# `pgbench` as a start-up packet says it: length, version, user, database, application_name, the end.
STARTUP_BYTES = 8 + len("user\0app\0database\0app\0application_name\0pgbench\0\0")


class Measured(Case):
    def start(self, **arguments):
        self.port = free_port()
        weir = arguments.pop("weir", {})
        return super().start(weir={"metrics_listen": self.port, **weir}, **arguments)

    def metrics(self):
        return Metrics(self.port)

    def wait_metric(self, wanted, name, **labels):
        wait_until(lambda: self.metrics().sum(name, **labels) == wanted, 30, f"{name} {labels} to be {wanted}")


@beyond_pgbouncer
class Truth(Measured):
    CLIENTS = 4

    def bench(self, protocol, port, count):
        script = f"{self.weir.dir}/script.sql"
        with open(script, "w") as f:
            f.write(SCRIPT)
        done = subprocess.run([f"{bindir()}/pgbench", "-n", "-M", protocol, "-c", str(self.CLIENTS), "-j", str(self.CLIENTS), "-t", str(count), "-f", script,
                               "-h", "127.0.0.1", "-p", str(port), "-U", "app", "app"], capture_output=True, text=True, timeout=120 * SLOW,
                              env={"PGSSLMODE": "disable", "PGGSSENCMODE": "disable", "PATH": "/usr/bin:/bin"})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        processed = int(re.search(r"actually processed: (\d+)/", done.stdout).group(1))
        self.assertEqual(processed, self.CLIENTS * count)
        return processed

    def committed(self):
        """By PostgreSQL, when all of the pooler's connections are closed: only then have all of them reported."""
        self.weir.admin("RECONNECT")
        wait_until(lambda: self.pg.count(self.weir.dbname) == 0, 30, "the servers to be closed")
        return int(self.pg.one(f"select xact_commit from pg_stat_database where datname = '{self.weir.dbname}'"))

    def committed_by_a_login(self):
        """What one connection that asks nothing adds to xact_commit."""
        before = self.committed()
        self.pg.connect("app", self.weir.dbname).close()
        return self.committed() - before

    def check(self, protocol):
        # Else each server would be told the name by a SET, which is a transaction of the pooler's own.
        self.pg.sql(f"alter database {self.weir.dbname} set application_name = 'pgbench'")
        self.addCleanup(self.pg.sql, f"alter database {self.weir.dbname} reset application_name")
        login = self.committed_by_a_login()
        opened, committed = self.metrics().value("weir_servers_opened_total"), self.committed()
        before = self.metrics()
        with Gate(self.weir.port) as gate:
            processed = self.bench(protocol, gate.port, scaled(100, 10))
            self.wait_metric(0, "weir_pool_clients")
            seen = gate.counters()
            wait_until(lambda: gate.counters()["open"] == 0, 30, "pgbench to be gone")
        now = self.metrics()

        def grew(name, **labels):
            return now.sum(name, database="app", user="app", **labels) - before.sum(name, database="app", user="app", **labels)

        # In prepared mode each client has each of its five statements prepared before it is first used, with a ReadyForQuery for each. Two of these
        # stand outside of a block, so that they are transactions.
        preparing = self.CLIENTS if protocol == "prepared" else 0
        self.assertEqual(grew("weir_pool_transactions_total"), 2 * (processed + preparing))
        self.assertEqual(grew("weir_pool_queries_total"), 5 * (processed + preparing))
        self.assertEqual(grew("weir_pool_server_assignments_total"), 2 * (processed + preparing))
        self.assertEqual(grew("weir_pool_client_logins_total"), seen["opened"])
        self.assertEqual(grew("weir_pool_transaction_duration_seconds_count"), grew("weir_pool_transactions_total"))
        self.assertEqual(grew("weir_pool_query_duration_seconds_count"), grew("weir_pool_queries_total"))
        self.assertEqual(grew("weir_pool_wait_duration_seconds_count"), grew("weir_pool_server_assignments_total"))
        self.assertEqual(grew("weir_pool_server_hold_duration_seconds_count"), grew("weir_pool_server_assignments_total"))
        self.assertEqual(grew("weir_pool_sent_bytes_total"), seen["to_client"])
        self.assertEqual(grew("weir_pool_received_bytes_total") + STARTUP_BYTES * seen["opened"], seen["to_server"])
        # A transaction takes as long as the server is held, but for what comes and goes between.
        self.assertLessEqual(grew("weir_pool_query_duration_seconds_sum"), grew("weir_pool_transaction_duration_seconds_sum") + 1e-6)
        after = self.committed()
        logins = self.metrics().value("weir_servers_opened_total") - opened
        # What the one server has prepared already is answered by the pooler: of these transactions the server sees the first for each text.
        answered_here = 2 * preparing - 2 if preparing else 0
        self.assertEqual(after - committed - logins * login, grew("weir_pool_transactions_total") - answered_here)
        self.check_stats(self.metrics())
        return now, before

    def check_stats(self, now):
        """SHOW STATS says the same."""
        row = self.weir.show("stats", database="app")[0]
        for column, name in (("total_xact_count", "transactions_total"), ("total_query_count", "queries_total"), ("total_received", "received_bytes_total"),
                             ("total_sent", "sent_bytes_total"), ("total_server_assignment_count", "server_assignments_total")):
            self.assertEqual(int(row[column]), now.sum(f"weir_pool_{name}", database="app"), column)
        for column, name in (("total_xact_time", "transaction"), ("total_query_time", "query"), ("total_wait_time", "wait")):
            self.assertAlmostEqual(int(row[column]) / 1e6, now.sum(f"weir_pool_{name}_duration_seconds_sum", database="app"), 6, column)

    def test_simple(self):
        self.start()
        self.check("simple")

    def test_extended(self):
        self.start()
        self.check("extended")

    def test_prepared(self):
        self.start(max_prepared_statements=100, default_pool_size=1)
        now, before = self.check("prepared")
        binds = now.sum("weir_pool_binds_total") - before.sum("weir_pool_binds_total")
        wanted = sum(now.sum(name) - before.sum(name) for name in ("weir_pool_prepared_hits_total", "weir_pool_prepared_misses_total"))
        misses = now.sum("weir_pool_prepared_misses_total") - before.sum("weir_pool_prepared_misses_total")
        self.assertGreaterEqual(wanted, binds)
        self.assertEqual(misses, now.sum("weir_pool_server_parses_total") - before.sum("weir_pool_server_parses_total"))
        self.assertEqual(misses, 5)  # each text once

    def test_waiting(self):
        """More clients than servers: who had to wait is counted with the time."""
        self.start(default_pool_size=1)
        holder, waiting = self.client(), self.client()
        holder.run("begin").check()
        waiting.send(wire.query("select 1"))
        self.weir.wait_waiting(1)
        wait_until(lambda: self.metrics().value("weir_pool_oldest_wait_seconds", database="app") > 0.1, 30, "the wait to be seen")
        now = self.metrics()
        self.assertEqual(now.value("weir_pool_clients", database="app", state="waiting"), 1)
        self.assertEqual(now.value("weir_clients", state="waiting"), 1)
        self.assertEqual(now.value("weir_pool_server_pins", database="app", reason="transaction"), 1)
        holder.run("commit").check()
        waiting.collect().check()
        now = self.metrics()
        self.assertEqual(now.value("weir_pool_wait_duration_seconds_count", database="app"), 2)
        self.assertGreater(now.value("weir_pool_wait_duration_seconds_sum", database="app"), 0.1)
        self.assertLessEqual(now.value("weir_pool_wait_duration_seconds_bucket", database="app", le="0.0625"), 1)


@beyond_pgbouncer
class Counted(Measured):
    def test_errors(self):
        self.start()
        client = self.client()
        for sql, sqlstate in (("select 1/0", "22012"), ("select nothing", "42703"), ("syntax", "42601")):
            self.assertEqual(client.run(sql).error.code, sqlstate)
        with self.assertRaises(wire.PgError):
            self.weir.connect("app", "nowhere")
        now = self.metrics()
        self.assertEqual(now.value("weir_errors_total", origin="server", **{"class": "22"}), 1)
        self.assertEqual(now.value("weir_errors_total", origin="server", **{"class": "42"}), 2)
        self.assertEqual(now.sum("weir_errors_total", origin="pooler"), 1)

    def test_servers_come_and_go(self):
        self.start()
        self.client().run("select 1").check()
        self.assertEqual(self.metrics().value("weir_servers_opened_total"), 1)
        self.weir.admin("RECONNECT")
        self.wait_metric(1, "weir_servers_closed_total", reason="replaced")
        client = self.client()
        self.pg.sql(f"select pg_terminate_backend({client.server_pid()})")
        self.wait_metric(1, "weir_servers_closed_total", reason="server")

        def add_up():
            now = self.metrics()
            return now.sum("weir_servers_closed_total") + now.sum("weir_pool_servers") == now.value("weir_servers_opened_total")
        wait_until(add_up, 30, "the process to end: until then its slot counts, too")

    def test_cancels(self):
        self.start()
        client = self.client()
        client.send(wire.query("select pg_sleep(60)"))
        wait_until(lambda: self.pg.count(self.weir.dbname, "query like '%pg_sleep%' and state = 'active'") == 1, 30, "the query to run")
        client.cancel()
        self.assertEqual(client.collect().error.code, "57014")
        now = self.metrics()
        self.assertEqual(now.value("weir_cancel_requests_received_total"), 1)
        self.assertEqual(now.value("weir_cancel_requests_sent_total"), 1)
        self.assertEqual(now.value("weir_errors_total", origin="server", **{"class": "57"}), 1)

    def test_a_long_answer_arrives_whole(self):
        """More than the buffers of a socket hold."""
        names = [f"d{i}" for i in range(100)]
        self.start(databases={name: "{pg}" for name in names})
        for name in names:
            with self.weir.connect("app", name) as client:
                client.run("select 1").check()
        for _ in range(3):
            now = self.metrics()
            self.assertEqual(len(now.all("weir_pool_transactions_total", user="app")), len(names))
            self.assertGreater(len(now.text), 1_000_000)

    def test_many_pools_are_one(self):
        self.start(weir={"metrics_pools_max": 1})
        self.client("app").run("select 1").check()
        for user in ("app2", "app3"):
            self.client(user).run("select 1").check()
        now = self.metrics()
        self.assertEqual(now.value("weir_pool_transactions_total", database="app", user="app"), 1)
        self.assertEqual(now.value("weir_pool_transactions_total", database="_other", user="_other"), 2)
        self.assertEqual(now.value("weir_pools_unlisted"), 2)
        self.assertNotIn("app2", now.text)

    def test_reload(self):
        self.start()
        first = self.metrics()
        self.assertEqual(first.value("weir_config_last_reload_successful"), 1)
        self.weir.reload(default_pool_size=7)
        second = self.metrics()
        self.assertNotEqual(second.value("weir_config_hash"), first.value("weir_config_hash"))
        self.assertGreater(second.value("weir_config_last_reload_timestamp_seconds"), first.value("weir_config_last_reload_timestamp_seconds"))
        self.assertEqual(second.value("weir_config_last_reload_successful"), 1)
        self.weir.options["default_pool_size"] = "many"
        self.weir.write()
        with self.assertRaises(wire.PgError):
            self.weir.admin("RELOAD").check()
        third = self.metrics()
        self.assertEqual(third.value("weir_config_last_reload_successful"), 0)
        self.assertEqual(third.value("weir_config_hash"), second.value("weir_config_hash"))

    def test_secrets_stay_here(self):
        """No literal, no password, no statement's text."""
        self.start(databases={"app": "{pg} password=hidden_secret"})
        client = self.client()
        client.run("select 'hidden_literal'").check()
        self.assertEqual(client.run("select nothing_hidden").error.code, "42703")
        self.assertNotIn("hidden", self.metrics().text)
