"""Real clients, unmodified: psql, pgbench, pg_dump, psycopg, psycopg2, asyncpg, node-postgres; postgres.js, DBD::Pg, PDO and ruby-pg as they work with
PostgreSQL itself."""
import asyncio
import contextlib
import os
import pathlib
import re
import subprocess
import threading

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras

from harness import node
from harness.case import Case, beyond_pgbouncer, subset
from harness.util import SLOW, scaled
from harness.weir import IS_PGBOUNCER

HERE = pathlib.Path(__file__).resolve().parent
MODES = {"databases": {"app": "{pg} pool_size=4", "sess": "{pg} pool_mode=session pool_size=20", "stmt": "{pg} pool_mode=statement pool_size=4"}}


def in_threads(count, work):
    """Runs work(n) in threads and raises the first failure."""
    failures = []

    def guarded(n):
        try:
            work(n)
        except BaseException as e:  # noqa: BLE001  (handed on below)
            failures.append(e)
    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


class Pgbench(Case):
    settings = MODES

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        target = ["-h", cls.pg.socket_dir, "-p", str(cls.pg.port), "-U", "app", cls.weir.dbname]
        subprocess.run(["pgbench", "-i", "-q", "-s", "1", *target], check=True, capture_output=True)

    def bench(self, database, protocol, *more, clients=8, transactions=100):
        count = scaled(transactions, 10)
        # pgbench prepares with a call that blocks its whole thread: one thread for each client, or those that hold servers wait for those that want one.
        threads = clients if protocol == "prepared" else 2
        done = subprocess.run(["pgbench", "-n", "-M", protocol, "-c", str(clients), "-j", str(threads), "-t", str(count), *more, "-h", self.weir.host, "-p", str(self.weir.port),
                               "-U", "app", database], capture_output=True, text=True, timeout=120 * SLOW)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        self.assertIn(f"number of transactions actually processed: {clients * count}/{clients * count}", done.stdout)
        failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
        self.assertEqual(failed.group(1) if failed else "0", "0")

    def protocols(self, database):
        return ("simple", "extended") if IS_PGBOUNCER and database != "sess" else ("simple", "extended", "prepared")

    @subset("tsan", "asan")
    def test_select_only(self):
        for database in ("app", "sess", "stmt"):
            for protocol in self.protocols(database):
                with self.subTest(database, protocol=protocol):
                    self.bench(database, protocol, "-S")

    @subset("tsan", "asan")
    def test_tpcb(self):
        for database in ("app", "sess"):
            for protocol in self.protocols(database):
                with self.subTest(database, protocol=protocol):
                    self.bench(database, protocol)
        with self.pg.connect("app", self.weir.dbname) as direct:
            sums = direct.sql("select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches), (select sum(delta) from pgbench_history)")
        self.assertEqual(len(set(sums[0])), 1, "money was lost")

    def test_connect_for_each_transaction(self):
        for protocol in self.protocols("app"):
            self.bench("app", protocol, "-S", "-C", transactions=30)

    def test_more_clients_than_servers(self):
        for protocol in self.protocols("app"):
            self.bench("app", protocol, clients=40, transactions=20)

    @beyond_pgbouncer
    def test_pipelines(self):
        script = os.path.join(self.weir.dir, "pipeline.sql")
        with open(script, "w") as f:
            f.write("\\startpipeline\n" + "select abalance from pgbench_accounts where aid = 1;\n" * 10 + "select 2;\nselect 3;\n\\endpipeline\n")
        for protocol in ("extended", "prepared"):
            self.bench("app", protocol, "-f", script, transactions=50)

    def test_transactions_in_a_pipeline(self):
        script = os.path.join(self.weir.dir, "block.sql")
        with open(script, "w") as f:
            f.write("\\set aid random(1, 1000)\n\\startpipeline\nbegin;\nselect abalance from pgbench_accounts where aid = :aid for update;\n"
                    "update pgbench_accounts set abalance = abalance + 0 where aid = :aid;\ncommit;\n\\endpipeline\n")
        for protocol in self.protocols("app")[1:]:
            self.bench("app", protocol, "-f", script, transactions=50)


