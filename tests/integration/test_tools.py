"""PostgreSQL's own programs, and a JDBC program, unchanged through the pooler: their results are the same as without it."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from harness import wire
from harness.case import Case, beyond_pgbouncer, wait_until
from harness.postgres import SECRET, bindir
from harness.util import SLOW, give_to_postgres, run_as, tied

TOOL_TIMEOUT = 180 * SLOW
HARNESS = pathlib.Path(__file__).resolve().parent / "harness"
JDBC = "/usr/share/java/postgresql.jar"

SCHEMA = """
create type mood as enum ('sad', 'ok', 'happy');
create table people (id serial primary key, name text not null, mood mood default 'ok', born date, data bytea, tags text[], unique (name));
create table visits (person int references people on delete cascade, at timestamptz, note text, amount numeric(12, 3)) partition by range (at);
create table visits_2020 partition of visits for values from ('2020-01-01') to ('2021-01-01');
create table visits_2021 partition of visits for values from ('2021-01-01') to ('2022-01-01');
create index on visits (person, at);
create view happy as select name from people where mood = 'happy';
create materialized view counts as select person, count(*) n from visits group by person;
create function double(a int) returns int language plpgsql as $$ begin return a * 2; end $$;
create function touch() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note, 'none'); return new; end $$;
create trigger touch before insert on visits_2020 for each row execute function touch();
insert into people (name, mood, born, data, tags)
    select 'person ' || n, (array['sad', 'ok', 'happy'])[1 + n % 3]::mood, date '1970-01-01' + n, decode(repeat(md5(n::text), 4), 'hex'), array['t' || n, null] from generate_series(1, 3000) n;
insert into visits select 1 + n % 3000, timestamptz '2020-01-01' + n * interval '1 hour', case n % 4 when 0 then null else E'tab\\there \\\\ ' || n end, n * 1.001 from generate_series(0, 17000) n;
refresh materialized view counts;
select lo_from_bytea(0, decode(repeat('6869', 5000), 'hex'));
comment on table people is 'it''s a comment';
analyze;
"""
# One line for each table, with a sum over all of its rows; sequences, and what else a dump carries.
CHECKSUM = """
select 'people', count(*), md5(string_agg(t::text, '|' order by id)) from people t
union all select 'visits', count(*), md5(string_agg(t::text, '|' order by person, at)) from visits t
union all select 'counts', count(*), md5(string_agg(t::text, '|' order by person)) from counts t
union all select 'happy', count(*), md5(string_agg(t::text, '|' order by name)) from happy t
union all select 'large objects', count(*), md5(string_agg(encode(lo_get(oid), 'hex'), '|')) from pg_largeobject_metadata
union all select 'sequence', last_value, '' from people_id_seq
union all select 'functions', double(21), string_agg(proname, ',' order by proname) from pg_proc where pronamespace = 'public'::regnamespace
union all select 'triggers', count(*), '' from pg_trigger where not tgisinternal
union all select 'indexes', count(*), '' from pg_index where indrelid in ('people'::regclass, 'visits'::regclass, 'visits_2020'::regclass)
"""


class Programs(Case):
    """Session pooling, an entry for any database. `user` is a superuser that `auth` knows."""
    user, secret, auth = "postgres", None, "trust"

    @classmethod
    def setUpClass(cls):
        stored = {"postgres": "", "u_scram_su": SECRET, "u_md5_su": wire.md5_secret("u_md5_su", SECRET), "app": "", "admin": ""}
        cls.settings = {"databases": {"*": "{server}"}, "pool_mode": "session", "default_pool_size": 20, "auth_type": cls.auth, "userlist": stored}
        super().setUpClass()
        cls.made = []
        cls.addClassCleanup(cls.drop_all)

    @classmethod
    def drop_all(cls):
        for name in cls.made:
            cls.pg.sql(f"drop database if exists {name} (force)")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weir-it-tools-")
        give_to_postgres(self.folder)
        self.addCleanup(shutil.rmtree, self.folder, True)

    def run_tool(self, name, *args, direct=False, script=None, env=None):
        host, port = (self.pg.host, self.pg.port) if direct else (self.weir.host, self.weir.port)
        environment = {**os.environ, **({"PGPASSWORD": self.secret} if self.secret else {}), **(env or {})}
        return subprocess.run([f"{bindir()}/{name}", "-h", host, "-p", str(port), "-U", self.user, *(() if name == "pgbench" else ("-w",)), *args], input=script, capture_output=True, text=True,
                              timeout=TOOL_TIMEOUT, env=environment, cwd=self.folder, **run_as())

    def tool(self, name, *args, **kw):
        done = self.run_tool(name, *args, **kw)
        self.assertEqual(done.returncode, 0, f"{name} {args}: {done.stderr[-3000:]}")
        return done.stdout

    def both_ways(self, name, *args, **kw):
        """The program's output directly and through the pooler is the same."""
        direct, pooled = (self.run_tool(name, *args, direct=d, **kw) for d in (True, False))
        for done in (direct, pooled):
            done.stdout = re.sub(r"(?m)^(lo_(?:import|unlink)) \d+$", r"\1 OID", done.stdout)
        self.assertEqual((pooled.stdout, pooled.stderr.replace(str(self.weir.port), "PORT"), pooled.returncode),
                         (direct.stdout, direct.stderr.replace(str(self.pg.port), "PORT"), direct.returncode))
        return pooled.stdout

    def database(self, suffix):
        name = f"{self.weir.dbname}_{suffix}"
        self.made.append(name)
        return name

    def filled(self):
        """A database with something of everything, made through the pooler."""
        name = self.database("filled")
        if self.pg.one(f"select count(*) from pg_database where datname = '{name}'") == "0":
            self.tool("createdb", name)
            self.tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", name, script=SCHEMA)
        return name

    def checksum(self, name):
        return self.pg.sql(CHECKSUM, database=name)


