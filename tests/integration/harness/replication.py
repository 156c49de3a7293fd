"""A primary and real streaming replicas on loopback, and what happens to them: promotion, switchover, death, freezing, lag.

    with Cluster() as cluster:              # pg1 is the primary, pg2 and pg3 follow; about three seconds
        cluster.kill9(0)
        cluster.promote(1)                  # the rest follows pg2
        cluster.rejoin(0)                   # pg1 follows pg2
        cluster.heal()                      # whatever was done to them: one primary again, all others in sync behind it

Servers are named by number from 0; number i is "pg{i+1}", also as its slot and application_name. A Cluster can be given to Weir in place of
postgres.Cluster: `host`, `port`, `sql` and databases are those of the current primary (the server last made so by this class).
Start servers from a thread that outlives them: the kernel ends them together with it.
"""
import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

from . import postgres, wire
from .postgres import bindir
from .util import SLOW, give_to_postgres, run_as, stopped, tied, wait_until

SETTINGS = """
fsync = off
full_page_writes = on               # pg_rewind wants it
wal_log_hints = on                  # this too
autovacuum = off
jit = off
max_connections = 300
shared_buffers = 32MB
dynamic_shared_memory_type = mmap   # goes with the folder, also after kill -9
max_wal_size = 1GB
wal_keep_size = 512MB
wal_level = replica
max_wal_senders = 20
max_replication_slots = 20
hot_standby = on
wal_writer_delay = 10ms
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 100ms
max_standby_streaming_delay = 2s
wal_sender_timeout = 30s
wal_receiver_timeout = 30s
recovery_target_timeline = latest
log_min_messages = warning
log_line_prefix = '%m [%p] %u@%d '
log_connections = on
unix_socket_permissions = 0777
"""
HBA = postgres.HBA + "local replication all trust\nhost replication all all trust\n"
ROLES = postgres.ROLES + "create role probe login; grant pg_monitor to probe;"
SILENT = 1 * SLOW  # seconds after which a server counts as giving no answer