PSQL_SCRIPT = r"""
\set ON_ERROR_STOP off
\set VERBOSITY verbose
\pset null '(null)'
drop table if exists s;
create table s(id serial primary key, name text, at date default '2001-02-03');
insert into s(name) select 'n' || g from generate_series(1, 5) g returning id, name;
select * from s order by id;
select nosuch from s;
select 1/0;
begin; insert into s(name) values ('in block'); select count(*) from s; rollback;
select count(*) from s;
copy s(id, name) from stdin;
101	first
102	\N
\.
copy (select * from s where id > 100 order by id) to stdout with csv header;
copy s(id) from stdin;
not a number
\.
select count(*) as total from s \gset
\echo total is :total
do $$ begin raise notice 'a notice'; raise warning 'a warning'; end $$;
select 1 as a\; select 2 as b\; select 3 as c;
prepare p as select 5; execute p; deallocate p;
begin; declare cur cursor for select generate_series(1, 10); fetch 3 from cur; move 3 in cur; fetch all from cur; commit;
select repeat('long', 5000);
\d s
explain (costs off) select * from s where id = 1;
set client_min_messages to debug1; reset client_min_messages;
select 'drop me' as x where false;
values (1, 'x'), (2, null);
drop table s;
"""


class Tools(Case):
    settings = MODES

    def psql(self, *args, script=None):
        return subprocess.run(["psql", "-X", "-q", *args], input=script, capture_output=True, text=True, timeout=60 * SLOW,
                              env={**os.environ, "PGAPPNAME": "psql"})

    def test_a_script_gives_the_same_output(self):
        direct = self.psql("-h", self.pg.host, "-p", str(self.pg.port), "-U", "app", "-d", self.weir.dbname, script=PSQL_SCRIPT)
        for database in ("app", "sess"):
            with self.subTest(database):
                pooled = self.psql(self.weir.url(database=database), script=PSQL_SCRIPT)
                self.assertEqual(pooled.stdout, direct.stdout)
                self.assertEqual(pooled.stderr, direct.stderr)
                self.assertEqual(pooled.returncode, 0)

    def test_options_of_psql(self):
        self.assertEqual(self.psql("-At", "-c", "select 1", "-c", "select 2", self.weir.url()).stdout, "1\n2\n")
        self.assertEqual(self.psql("-1", "-At", "-c", "create table one(x int)", "-c", "select count(*) from one", self.weir.url()).stdout, "0\n")
        self.assertEqual(self.psql("-At", "-c", "select 1", self.weir.dsn(sslmode="prefer", gssencmode="prefer")).stdout, "1\n")
        self.assertEqual(self.psql("-At", "-c", "select 1", self.weir.dsn(sslmode="require")).returncode, 2)
        self.assertEqual(self.psql("-At", "-c", "select 1", f"host={self.weir.socket_dir} port={self.weir.port} user=app dbname=app").stdout, "1\n")

    @beyond_pgbouncer
    def test_pgoptions(self):
        done = subprocess.run(["psql", "-X", "-At", "-c", "show timezone", self.weir.url()], capture_output=True, text=True, env={**os.environ, "PGOPTIONS": "-c timezone=Asia/Tokyo"})
        done2 = subprocess.run(["psql", "-X", "-At", "-c", "show timezone", self.weir.url()], capture_output=True, text=True, env={**os.environ, "PGTZ": "Asia/Tokyo"})
        self.assertEqual((done.stdout, done2.stdout), ("Asia/Tokyo\n", "Asia/Tokyo\n"), done.stderr + done2.stderr)

    def test_pg_dump(self):
        with self.weir.connect() as c:
            c.sql("create table dumped(x int primary key, y text); insert into dumped select g, 'r' || g from generate_series(1, 1000) g")
        run = lambda *target: subprocess.run(["pg_dump", "--no-owner", *target], capture_output=True, text=True, timeout=60 * SLOW)
        direct = run("-h", self.pg.host, "-p", str(self.pg.port), "-U", "app", "-d", self.weir.dbname)
        pooled = run(self.weir.url(database="sess"))
        self.assertEqual(pooled.returncode, 0, pooled.stderr)
        without_token = lambda text: re.sub(r"(?m)^\\(un)?restrict .*$", "", text)
        self.assertEqual(without_token(pooled.stdout), without_token(direct.stdout))
        self.assertIn("COPY public.dumped", pooled.stdout)

    def test_pg_isready(self):
        self.assertEqual(subprocess.run(["pg_isready", "-q", "-h", self.weir.host, "-p", str(self.weir.port)]).returncode, 0)