class Dumps(Programs):
    def test_custom_format(self):
        source, target = self.filled(), self.database("custom")
        self.tool("pg_dump", "-Fc", "-f", "dump", source)
        self.tool("createdb", target)
        self.tool("pg_restore", "-d", target, "--exit-on-error", "dump")
        self.assertEqual(self.checksum(target), self.checksum(source))

    def test_directory_format_in_parallel(self):
        source, target = self.filled(), self.database("directory")
        self.tool("pg_dump", "-Fd", "-j", "4", "-f", "dumpdir", source)
        self.tool("createdb", target)
        self.tool("pg_restore", "-d", target, "-j", "4", "--exit-on-error", "dumpdir")
        self.assertEqual(self.checksum(target), self.checksum(source))

    def test_plain_format_and_psql(self):
        source, target = self.filled(), self.database("plain")
        dump = self.tool("pg_dump", "--inserts", source)
        self.tool("createdb", target)
        self.tool("psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", target, script=dump)
        self.assertEqual(self.checksum(target), self.checksum(source))

    def test_a_restore_that_creates_the_database(self):
        source = self.filled()
        self.tool("pg_dump", "-Fc", "-C", "-f", "created", source)
        before = self.checksum(source)
        self.pg.sql(f"drop database {source} (force)")
        self.tool("pg_restore", "-C", "-d", "postgres", "--exit-on-error", "created")
        self.assertEqual(self.checksum(source), before)

    def test_pg_dumpall(self):
        source = self.filled()
        without_token = lambda text: re.sub(r"(?m)^\\(un)?restrict .*$", "", text)
        for args in (("--globals-only",), ("--roles-only",), ("--tablespaces-only",)):
            self.assertEqual(without_token(self.tool("pg_dumpall", *args)), without_token(self.tool("pg_dumpall", *args, direct=True)))
        # A server that is kept for template1 would be in the way of createdb, as it would be without a pooler.
        others = self.pg.sql(f"select datname from pg_database where datname not in ('{source}', 'postgres')")
        exclude = [f"--exclude-database={name}" for (name,) in others]
        text = self.tool("pg_dumpall", *exclude)
        self.assertIn(f"\\connect {source}", text)
        self.assertIn("COPY public.people", text)


