"""Tools on the console: an exporter, scripts that read psql, and drivers."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import asyncpg
import psycopg2

from harness import node
from harness.case import Case, beyond_pgbouncer, wait_until
from harness.util import SLOW, free_port, tied

HERE = pathlib.Path(__file__).resolve().parent
JDBC = "/usr/share/java/postgresql.jar"
BUSY = {"databases": {"app": "{pg}", "other": "{pg} pool_size=3"}, "max_client_conn": 200}


@beyond_pgbouncer
class Exporter(Case):
    """prometheus-pgbouncer-exporter scrapes what is there."""
    settings = BUSY

    def scrape(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10 * SLOW) as answer:
            self.assertEqual(answer.status, 200)
            text = answer.read().decode()
        out = {}
        for line in text.splitlines():
            found = re.fullmatch(r"(pgbouncer_\w+)(?:\{(.*)\})? (\S+)", line)
            if found:
                labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', found[2] or "")))
                out[found[1], labels] = float(found[3])
        return out

    def answers(self):
        self.assertIsNone(self.exporter.poll(), self.log())
        try:
            return self.scrape()
        except urllib.error.HTTPError as e:
            raise AssertionError(f"scrape error {e}:\n{self.log()}") from None
        except OSError:
            return None

    def log(self):
        self.output.seek(0)
        return self.output.read()[-4000:]

    def test_scrape(self):
        self.port = free_port()
        self.output = tempfile.TemporaryFile("w+")
        self.addCleanup(self.output.close)
        self.exporter = subprocess.Popen(tied([sys.executable, str(HERE / "harness" / "exporter.py"), "--host", "127.0.0.1", "--port", str(self.port), "--pgbouncer-host", self.weir.host,
                                               "--pgbouncer-port", str(self.weir.port), "--pgbouncer-user", "stats"]), stdout=self.output, stderr=self.output, cwd="/")
        self.addCleanup(self.exporter.wait)
        self.addCleanup(self.exporter.kill)
        clients = [*self.clients(3), self.client(database="other")]
        for c in clients:
            for _ in range(5):
                c.sql("select 1")
        wait_until(self.answers, 60, "the exporter to answer")

        def counted():
            got = self.answers()
            return got if got["pgbouncer_requests_total", (("database", "app"),)] >= 15 else None
        got = wait_until(counted, 30, "the queries to be counted")
        pools = {labels: value for (name, labels), value in got.items() if name == "pgbouncer_active_clients"}
        self.assertEqual(pools[("database", "app"), ("user", "app")], 3)
        self.assertEqual(pools[("database", "other"), ("user", "app")], 1)
        self.assertEqual(pools[("database", "pgbouncer"), ("user", "pgbouncer")], 1)
        self.assertEqual(got["pgbouncer_requests_total", (("database", "other"),)], 5)
        self.assertGreater(got["pgbouncer_received_bytes_total", (("database", "app"),)], 0)
        self.assertGreater(got["pgbouncer_sent_bytes_total", (("database", "app"),)], 0)
        self.assertGreater(got["pgbouncer_query_microseconds_total", (("database", "app"),)], 0)
        sizes = {dict(labels)["database"]: value for (name, labels), value in got.items() if name == "pgbouncer_pool_size"}
        self.assertEqual((sizes["pgbouncer"], len(sizes)), (2, 2))  # it goes by the name on the server, which both entries share
        self.assertEqual((got["pgbouncer_databases", ()], got["pgbouncer_pools", ()], got["pgbouncer_used_clients", ()]), (3, 3, 5))
        self.assertGreaterEqual(got["pgbouncer_used_servers", ()], 2)
        for name in ("users", "free_clients", "login_clients", "free_servers", "dns_names", "dns_zones", "dns_queries", "dns_pending"):
            self.assertIn((f"pgbouncer_{name}", ()), got)


class Scripts(Case):
    """What checks and shell scripts do."""
    settings = BUSY

    def psql(self, *arguments):
        done = subprocess.run(["psql", "-X", *arguments, self.weir.url("stats", "pgbouncer")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_awk_over_pools(self):
        """A check that sums up who waits, as monitoring scripts do: psql -At, awk, fields by number."""
        self.start(default_pool_size=1)
        holder, waiting = self.clients(2)
        holder.sql("begin")
        waiting.send(b"Q\0\0\0\x0dselect 1\0")
        self.weir.wait_waiting(1)
        script = f"""psql -X -At -c 'show pools' '{self.weir.url("stats", "pgbouncer")}' | awk -F'|' '$1 == "app" {{ active += $3; waiting += $4; servers += $7 }} END {{ print active, waiting, servers }}'"""
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
        self.assertEqual(done.stdout.split(), ["1", "1", "1"], done.stderr)
        holder.sql("commit")

    def test_formats(self):
        self.client().sql("select 1")
        header = "database|user|cl_active|cl_waiting"
        self.assertTrue(self.psql("-A", "-c", "show pools").startswith(header))
        self.assertIn("-[ RECORD 1 ]", self.psql("-x", "-c", "show pools"))
        self.assertTrue(self.psql("--csv", "-c", "show databases").startswith("name,host,port,database"))
        self.assertIn("<td", self.psql("-H", "-c", "show lists"))
        self.assertTrue(self.psql("-At", "-R", ";", "-F", ",", "-c", "show totals").startswith("total_"))
        rows = dict(line.split("\t") for line in self.psql("-At", "-F", "\t", "-c", "show lists").splitlines())
        self.assertEqual(rows["databases"], "3")
        # NULL reads as empty, like text without a value.
        self.assertIn("[null]", self.psql("-At", "-P", "null=[null]", "-c", "show databases"))

    def test_watch_and_several_commands(self):
        out = self.psql("-At", "-c", "show version", "-c", "show lists", "-c", "show totals")
        self.assertEqual(out.count("databases|"), 1)

    def test_variables_and_gset(self):
        out = subprocess.run(["psql", "-X", "-At", self.weir.url("stats", "pgbouncer")], input="show version \\gset\n\\echo <:version>\n", capture_output=True, text=True)
        self.assertRegex(out.stdout, r"<\S+ \S.*>", out.stderr)


@beyond_pgbouncer
class Drivers(Case):
    settings = BUSY

    def test_psycopg2(self):
        c = psycopg2.connect(self.weir.dsn("admin", "pgbouncer"))
        try:
            c.set_session(autocommit=True)
            with c.cursor() as cursor:
                cursor.execute("SHOW STATS")
                self.assertEqual(cursor.description[0].name, "database")
                cursor.execute("SHOW POOLS")
                self.assertTrue(all(isinstance(row[2], int) for row in cursor.fetchall()))
                with self.assertRaises(psycopg2.Error):
                    cursor.execute("PAUSE nosuch")
                cursor.execute("RECONNECT")
                self.assertEqual(cursor.statusmessage, "RECONNECT")
            self.assertGreaterEqual(c.server_version, 12500)
        finally:
            c.close()

    def test_psycopg2_in_a_transaction(self):
        """Its default: BEGIN before the first command, ROLLBACK behind the last."""
        c = psycopg2.connect(self.weir.dsn("stats", "pgbouncer"))
        try:
            with c.cursor() as cursor:
                cursor.execute("SHOW POOLS")
                self.assertTrue(cursor.fetchall())
            c.rollback()
        finally:
            c.close()

    def test_asyncpg(self):
        import asyncio

        async def go():
            c = await asyncpg.connect(self.weir.url("admin", "pgbouncer"))
            try:
                self.assertEqual(await c.execute("RECONNECT"), "RECONNECT")
                self.assertEqual(await c.execute("SET query_timeout = 7"), "SET query_timeout=7")
                self.assertEqual((await c.fetchrow("SHOW STATE"))["key"], "active")
                for row in await c.fetch("SHOW SOCKETS"):
                    self.assertIsInstance(row["recv_pos"], int)
                self.assertIsNone((await c.fetch("SHOW FDS"))[0]["scram_client_key"])
            finally:
                await c.close(timeout=10)
        asyncio.run(go())

    def test_jdbc(self):
        self.client().sql("select 1")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["javac", "-d", folder, HERE / "harness" / "ConsoleCheck.java"], check=True, timeout=300 * SLOW)
            url = f"jdbc:postgresql://{self.weir.host}:{self.weir.port}/pgbouncer?user=admin"
            done = subprocess.run(["java", "-cp", f"{folder}:{JDBC}", "ConsoleCheck", url], capture_output=True, text=True, timeout=120 * SLOW)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("pool app/app 1", lines)
        self.assertTrue(any(line.startswith("stats app ") for line in lines), lines)
        self.assertIn("error 08P01", lines)

    def test_node(self):
        self.client().sql("select 1")
        done = subprocess.run(node.command("console.js", self.weir.url("admin", "pgbouncer")), capture_output=True, text=True, timeout=120 * SLOW)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)
        self.assertEqual(got["columns"][:3], ["database", "user", "cl_active"])
        self.assertIn(("app", "app"), {(r["database"], r["user"]) for r in got["pools"]})
        self.assertEqual(got["lists"][0], {"list": "databases", "items": 3})
        self.assertEqual((got["error"], got["command"]), ("no such database: nosuch", "RELOAD"))
