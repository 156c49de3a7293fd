"""One run of the pooler under test: writes its files, starts it, looks at it, stops it.

The program is WEIR_BIN (run_all.py --weir). When that is Debian's PgBouncer, options it does not know are left out, so that
expectations of compatibility can be checked against the original.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import wire
from .util import SLOW, cpu_seconds, free_port, give_to_postgres, rss_kb, run_as, tied, wait_until

BIN = os.environ.get("WEIR_BIN", "")
IS_PGBOUNCER = os.path.basename(BIN) == "pgbouncer"
WORKERS = int(os.environ.get("WEIR_WORKERS", "2"))
FOLDS = {"workers": 1}  # whether they are folded, unless a test says so; Case changes it from test to test
NEWER_THAN_PGBOUNCER = {"max_prepared_statements", "max_db_client_connections", "max_user_client_connections", "transaction_timeout",
                        "query_wait_notify", "track_extra_parameters", "pool_idle_timeout", "login_notify_message", "scram_iterations"}
USERS = {name: "" for name in ("app", "app2", "app3", "admin", "stats", "u_scram", "u_md5", "u_plain", "repl")}
SANITIZER = re.compile(r"(ThreadSanitizer|AddressSanitizer|LeakSanitizer|runtime error:|internal bug|BUG:|CHECK failed|Assertion)")


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


class Weir:
    """Keyword arguments are options of [pgbouncer]; `databases` maps names to connection strings in which {pg} stands for host, port
    and dbname of this pooler's own database, {server} for host and port alone and {dbname} for its name alone. `backends` maps names to lines of
    [backends], `limits` maps names to the keys of [rate_limit:NAME], `peers` numbers to lines of [peers]. `files` maps names to texts of extra
    files in its folder, which is its working directory. `env` are additions to its environment."""

    def __init__(self, cluster, databases=None, users=None, userlist=None, weir=None, text=None, backends=None, limits=None, peers=None, files=None,
                 env=None, **options):
        self.cluster, self.proc = cluster, None
        self.dir = tempfile.mkdtemp(prefix="weir-it-")
        give_to_postgres(self.dir)
        os.chmod(self.dir, 0o755)
        self.dbname = cluster.take_database()
        self.host, self.port = "127.0.0.1", free_port()
        self.socket_dir = self.dir
        self.ini_path, self.userlist_path = f"{self.dir}/weir.ini", f"{self.dir}/userlist.txt"
        self.log_path = f"{self.dir}/weir.log"
        self.databases = databases if databases is not None else {"app": "{pg}"}
        self.backends = backends or {}
        self.limits = limits or {}
        self.peers = peers or {}
        self.files = files or {}
        self.env = env or {}
        self.console_secret = None  # of the user `admin`
        self.users, self.weir_section, self.text = users or {}, {"workers": WORKERS, "fold_workers": FOLDS["workers"], **(weir or {})}, text
        self.userlist = USERS if userlist is None else userlist
        self.options = {"listen_addr": "127.0.0.1,::1", "listen_port": self.port, "unix_socket_dir": self.socket_dir, "auth_type": "trust",
                        "auth_file": self.userlist_path, "admin_users": "admin", "stats_users": "stats", "pool_mode": "transaction",
                        "default_pool_size": 5, "max_client_conn": 2000, "server_tls_sslmode": "disable", "ignore_startup_parameters": "extra_float_digits",
                        "server_login_retry": 1, **options}
        self.expect_exit = (0,) if not IS_PGBOUNCER else (0, 1, -signal.SIGQUIT)
        self.write()

    # -- files
    def expand(self, text):
        server = f"host={self.cluster.host} port={self.cluster.port}"
        return text.replace("{pg}", f"{server} dbname={self.dbname}").replace("{server}", server).replace("{dbname}", self.dbname)

    def ini(self):
        if self.text is not None:
            return self.expand(self.text)
        lines = ["[databases]"] + [f"{name} = {self.expand(value)}" for name, value in self.databases.items()]
        options = {k: v for k, v in self.options.items() if v is not None and not (IS_PGBOUNCER and k in NEWER_THAN_PGBOUNCER)}
        if self.backends:
            lines += ["[backends]"] + [f"{name} = {value}" for name, value in self.backends.items()]
        if self.peers:
            lines += ["[peers]"] + [f"{number} = {value}" for number, value in self.peers.items()]
        if self.users:
            lines += ["[users]"] + [f"{name} = {value}" for name, value in self.users.items()]
        lines += ["[pgbouncer]"] + [f"{k} = {v}" for k, v in options.items()]
        if not IS_PGBOUNCER:
            lines += ["[weir]"] + [f"{k} = {v}" for k, v in self.weir_section.items()]
            for name, keys in self.limits.items():
                lines += [f"[rate_limit:{name}]"] + [f"{k} = {v}" for k, v in keys.items()]
        return "\n".join(lines) + "\n"

    def write(self):
        with open(self.ini_path, "w") as f:
            f.write(self.ini())
        with open(self.userlist_path, "w") as f:
            f.write("".join(f"{quoted(u)} {quoted(s)}\n" for u, s in self.userlist.items()))
        paths = [self.ini_path, self.userlist_path]
        for name, content in self.files.items():
            paths.append(f"{self.dir}/{name}")
            os.makedirs(os.path.dirname(paths[-1]), mode=0o755, exist_ok=True)
            with open(paths[-1], "w") as f:
                f.write(content)
        for path in paths:
            give_to_postgres(path)

    # -- process
    def spawn(self, *flags, before=(), env=None, pass_fds=()):
        """`before`: words in front of the program; `env`: more variables; `pass_fds`: descriptors to be inherited."""
        if not BIN:
            raise SystemExit("no pooler to test: give run_all.py --weir PATH (or WEIR_BIN)")
        env = {**os.environ, **self.env, **(env or {})}
        env.setdefault("TSAN_OPTIONS", "halt_on_error=0:exitcode=66:second_deadlock_stack=1")
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        log = open(self.log_path, "ab")
        self.proc = subprocess.Popen(tied([*before, BIN, *flags, self.ini_path]), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.dir, env=env,
                                     start_new_session=True, pass_fds=pass_fds, **run_as())
        log.close()
        return self

    def start(self, *flags, **more):
        self.spawn(*flags, **more)
        wait_until(self.accepting, 30, "the pooler to accept connections")
        return self

    def accepting(self):
        if self.proc.poll() is not None:
            raise AssertionError(f"the pooler ended at start with {self.proc.returncode}:\n{self.log()[-4000:]}")
        # That the kernel takes a connection only says that the socket listens, which is before the workers exist. An answer says that one runs.
        try:
            with contextlib.closing(wire.Wire(self.host, self.port).sock) as sock:
                sock.sendall(wire.SSL_REQUEST)
                return sock.recv(1) != b""
        except OSError:
            return False

    @property
    def pid(self):
        return self.proc.pid

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def signal(self, number):
        self.proc.send_signal(number)

    def wait_exit(self, timeout=30):
        try:
            return self.proc.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the pooler did not end within {timeout * SLOW:.0f} s:\n{self.log()[-2000:]}") from None

    def stop(self):
        """Ends the pooler, gives its database back, and raises when it died, leaked or was caught by a sanitizer."""
        try:
            problems = self._end()
        finally:
            self.cluster.give_database(self.dbname)
            if os.environ.get("WEIR_KEEP_LOGS") and os.path.exists(self.log_path):
                shutil.copy(self.log_path, os.environ["WEIR_KEEP_LOGS"] + f"/{os.path.basename(self.dir)}-{self.port}.log")
            shutil.rmtree(self.dir, ignore_errors=True)
        if problems:
            raise AssertionError(problems)

    def _end(self):
        if self.proc is None:
            return None
        ended_before = self.proc.poll()
        if ended_before is None:
            self.proc.send_signal(signal.SIGTERM)  # ends when the last client has gone; once more = at once
            again = []

            def gone():
                if self.proc.poll() is None and time.monotonic() > began + 2 * SLOW * (1 + len(again)):
                    self.proc.send_signal(signal.SIGTERM)
                    again.append(1)
                return self.proc.poll() is not None
            began = time.monotonic()
            try:
                wait_until(gone, 20, "the pooler to end", interval=0.01)
            except AssertionError as e:
                self.proc.kill()
                self.proc.wait()
                return f"{e}\n{self.log()[-4000:]}"
        log = self.log()
        found = SANITIZER.search(log)
        if found:
            return f"the pooler's log holds {found.group(0)!r}:\n{log[max(0, found.start() - 500):found.start() + 6000]}"
        if self.proc.returncode not in self.expect_exit:
            return f"the pooler ended {'early ' if ended_before is not None else ''}with {self.proc.returncode}:\n{log[-4000:]}"
        return None

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def wait_log(self, what, count=1):
        """Waits until the log, which a thread of its own writes, holds `what` (a text or a compiled pattern) `count` times; gives the log.
        Lines keep their order: what is not there then was not logged before the line that was waited for."""
        def found():
            log = self.log()
            return log if (len(what.findall(log)) if isinstance(what, re.Pattern) else log.count(what)) >= count else None
        try:
            return wait_until(found, 30, "the log")
        except AssertionError:
            raise AssertionError(f"{what!r} is not {count} times in the log:\n{self.log()[-4000:]}") from None

    def rss_kb(self):
        return rss_kb(self.pid)

    def cpu(self):
        return cpu_seconds(self.pid)

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    # -- connections
    def connect(self, user="app", database="app", secret=None, host=None, port=None, timeout=wire.TIMEOUT, rcvbuf=None, **params):
        w = wire.Wire(host or self.host, port or self.port, timeout, rcvbuf)
        try:
            return w.login(user, database, secret, **params)
        except BaseException:
            w.drop()
            raise

    def console(self, user="admin", database="pgbouncer", **params):
        return self.connect(user, database, **{"secret": self.console_secret, **params})

    def admin(self, command):
        with self.console() as c:
            return c.run(command).check()

    def show(self, what, **match):
        """Rows of SHOW as dicts, those whose columns equal `match`."""
        reply = self.admin(f"show {what}")
        names = [n for n, _ in reply.columns]
        rows = [dict(zip(names, r)) for r in reply.rows]
        return [r for r in rows if all(r[k] == v for k, v in match.items())]

    def sockets(self):
        """SHOW FDS as the pooler's own system user sees it, with what the descriptors are: see fds.py."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fds.py")
        done = subprocess.run([sys.executable, script, self.socket_dir, str(self.port)], capture_output=True, text=True, cwd="/", **run_as())
        if done.returncode:
            raise AssertionError(f"fds.py: {done.stderr}")
        return json.loads(done.stdout)

    def pool(self, database="app", user="app"):
        """The row of SHOW POOLS with numbers as numbers."""
        rows = self.show("pools", database=database, user=user)
        if not rows:
            return None
        return {k: int(v) if v is not None and v.isdigit() else v for k, v in rows[0].items()}

    def wait_pool(self, timeout=30, database="app", user="app", **want):
        def reached():
            row = self.pool(database, user)
            return row and all(row[k] == v for k, v in want.items())
        try:
            wait_until(reached, timeout, f"pool {database}/{user} to show {want}", interval=0.05)
        except AssertionError as e:
            raise AssertionError(f"{e}; it shows {self.pool(database, user)}") from None

    def wait_waiting(self, count, **kw):
        self.wait_pool(cl_waiting=count, **kw)

    def count(self, where="true"):
        """Server connections of this pooler as PostgreSQL counts them."""
        return self.cluster.count(self.dbname, where)

    def reload(self, **options):
        self.options.update(options)
        self.write()
        self.admin("reload")

    def url(self, user="app", database="app", secret=None):
        return f"postgresql://{user}{':' + secret if secret else ''}@{self.host}:{self.port}/{database}"

    def dsn(self, user="app", database="app", secret=None, **more):
        parts = {"host": self.host, "port": self.port, "user": user, "dbname": database, **({"password": secret} if secret else {}), **more}
        return " ".join(f"{k}={v}" for k, v in parts.items())

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