class Psycopg(Case):
    settings = MODES

    def connect(self, database="app", **kw):
        c = psycopg.connect(self.weir.dsn(database=database), **kw)
        self.addCleanup(c.close)
        return c

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_prepared_at_once_in_many_threads(self):
        for database in ("app", "sess", "stmt"):
            def work(n):
                with psycopg.connect(self.weir.dsn(database=database), autocommit=True, prepare_threshold=0) as c:
                    for turn in range(scaled(40, 8)):
                        row = c.execute(f"select %s::int, %s::text, {turn % 5}", (n, f"t{turn}")).fetchone()
                        self.assertEqual(row, (n, f"t{turn}", turn % 5))
            in_threads(scaled(10), work)

    @beyond_pgbouncer
    def test_prepared_after_five(self):
        c = self.connect(autocommit=True)
        other = self.connect(autocommit=True)
        for n in range(20):
            self.assertEqual(c.execute("select %s::int + 1", (n,)).fetchone(), (n + 1,))
            with other.transaction():
                other.execute("select 1")

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_more_statements_than_it_keeps(self):
        """It deallocates the oldest by SQL, also in the middle of pipelines and of transactions."""
        def work(n):
            with psycopg.connect(self.weir.dsn(), autocommit=True, prepare_threshold=0) as c:
                c.prepared_max = 3
                ask = lambda k: c.execute(f"select %s::int, {k}", (n,))
                for turn in range(scaled(10, 3)):
                    for k in range(6):
                        self.assertEqual(ask(k).fetchone(), (n, k))
                    with c.pipeline():
                        cursors = [ask(k) for k in range(6)]
                    self.assertEqual([k.fetchone() for k in cursors], [(n, k) for k in range(6)])
                    with c.transaction():
                        self.assertEqual([ask(k).fetchone() for k in range(6)], [(n, k) for k in range(6)])
                    with contextlib.suppress(psycopg.errors.DivisionByZero), c.transaction():
                        [ask(k) for k in range(6)]
                        c.execute("select 1 / %s::int", (0,))
        in_threads(scaled(8), work)

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_pipeline_mode(self):
        for database in ("app", "sess"):
            with psycopg.connect(self.weir.dsn(database=database), autocommit=True, prepare_threshold=0) as c:
                for _ in range(5):
                    with c.pipeline():
                        cursors = [c.execute("select %s::int * 2", (n,)) for n in range(100)]
                    self.assertEqual([k.fetchone()[0] for k in cursors], [n * 2 for n in range(100)])
                with self.assertRaises(psycopg.errors.DivisionByZero):
                    with c.pipeline():
                        good = c.execute("select 1")
                        c.execute("select 1 / %s::int", (0,))
                        c.execute("select 2")
                self.assertTrue(good is not None)
                self.assertEqual(c.execute("select %s::int * 2", (21,)).fetchone(), (42,))
                with c.pipeline() as p:
                    first = c.execute("select 'a'")
                    p.sync()
                    second = c.execute("select 'b'")
                self.assertEqual((first.fetchone(), second.fetchone()), (("a",), ("b",)))

    def test_transactions_and_savepoints(self):
        c = self.connect(prepare_threshold=None)
        c.execute("create table tx(x int)")
        c.commit()
        with c.transaction():
            c.execute("insert into tx values (1)")
            with contextlib.suppress(psycopg.errors.DivisionByZero), c.transaction():
                c.execute("insert into tx values (2)")
                c.execute("select 1/0")
            c.execute("insert into tx values (3)")
        with contextlib.suppress(psycopg.errors.UndefinedTable):
            c.execute("select * from nosuch")
        c.rollback()
        self.assertEqual(c.execute("select array_agg(x order by x) from tx").fetchone()[0], [1, 3])
        c.commit()

    def test_server_side_cursors(self):
        c = self.connect(prepare_threshold=None)
        with c.transaction(), c.cursor("named") as cur:
            cur.itersize = 100
            cur.execute("select generate_series(1, 1000)")
            self.assertEqual(sum(r[0] for r in cur), 500500)

    def test_copy(self):
        c = self.connect(prepare_threshold=None)
        c.execute("create table copied(x int, y text)")
        with c.cursor() as cur:
            with cur.copy("copy copied from stdin") as copy:
                for n in range(10_000):
                    copy.write_row((n, f"row {n}"))
            with cur.copy("copy copied to stdout") as copy:
                self.assertEqual(sum(1 for _ in copy.rows()), 10_000)
            with self.assertRaises(psycopg.errors.QueryCanceled), cur.copy("copy copied from stdin") as copy:
                copy.write_row((1, "x"))
                raise psycopg.errors.QueryCanceled("given up")
        c.rollback()
        self.assertEqual(c.execute("select to_regclass('copied')").fetchone()[0], None)

    def test_cancel(self):
        c = self.connect(autocommit=True)
        for _ in range(3):
            timer = threading.Timer(0.3, c.cancel)
            timer.start()
            with self.assertRaises(psycopg.errors.QueryCanceled):
                while True:  # a cancel that comes between two queries hits none
                    c.execute("select pg_sleep(5)")
            self.assertEqual(c.execute("select 1").fetchone(), (1,))

    def test_notices_and_errors(self):
        c = self.connect(autocommit=True)
        seen = []
        c.add_notice_handler(lambda d: seen.append(d.message_primary))
        c.execute("do $$ begin raise notice 'hello'; end $$")
        self.assertEqual(seen, ["hello"])
        with self.assertRaises(psycopg.errors.UndefinedColumn) as caught:
            c.execute("select nosuch")
        self.assertEqual(caught.exception.diag.statement_position, "8")