@beyond_pgbouncer
class DumpsScram(Dumps):
    user, secret, auth = "u_scram_su", SECRET, "scram-sha-256"


class DumpsMd5(Dumps):
    user, secret, auth = "u_md5_su", SECRET, "md5"


class Upkeep(Programs):
    def test_createdb_and_dropdb(self):
        name = self.database("made")
        self.tool("createdb", "-E", "UTF8", "-T", "template0", name, "a comment")
        self.assertEqual(self.tool("psql", "-XAtc", "select current_database()", name), f"{name}\n")
        self.assertIn("already exists", self.run_tool("createdb", name).stderr)
        self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
        self.tool("dropdb", "--force", name)
        self.assertIn("does not exist", self.run_tool("dropdb", name).stderr)
        self.tool("dropdb", "--if-exists", name)

    def test_createuser_and_dropuser(self):
        role = f"{self.weir.dbname}_role"
        self.tool("createuser", "-D", "-R", "-S", role)
        self.assertEqual(self.pg.one(f"select count(*) from pg_roles where rolname = '{role}'"), "1")
        self.tool("dropuser", role)
        self.assertEqual(self.pg.one(f"select count(*) from pg_roles where rolname = '{role}'"), "0")

    def test_vacuumdb(self):
        name = self.filled()
        vacuumed = "select count(*) from pg_stat_user_tables where relname in ('people', 'visits_2020', 'visits_2021') and vacuum_count > 0"
        self.tool("vacuumdb", "--analyze", "-j", "4", name)
        wait_until(lambda: self.pg.one(vacuumed, database=name) == "3", 30, "the tables to be vacuumed")
        self.tool("vacuumdb", "--full", "-t", "people", name)
        self.tool("vacuumdb", "--analyze-in-stages", name)
        self.tool("vacuumdb", "--freeze", "-j", "3", "-t", "visits_2020", "-t", "visits_2021", name)
        self.assertNotEqual(self.run_tool("vacuumdb", "-t", "nosuch", name).returncode, 0)

    def test_reindexdb_and_clusterdb(self):
        name = self.filled()
        before = self.pg.one("select pg_relation_filenode('people_pkey')", database=name)
        self.tool("reindexdb", "-j", "4", name)
        self.assertNotEqual(self.pg.one("select pg_relation_filenode('people_pkey')", database=name), before)
        self.tool("reindexdb", "--concurrently", "-i", "people_pkey", name)
        self.tool("psql", "-Xqc", "cluster people using people_pkey", name)
        self.tool("clusterdb", name)

    def test_pg_amcheck(self):
        name = self.filled()
        self.tool("pg_amcheck", "--install-missing", "-j", "4", "-d", name)

    def test_vacuumlo_and_oid2name(self):
        name = self.filled()
        self.both_ways("oid2name", "-d", name, "-t", "people")
        orphans = "select count(*) from pg_largeobject_metadata"
        self.assertEqual(self.pg.one(orphans, database=name), "1")
        self.tool("vacuumlo", "-n", name)
        self.assertEqual(self.pg.one(orphans, database=name), "1")

    def test_pg_isready(self):
        for args in ((), ("-d", "app"), ("-d", "nosuch")):
            done = subprocess.run([f"{bindir()}/pg_isready", "-h", self.weir.host, "-p", str(self.weir.port), *args], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, f"{self.weir.host}:{self.weir.port} - accepting connections\n"))
        done = subprocess.run([f"{bindir()}/pg_isready", "-h", self.weir.socket_dir, "-p", str(self.weir.port)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)


META = r"""
\set VERBOSITY terse
\d
\dt+ people
\d people
\d visits
\d+ happy
\di
\dv
\dm
\df double
\sf double
\dT+ mood
\dn
\dp people
\ds
\dd
\do nosuch
\dC nosuch
\dP
\z visits
\encoding
\encoding LATIN1
select 'ä';
\encoding UTF8
\x
select * from people where id = 7;
\x
\a
\t
select 1, 2;
\a
\t
\pset format csv
select id, name from people order by id limit 3;
\pset format aligned
select mood, id % 2 as half, count(*) from people group by 1, 2 order by 1, 2 \crosstabview
select format('select %s as n', n) from generate_series(1, 3) n \gexec
select 42 as answer \gset
\echo :answer
select :'answer'::int + 1 as next \gx
select name from people where id = 1 \g
\gdesc
select id, name from people \gdesc
\if true
select 'in the branch';
\else
select 'not in it';
\endif
\copy (select id, name from people order by id limit 5) to 'out.csv' csv header
create temp table back (id int, name text);
\copy back from 'out.csv' csv header
select * from back order by id;
\copy back from program 'echo 77,seven' csv
select count(*) from back;
\copy back from stdin
8	eight
\.
\copy (select max(id) from back) to stdout
\errverbose
select nosuch;
\errverbose
begin;
savepoint a;
\set ON_ERROR_ROLLBACK on
select 1/0;
select 'goes on';
commit;
\set AUTOCOMMIT off
select 1;
rollback;
\set AUTOCOMMIT on
\set FETCH_COUNT 100
select id from people order by id limit 250;
\unset FETCH_COUNT
\lo_import out.csv
\lo_unlink :LASTOID
\set SINGLELINE off
\dconfig work_mem
\l nosuch
\du nosuch
"""


class MetaCommands(Programs):
    def test_a_script(self):
        name = self.filled()
        out = self.both_ways("psql", "-X", "-v", "ON_ERROR_STOP=0", "-d", name, script=META)
        for piece in ("Partition key", "goes on", "in the branch", "(250 rows)"):
            self.assertIn(piece, out)


@beyond_pgbouncer
class MetaCommandsScram(MetaCommands):
    user, secret, auth = "u_scram_su", SECRET, "scram-sha-256"


class Psql(Programs):
    def test_reconnecting(self):
        name = self.filled()
        script = f"\\c postgres\nselect current_database();\n\\c {name}\nselect current_database();\n\\c - app\nselect current_user;\n\\conninfo\n\\c nosuchdb\n"
        done = self.run_tool("psql", "-XAtq", "-d", name, script=script)
        self.assertEqual(done.stdout.splitlines()[:3], ["postgres", name, "app"], done.stderr)
        self.assertIn('database "nosuchdb" does not exist', done.stderr)

    def test_watch(self):
        """\\watch until interrupted: the query is asked again and again, and the pooler goes on."""
        p = subprocess.Popen(tied(["stdbuf", "-oL", f"{bindir()}/psql", "-XAtq", "-h", self.weir.host, "-p", str(self.weir.port), "-U", self.user, "-d", "postgres"]),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        p.stdin.write("select 'tick' \\watch 0.1\n")
        p.stdin.flush()
        ticks = 0
        while ticks < 3:
            line = p.stdout.readline()
            self.assertTrue(line, "psql ended")
            ticks += "tick" in line
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=30 * SLOW)
        self.assertEqual(self.tool("psql", "-XAtc", "select 'goes on'", "postgres"), "goes on\n")

    def test_interrupted(self):
        p = subprocess.Popen(tied([f"{bindir()}/psql", "-XAt", "-h", self.weir.host, "-p", str(self.weir.port), "-U", self.user, "-d", self.weir.dbname]),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        p.stdin.write("select pg_sleep(100), 'interrupt me';\n")
        p.stdin.flush()
        running = f"select count(*) from pg_stat_activity where datname = '{self.weir.dbname}' and state = 'active' and query like '%interrupt me%'"
        wait_until(lambda: self.pg.one(running) == "1", 30, "the query to run")
        p.send_signal(signal.SIGINT)
        wait_until(lambda: self.pg.one(running) == "0", 30, "the query to be cancelled")
        p.stdin.write("select 'still here';\n")
        out, err = p.communicate(timeout=30 * SLOW)
        self.assertIn("canceling statement due to user request", err)

    def test_services_and_uris(self):
        with open(f"{self.folder}/service.conf", "w") as f:
            f.write(f"[weir]\nhost={self.weir.host}\nport={self.weir.port}\nuser={self.user}\ndbname={self.weir.dbname}\napplication_name=by service\n")
        env = {**os.environ, "PGSERVICEFILE": f"{self.folder}/service.conf"}
        done = subprocess.run([f"{bindir()}/psql", "-XAtc", "show application_name", "service=weir"], capture_output=True, text=True, env=env)
        self.assertEqual(done.stdout, "by service\n", done.stderr)
        several = f"postgresql://{self.user}@127.0.0.1:1,{self.weir.host}:{self.weir.port}/{self.weir.dbname}?target_session_attrs=read-write&connect_timeout=10"
        self.assertEqual(subprocess.run([f"{bindir()}/psql", "-XAtc", "select 1", several], capture_output=True, text=True).stdout, "1\n")


class Pgbench(Programs):
    """With passwords; all of its modes are in test_drivers.py."""

    def bench(self):
        name = self.database("bench")
        self.tool("createdb", name)
        self.tool("pgbench", "-i", "-q", "-I", "dtgvpf", name)
        for mode in ("simple", "extended", "prepared"):
            out = self.tool("pgbench", "-n", "-M", mode, "-c", "4", "-j", "2", "-t", "50", name)
            self.assertIn("number of transactions actually processed: 200/200", out)
        out = self.tool("pgbench", "-n", "-C", "-S", "-c", "2", "-t", "20", name)
        self.assertIn("number of transactions actually processed: 40/40", out)

    def test_trust(self):
        self.bench()


@beyond_pgbouncer
class PgbenchScram(Pgbench):
    user, secret, auth = "u_scram_su", SECRET, "scram-sha-256"


class PgbenchMd5(Pgbench):
    user, secret, auth = "u_md5_su", SECRET, "md5"


@beyond_pgbouncer
class Jdbc(Case):
    settings = {"databases": {"app": "{pg} pool_size=4", "sess": "{pg} pool_mode=session pool_size=10"}, "ignore_startup_parameters": "extra_float_digits"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classes = tempfile.mkdtemp(prefix="weir-it-jdbc-")
        cls.addClassCleanup(shutil.rmtree, cls.classes, True)
        subprocess.run(["javac", "-cp", JDBC, "-d", cls.classes, HARNESS / "JdbcCheck.java"], check=True, timeout=300 * SLOW)

    def check(self, database, *more, user="app"):
        done = subprocess.run(["java", "-XX:+UseSerialGC", "-Xmx256m", "-cp", f"{JDBC}:{self.classes}", "JdbcCheck",
                               f"jdbc:postgresql://{self.weir.host}:{self.weir.port}/{database}?sslmode=disable", user, *more], capture_output=True, text=True, timeout=TOOL_TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr[-4000:])
        return done.stdout.splitlines()

    def test_transaction_pooling(self):
        self.assertEqual(len(self.check("app")), 9)
        self.assert_idle()

    def test_replication(self):
        """In transaction pooling, as change data capture does it. The user owns its table."""
        self.assertEqual(self.check("app", "replication", user="repl"), ["replication"])
        wait_until(lambda: not self.weir.show("servers", replication="logical"), 30, "its server to be closed")

    def test_session_pooling(self):
        self.assertIn("notifications", self.check("sess", "session"))
