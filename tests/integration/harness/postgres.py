"""A throwaway PostgreSQL cluster on loopback and a Unix socket, owned by the test run."""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import threading

from . import wire
from .util import free_port, give_to_postgres, process_alive, run_as, tied, wait_until

SETTINGS = """
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum = off
max_connections = 420
max_wal_size = 4GB
shared_buffers = 64MB
listen_addresses = '127.0.0.1, ::1'
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
wal_sender_timeout = 0
max_prepared_transactions = 20
log_min_messages = warning
log_line_prefix = '%m [%p] %u@%d '
log_connections = on
"""
HBA = """
local all        all     trust
host  all        u_scram all scram-sha-256
host  all        u_md5   all md5
host  all        u_scram_su all scram-sha-256
host  all        u_md5_su all md5
host  all        u_plain all password
host  all        all     all trust
local replication all     trust
host  replication u_scram_repl all scram-sha-256
host  replication all     all trust
"""
SECRET = "s3cret"  # of every u_* role
ROLES = f"""
create role app login; create role app2 login; create role app3 login; create role admin login; create role stats login; create role repl login replication;
grant app2 to app;
set password_encryption = 'scram-sha-256'; create role u_scram login password '{SECRET}'; create role u_scram_repl login replication password '{SECRET}';
create role u_scram_su superuser login password '{SECRET}';
create role u_plain login password '{SECRET}';
set password_encryption = 'md5'; create role u_md5 login password '{SECRET}'; create role u_md5_su superuser login password '{SECRET}';
"""


def bindir():
    given = os.environ.get("PG_BINDIR")
    found = [given] if given else sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
    if not found:
        raise SystemExit("no PostgreSQL server programs found; install postgresql or set PG_BINDIR")
    return found[-1]


class Cluster:
    """`host`/`port` for TCP, `socket_dir` for the Unix socket. `sql` runs as superuser, not through the pooler."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-it-pg-")
        give_to_postgres(self.dir)
        self.data = os.path.join(self.dir, "data")
        self.socket_dir = self.dir
        self.host, self.port = "127.0.0.1", free_port()
        self.log_path = os.path.join(self.dir, "postgres.log")
        self.proc, self.admin, self.databases, self.made, self.lock = None, None, [], 0, threading.RLock()

    def create(self):
        subprocess.run([f"{bindir()}/initdb", "-D", self.data, "-U", "postgres", "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C"],
                       check=True, stdout=subprocess.DEVNULL, cwd=self.dir, **run_as())
        with open(f"{self.data}/postgresql.conf", "a") as f:
            f.write(SETTINGS + f"port = {self.port}\nunix_socket_directories = '{self.dir}'\n")
        with open(f"{self.data}/pg_hba.conf", "w") as f:
            f.write(HBA)
        self.start()
        for statement in filter(None, (s.strip() for s in ROLES.split(";"))):
            self.sql(statement)
        self.sql("create database tmpl")
        self.sql("grant all on schema public to public", database="tmpl")
        return self

    def start(self):
        log = open(self.log_path, "ab")
        self.proc = subprocess.Popen(tied([f"{bindir()}/postgres", "-D", self.data], "QUIT"), stdout=log, stderr=log, cwd=self.dir, start_new_session=True,
                                     **run_as())
        log.close()
        self.wait_ready()

    def wait_ready(self):
        def ready():
            try:
                self.sql("select 1")
                return True
            except (OSError, wire.PgError, wire.Closed):
                return False
        wait_until(ready, 60, "PostgreSQL to accept connections")

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGQUIT)
            self.proc.wait(60)
        shutil.rmtree(self.dir, ignore_errors=True)

    def kill_hard(self):
        """kill -9 of the postmaster and of every process below it."""
        self._forget_admin()
        children = [int(p) for p in subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.proc.pid)], capture_output=True, text=True).stdout.split()]
        os.kill(self.proc.pid, signal.SIGKILL)
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.proc.wait()
        wait_until(lambda: not any(process_alive(p) for p in children), 30, "PostgreSQL's processes to be gone")

    def kill_backend(self, pid, sig=signal.SIGKILL):
        """Sends a signal to one backend of this cluster; with SIGKILL PostgreSQL then restarts all of them."""
        if not process_alive(pid):
            raise AssertionError(f"backend {pid} is not alive")
        os.kill(pid, sig)
        if sig == signal.SIGKILL:
            wait_until(lambda: not process_alive(pid), 30, "the backend to be gone")
            self._forget_admin()
            self.wait_ready()

    # -- superuser SQL, directly
    def connect(self, user="postgres", database="postgres", **params):
        return wire.Wire(self.socket_dir, self.port).login(user, database, **params)

    def sql(self, text, database="postgres"):
        with self.lock:  # tests call it from several threads
            return self._sql(text, database)

    def _sql(self, text, database):
        if database != "postgres":
            with self.connect(database=database) as c:
                return c.sql(text)
        for attempt in (1, 2):
            try:
                if self.admin is None:
                    self.admin = self.connect()
                return self.admin.sql(text)
            except (OSError, wire.Closed) as e:
                self._forget_admin()
                if attempt == 2:
                    raise e
            except wire.PgError as e:
                if e.severity == "FATAL" or e.code.startswith("57P"):
                    self._forget_admin()
                raise

    def one(self, text, database="postgres"):
        return self.sql(text, database)[0][0]

    def login_delay(self, seconds):
        """Makes every login take this much longer (post_auth_delay)."""
        self.sql(f"alter system set post_auth_delay = {seconds}")
        self.sql("select pg_reload_conf()")

        def in_force():
            with self.connect() as c:
                return int(c.one("select setting from pg_settings where name = 'post_auth_delay'")) == seconds
        wait_until(in_force, 30, "post_auth_delay to change")

    def _forget_admin(self):
        if self.admin:
            self.admin.drop()
            self.admin = None

    def backends(self, database, where="true"):
        """Rows of pg_stat_activity for the client backends in `database` as dicts."""
        columns = ("pid", "usename", "state", "application_name", "query")
        rows = self.sql(f"select {', '.join(columns)} from pg_stat_activity where backend_type = 'client backend' "
                        f"and datname = '{database}' and usename <> 'postgres' and ({where}) order by backend_start")
        return [dict(zip(columns, (int(r[0]),) + r[1:])) for r in rows]

    def count(self, database, where="true"):
        return len(self.backends(database, where))

    # -- one database for each pooler, reused once nobody is connected to it
    def take_database(self):
        if self.databases:
            return self.databases.pop()
        self.made += 1
        name = f"t_{self.made}"
        self.sql(f"create database {name} template tmpl")
        return name

    def give_database(self, name):
        self.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
        wait_until(lambda: self.one(f"select count(*) from pg_stat_activity where datname = '{name}'") == "0", 30, f"{name} to have no backends")
        self.sql("drop schema public cascade; create schema public; grant all on schema public to public", database=name)
        self.sql(f"alter database {name} reset all")
        self.databases.append(name)