def children(pid):
    """Pids of the living children of a process."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
                if fields[1] == str(pid) and fields[0] != "Z":
                    found.append(int(entry))
    return found


class Server(postgres.Cluster):
    """One of the servers. `sql`, `one`, `connect`, `backends`, `count`, `kill_backend`, `login_delay` as of any cluster."""

    def __init__(self, name):
        super().__init__()
        self.name, self.frozen, self.upstream = name, False, None

    # -- files
    def initdb(self):
        subprocess.run([f"{bindir()}/initdb", "-D", self.data, "-U", "postgres", "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C", "--wal-segsize=4"],
                       check=True, stdout=subprocess.DEVNULL, cwd=self.dir, **run_as())
        with open(f"{self.data}/postgresql.conf", "a") as f:
            f.write("include 'rig.conf'\n")
        with open(f"{self.data}/pg_hba.conf", "w") as f:
            f.write(HBA)

    def configure(self, upstream=None):
        """Writes rig.conf; with `upstream` the server follows that one."""
        self.upstream = upstream
        text = SETTINGS + f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.dir}'\ncluster_name = '{self.name}'\n"
        if upstream is not None:
            text += (f"primary_conninfo = 'host={upstream.socket_dir} port={upstream.port} user=postgres application_name={self.name}'\n"
                     f"primary_slot_name = '{self.name}'\n")
        path = f"{self.data}/rig.conf"
        with open(path, "w") as f:
            f.write(text)
        give_to_postgres(path)
        mark = pathlib.Path(f"{self.data}/standby.signal")
        if upstream is None:
            mark.unlink(missing_ok=True)
        elif not self.alive() or mark.exists():  # to a running primary it would do nothing now and surprise later
            mark.touch()
            give_to_postgres(mark)

    # -- process
    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(tied([f"{bindir()}/postgres", "-D", self.data], "QUIT"), stdout=log, stderr=log, cwd=self.dir, start_new_session=True,
                                         **run_as())

    def start(self):
        self.spawn()
        self.wait_ready()

    def wait_ready(self):
        def ready():
            if not self.alive():
                raise AssertionError(f"{self.name} ended with {self.proc.returncode}:\n{self.log()[-3000:]}")
            return self.answers()
        wait_until(ready, 60, f"{self.name} to accept connections")

    def halt(self, mode="fast"):
        """Ends the server: smart, fast, or immediate."""
        self.thaw()
        self._forget_admin()
        if self.alive():
            self.proc.send_signal({"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
            self.proc.wait(60 * SLOW)

    def kill_hard(self):
        if self.alive():
            super().kill_hard()
        self.frozen = False

    def freeze(self):
        """SIGSTOP of the postmaster and then of everything it started."""
        self._forget_admin()
        os.kill(self.proc.pid, signal.SIGSTOP)
        self.frozen = True
        wait_until(lambda: stopped(self.proc.pid), 10, f"{self.name}'s postmaster to stop", interval=0.001)

        def all_stopped():
            running = [p for p in children(self.proc.pid) if not stopped(p)]
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            return not running
        wait_until(all_stopped, 10, f"{self.name}'s processes to stop", interval=0.001)

    def thaw(self):
        if not self.frozen:
            return
        self.frozen = False
        for pid in children(self.proc.pid) + [self.proc.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def remove(self):
        """Ends the server whatever its state and deletes its files; may be called again."""
        try:
            if self.alive():
                self.thaw()
                self._forget_admin()
                self.proc.send_signal(signal.SIGQUIT)
                try:
                    self.proc.wait(10 * SLOW)
                except subprocess.TimeoutExpired:
                    self.kill_hard()
        finally:
            with contextlib.suppress(OSError, IndexError), open(f"{self.data}/postmaster.pid") as f:  # left by kill -9, as is the segment that it names
                subprocess.run(["ipcrm", "-m", f.read().splitlines()[6].split()[1]], stderr=subprocess.DEVNULL, **run_as())
            shutil.rmtree(self.dir, ignore_errors=True)

    stop = remove

    def log(self):
        with contextlib.suppress(OSError), open(self.log_path, errors="replace") as f:
            return f.read()
        return ""

    # -- what it says
    def ask(self, text):
        """The first value, on a connection of its own that waits no longer than SILENT; raises when there is no answer."""
        with contextlib.closing(wire.Wire(self.socket_dir, self.port, timeout=SILENT)) as c:
            return c.login("postgres", "postgres").one(text)

    def answers(self):
        try:
            return self.ask("select true") == "t"
        except (OSError, wire.PgError, wire.Closed):
            return False

    def role(self):
        """"primary" or "replica" as the server says, "silent" when it runs but does not answer, "down" when there is none."""
        if not self.alive():
            return "down"
        try:
            return "replica" if self.ask("select pg_is_in_recovery()") == "t" else "primary"
        except (OSError, wire.PgError, wire.Closed):
            return "silent" if self.alive() else "down"

    def timeline(self):
        if self.one("select pg_is_in_recovery()") == "t":
            return int(self.one("select coalesce((select received_tli from pg_stat_wal_receiver), (select timeline_id from pg_control_checkpoint()))"))
        return int(self.one("select left(pg_walfile_name(pg_current_wal_lsn()), 8)"), 16)


class Cluster:
    def __init__(self, replicas=2):
        self.servers, self.leader, self.made, self.lock = [], 0, 0, threading.RLock()
        self.size = 1 + replicas
        self.rejoined_by = {}  # how each server last came back: "restart", "rewind" or "copy"

    # -- life
    def create(self):
        atexit.register(self.stop)
        try:
            self.servers = [Server(f"pg{i + 1}") for i in range(self.size)]
            first, *rest = self.servers
            first.initdb()
            for s in rest:  # never started: a copy is a backup
                subprocess.run(["cp", "-a", first.data, s.data], check=True)
            for s in self.servers:
                s.configure(None if s is first else first)
            for s in self.servers:
                s.spawn()
            first.wait_ready()
            self._make_slots()
            for statement in filter(None, (s.strip() for s in ROLES.split(";"))):
                first.sql(statement)
            first.sql("create database tmpl")
            first.sql("grant all on schema public to public", database="tmpl")
            for s in rest:
                s.wait_ready()
            self.wait_in_sync()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, i=None, mode="fast"):
        """Ends server i (smart, fast, immediate); without a number all of them, and removes them."""
        if i is not None:
            self.servers[i].halt(mode)
            return
        problems = []
        for s in self.servers:
            try:
                s.remove()
            except Exception as e:  # noqa: BLE001  (the others have to go as well)
                problems.append(f"{s.name}: {e}")
        self.servers = []
        atexit.unregister(self.stop)
        if problems:
            raise AssertionError("; ".join(problems))

    __enter__ = create

    def __exit__(self, *_):
        self.stop()

    def start(self, i):
        """Starts server i as what it was; see rejoin() for a former primary."""
        self.servers[i].start()

    def kill9(self, i):
        self.servers[i].kill_hard()

    def freeze(self, i):
        self.servers[i].freeze()

    def thaw(self, i):
        self.servers[i].thaw()

    # -- who is what
    @property
    def primary(self):
        return self.servers[self.leader]

    @property
    def replicas(self):
        """Numbers of all but the primary."""
        return [i for i in range(self.size) if i != self.leader]

    def number(self, port):
        """The number of the server with this port."""
        return [s.port for s in self.servers].index(int(port))

    def roles(self):
        return [s.role() for s in self.servers]

    def promote(self, i, follow=True):
        """pg_promote(); then the others that run as replicas follow i (not with follow=False). A primary that still runs is left alone: there are
        two then, the new one on the higher timeline."""
        new = self.servers[i]
        if new.one(f"select pg_promote(true, {int(60 * SLOW)})") != "t":
            raise AssertionError(f"{new.name} was not promoted:\n{new.log()[-2000:]}")
        wait_until(lambda: new.one("select pg_is_in_recovery()") == "f", 30, f"{new.name} to be the primary")
        self.leader = i
        new.configure(None)
        self._make_slots()
        if follow:
            for s in self.servers:
                if s is not new and s.role() == "replica":
                    self._follow(s)
        return new

    def _follow(self, server):
        server.configure(self.primary)
        server.proc.send_signal(signal.SIGHUP)

    def _make_slots(self):
        have = {r[0] for r in self.primary.sql("select slot_name from pg_replication_slots")}
        for s in self.servers:
            if s is not self.primary and s.name not in have:
                self.primary.sql(f"select pg_create_physical_replication_slot('{s.name}')")

    def rejoin(self, i, fresh=False):
        """Makes server i, whatever became of it, a replica of the primary: pg_rewind, or a copy (`fresh`, or when rewinding fails)."""
        server, primary = self.servers[i], self.primary
        if server is primary:
            raise AssertionError(f"{server.name} is the primary")
        if server.alive():
            server.halt("fast")
        primary.sql("checkpoint")  # pg_rewind reads the timeline from the control file
        self._make_slots()
        self.rejoined_by[i] = "copy" if fresh or not self._rewind(server) else "rewind"
        if self.rejoined_by[i] == "copy":
            shutil.rmtree(server.data, ignore_errors=True)
            subprocess.run([f"{bindir()}/pg_basebackup", "-h", primary.socket_dir, "-p", str(primary.port), "-U", "postgres", "-D", server.data, "-X", "stream",
                            "-c", "fast", "--no-sync"], check=True, cwd=server.dir, capture_output=True, timeout=120 * SLOW, **run_as())
        self._come_back(server)

    def _rewind(self, server):
        done = subprocess.run([f"{bindir()}/pg_rewind", "-D", server.data, "--no-sync",
                               f"--source-server=host={self.primary.socket_dir} port={self.primary.port} user=postgres dbname=postgres"],
                              cwd=server.dir, capture_output=True, timeout=120 * SLOW, **run_as())
        return done.returncode == 0

    def _come_back(self, server):
        server.configure(self.primary)
        server.start()
        self._make_slots()
        server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")  # of its time as primary: they would keep WAL
        self.wait_in_sync(only=[self.servers.index(server)])

    def switchover(self, to=None, mode="fast"):
        """The planned change: the primary stops in order, `to` (the next one) has all it wrote and is promoted, the old one follows it.
        Returns the seconds without a primary."""
        old, to = self.leader, (self.leader + 1) % self.size if to is None else to
        self.resume_replay(to)
        self.wait_in_sync(only=[to])
        self.primary.sql("checkpoint")  # a short one at the end
        began = time.monotonic()
        self.stop(old, mode)
        self.promote(to)
        gap = time.monotonic() - began
        self.rejoined_by[old] = "restart"
        self._come_back(self.servers[old])
        return gap

    # -- replication
    def wait_in_sync(self, timeout=30, only=None):
        """Waits until the replicas that run (or those numbered) have replayed all that the primary has written by now."""
        target = self.primary.one("select pg_current_wal_flush_lsn()")
        for i in self.replicas if only is None else only:
            s = self.servers[i]
            if only is None and (s.frozen or not s.alive()):
                continue

            def reached():
                return s.one(f"select coalesce(pg_last_wal_replay_lsn() >= '{target}', false) and exists(select from pg_stat_wal_receiver where status = 'streaming')") == "t"
            try:
                wait_until(reached, timeout, f"{s.name} to be in sync")
            except AssertionError as e:
                raise AssertionError(f"{e}\n{s.log()[-2000:]}") from None

    def pause_replay(self, i):
        """The replica goes on receiving and shows nothing of it."""
        self.servers[i].sql("select pg_wal_replay_pause()")
        wait_until(lambda: self.servers[i].one("select pg_get_wal_replay_pause_state()") == "paused", 30, "replay to be paused")

    def resume_replay(self, i):
        self.servers[i].sql("select pg_wal_replay_resume()")

    def lag_bytes(self, i):
        return int(self.servers[i].one(f"select '{self.primary.one('select pg_current_wal_flush_lsn()')}'::pg_lsn - pg_last_wal_replay_lsn()"))

    def heal(self):
        """Everything runs, one primary, the others in sync behind it; for the end of a test, whatever it did."""
        for s in self.servers:
            s.thaw()
        if not self.primary.alive():
            self.primary.start()
        wait_until(self.primary.answers, 60, "the primary to answer")
        if self.primary.one("select pg_is_in_recovery()") == "t":
            self.promote(self.leader)
        for i in self.replicas:
            s = self.servers[i]
            if s.upstream is self.primary and s.role() == "replica":
                self.resume_replay(i)
                try:
                    self.wait_in_sync(5, only=[i])
                    continue
                except (AssertionError, OSError, wire.PgError, wire.Closed):
                    pass
            self.rejoin(i)

    # -- for Weir: the primary in the place of a single cluster
    @property
    def host(self):
        return self.primary.host

    @property
    def port(self):
        return self.primary.port

    @property
    def socket_dir(self):
        return self.primary.socket_dir

    def connect(self, *args, **kw):
        return self.primary.connect(*args, **kw)

    def sql(self, text, database="postgres"):
        return self.primary.sql(text, database)

    def one(self, text, database="postgres"):
        return self.primary.one(text, database)

    def wait_ready(self):
        self.primary.wait_ready()

    def backends(self, database, where="true"):
        return self.primary.backends(database, where)

    def count(self, database, where="true"):
        """Client backends in a database, on all servers that answer."""
        return sum(s.count(database, where) for s in self.servers if s.alive() and not s.frozen)

    def take_database(self):
        with self.lock:
            self.made += 1
            name = f"t_{self.made}"
        self.primary.sql(f"create database {name} template tmpl")
        self.wait_in_sync()
        return name

    def give_database(self, name):
        if self.servers and self.primary.answers():  # else a test left it dead; the name is not used again
            self.primary.sql(f"drop database if exists {name} with (force)")