class Psycopg2(Case):
    settings = MODES

    def test_all_sorts(self):
        for database in ("app", "sess"):
            c = psycopg2.connect(self.weir.dsn(database=database))
            self.addCleanup(c.close)
            with c, c.cursor() as cur:
                cur.execute("create table if not exists p2(x int, y text)")
                psycopg2.extras.execute_values(cur, "insert into p2 values %s", [(n, f"r{n}") for n in range(1000)])
                cur.execute("select count(*) from p2")
                self.assertEqual(cur.fetchone(), (1000,))
            with c, c.cursor("server_side") as cur:
                cur.itersize = 50
                cur.execute("select x from p2 order by x")
                self.assertEqual([r[0] for r in cur], list(range(1000)))
            with c, c.cursor() as cur:
                with self.assertRaises(psycopg2.errors.UndefinedTable):
                    cur.execute("select * from nosuch")
            with c, c.cursor() as cur:
                cur.execute("drop table p2")

    def test_large_objects(self):
        """libpq reads and writes these by function calls (message F)."""
        c = psycopg2.connect(self.weir.dsn())
        self.addCleanup(c.close)
        data = os.urandom(300_000)
        with c:
            oid = c.lobject(0, "wb")
            oid.write(data)
            number = oid.oid
            oid.close()
        with c:
            self.assertEqual(c.lobject(number, "rb").read(), data)
        with c:
            c.lobject(number).unlink()

    @subset("tsan")
    def test_threads(self):
        def work(n):
            c = psycopg2.connect(self.weir.dsn())
            for turn in range(scaled(30, 6)):
                with c, c.cursor() as cur:
                    cur.execute("select %s", (n * 1000 + turn,))
                    self.assertEqual(cur.fetchone(), (n * 1000 + turn,))
            c.close()
        in_threads(scaled(12), work)


@beyond_pgbouncer
class Asyncpg(Case):
    """With its statement cache on, as it comes."""
    settings = MODES

    def go(self, work, database="app"):
        async def main():
            await work(self.weir.url(database=database))
        asyncio.run(main())

    @subset("tsan", "asan")
    def test_many_connections_with_cached_statements(self):
        async def work(url):
            async def one(n):
                c = await asyncpg.connect(url, timeout=60 * SLOW)
                try:
                    for turn in range(scaled(30, 6)):
                        row = await c.fetchrow(f"select $1::int as n, $2::text as t, {turn % 4} as k", n, f"t{turn}")
                        self.assertEqual(tuple(row), (n, f"t{turn}", turn % 4))
                finally:
                    await c.close()
            await asyncio.gather(*(one(n) for n in range(scaled(20))))
        for database in ("app", "sess"):
            self.go(work, database)

    def test_its_own_pool(self):
        async def work(url):
            async with asyncpg.create_pool(url, min_size=5, max_size=10) as pool:
                async def one(n):
                    async with pool.acquire() as c, c.transaction():
                        await c.execute("create temp table mine(x int) on commit drop")
                        await c.execute("insert into mine values ($1)", n)
                        self.assertEqual(await c.fetchval("select x from mine"), n)
                await asyncio.gather(*(one(n) for n in range(50)))
                self.assertEqual(sum([await pool.fetchval("select $1::int", n) for n in range(20)]), 190)
        self.go(work)

    def test_cursors_copies_and_types(self):
        async def work(url):
            c = await asyncpg.connect(url)
            async with c.transaction():
                self.assertEqual([r[0] async for r in c.cursor("select generate_series(1, $1)", 200, prefetch=20)], list(range(1, 201)))
            async with c.transaction():
                await c.execute("create table records(x int, y text[])")
                await c.copy_records_to_table("records", records=[(n, [str(n)]) for n in range(5000)])
                self.assertEqual(await c.fetchval("select count(*) from records"), 5000)
            statement = await c.prepare("select x from records where x = any($1::int[]) order by x")
            self.assertEqual([r["x"] for r in await statement.fetch([3, 1, 2])], [1, 2, 3])
            await c.execute("drop table records")
            await c.executemany("select $1::int", [(n,) for n in range(100)])
            await c.close()
        self.go(work)

    def test_timeouts_cancel_the_query(self):
        async def work(url):
            c = await asyncpg.connect(url)
            for _ in range(3):
                with self.assertRaises(asyncio.TimeoutError):
                    await c.fetch("select pg_sleep(60)", timeout=0.3)
                self.assertEqual(await c.fetchval("select 1", timeout=30 * SLOW), 1)
            await c.close()
        self.go(work)
        self.assert_idle()

    def test_errors_and_reparse(self):
        async def work(url):
            c = await asyncpg.connect(url)
            for _ in range(3):
                with self.assertRaises(asyncpg.DivisionByZeroError):
                    await c.fetch("select 1 / $1::int", 0)
                self.assertEqual(await c.fetchval("select 1 / $1::int", 1), 1)
            with self.assertRaises(asyncpg.UndefinedTableError):
                await c.fetch("select * from nosuch where x = $1", 1)
            await c.reload_schema_state()
            await c.execute("discard all")
            await c.close()
        self.go(work)


@beyond_pgbouncer
class NodePostgres(Case):
    settings = MODES

    @subset("asan")
    def test_it(self):
        for database in ("app", "sess"):
            for kind in ("plain", "named"):
                with self.subTest(database, kind=kind):
                    done = subprocess.run(node.command("check.js", self.weir.url(database=database), kind), capture_output=True, text=True, timeout=120 * SLOW)
                    self.assertEqual(done.returncode, 0, done.stderr[-3000:])
                    self.assertEqual(done.stdout.split()[0], "ok")


@beyond_pgbouncer
class SameAnswers(Case):
    """A script that tries what its driver can do prints the same through the pooler as at PostgreSQL."""
    settings = {**MODES, "weir": {"statement_error": "keep"}}

    def answers(self, command, host, port, database):
        env = {**os.environ, "PGHOST": host, "PGPORT": str(port), "PGUSER": "app", "PGDATABASE": database}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120 * SLOW, env=env)
        self.assertEqual((done.returncode, done.stderr[-3000:]), (0, ""))
        return done.stdout.splitlines()

    def check(self, *command):
        direct = self.answers(command, self.pg.host, self.pg.port, self.weir.dbname)
        self.assertGreater(len(direct), 15)
        for database in ("app", "sess"):
            with self.subTest(database):
                self.assertEqual(self.answers(command, self.weir.host, self.weir.port, database), direct)

    @subset("asan")
    def test_postgres_js(self):
        self.check(*node.command("postgres_js.mjs"))

    @subset("asan")
    def test_dbd_pg(self):
        self.check("perl", str(HERE / "drivers" / "dbd_pg.pl"))

    @subset("asan")
    def test_pdo(self):
        self.check("php", str(HERE / "drivers" / "pdo.php"))

    @subset("asan")
    def test_ruby_pg(self):
        self.check("ruby", str(HERE / "drivers" / "ruby_pg.rb"))
