"""What bench/run measures with: throwaway processes, the contestants, the load generator.

Every process is started through Processes, which keeps its pid and ends it by that pid, last
started first; each also asks the kernel for a signal when bench/run itself dies.
Everything listens on 127.0.0.1 only.
"""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

POOL_SIZE = 20
FORWARDED_POSTGRES_CLIENTS_MAX = 100
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """A process did not do what it was started for; the message is for people."""


def unprivileged_user():
    """PgBouncer and PostgreSQL refuse to run as root; None means: as we are."""
    if os.geteuid() != 0:
        return None
    known = pathlib.Path("/etc/passwd").read_text(encoding="utf-8")
    return "postgres" if re.search("^postgres:", known, re.M) else "nobody"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def rss_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M).group(1))


def cpu_ns(pid):
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text(encoding="utf-8").split()[0])
    return total


def family(pid):
    """A process and its descendants: PostgreSQL's backends follow their postmaster."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def set_cpus(pid, cpus):
    for process in family(pid):
        try:
            for task in os.listdir(f"/proc/{process}/task"):
                os.sched_setaffinity(int(task), cpus)
        except (FileNotFoundError, ProcessLookupError):
            continue  # It has just ended.


class Placement:
    """Who runs on which cores.

    auto   everybody anywhere, except that with one client all run on one core: only one of them
           has anything to do at a time, and whether the scheduler puts them on one core or two
           decides more than the proxy does (a factor of 3 in CPU time on a virtual machine).
    one    everybody on one core, always: the most repeatable CPU figures.
    split  the proxy on the upper half of the cores, everybody else on the lower.
    none   no pinning at all.
    """

    POLICIES = ("auto", "one", "split", "none")

    def __init__(self, policy):
        self.policy = policy
        self.all = sorted(os.sched_getaffinity(0))

    def cpus(self, scenario):
        """(of the proxy, of everybody else)"""
        half = len(self.all) // 2
        alone = scenario.clients == 1 and scenario.work != "stream"
        if self.policy == "one" or (self.policy == "auto" and alone):
            return self.all[-1:], self.all[-1:]
        if self.policy == "split" and half > 0:
            return self.all[half:], self.all[:half]
        return self.all, self.all


class Processes:
    """Starts processes and, at the latest in end_all(), ends them."""

    def __init__(self, directory):
        self.directory = directory
        self.user = unprivileged_user()
        self.started = []

    def options(self, drop, end_signal, cpus=None):
        def before_exec():
            LIBC.prctl(PR_SET_PDEATHSIG, end_signal)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # A shell's background jobs ignore it.
            if cpus:
                os.sched_setaffinity(0, cpus)

        options = {"preexec_fn": before_exec, "cwd": self.directory}
        if drop and self.user:
            options |= {"user": self.user, "group": self.user_group(), "extra_groups": []}
        return options

    def user_group(self):
        return subprocess.run(["id", "-gn", self.user], check=True, capture_output=True,
                              text=True).stdout.strip()

    def start(self, name, command, drop=True, end_signal=signal.SIGTERM, cpus=None, **streams):
        if not streams:
            with open(self.directory / f"{name}.log", "ab") as log:
                return self.start(name, command, drop, end_signal, cpus, stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log)
        process = subprocess.Popen([str(word) for word in command],
                                   **self.options(drop, end_signal, cpus), **streams)
        process.bench_name, process.end_signal = name, end_signal
        self.started.append(process)
        return process

    def run(self, command, **options):
        """To its end, unprivileged; its output is returned."""
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                                timeout=120, check=False,
                                **self.options(True, signal.SIGKILL), **options)
        if result.returncode != 0:
            raise BenchError(f"{command[0]} failed: {result.stderr.strip()}")
        return result.stdout

    def certificate(self):
        """Paths of a certificate and its key (P-256, signed by itself), made when first wanted."""
        paths = self.directory / "server.crt", self.directory / "server.key"
        if not paths[0].exists():
            self.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                      "/CN=localhost", "-out", paths[0], "-keyout", paths[1]])
        return paths

    def end(self, process):
        if process in self.started:
            self.started.remove(process)
        for number, seconds in ((process.end_signal, 10), (signal.SIGKILL, 5)):
            if process.poll() is not None:
                return
            process.send_signal(number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue

    def end_all(self):
        while self.started:
            self.end(self.started[-1])

    def log_tail(self, name):
        log = self.directory / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""


class InstantBackend:
    name = "instant"

    def __init__(self, processes, programs, threads):
        self.port = free_port()
        self.process = processes.start(
            "instant-backend",
            [programs / "weir-instant-backend", "--port", self.port, "--threads", threads])
        wait_until(lambda: answers(self.port), 5, "the instant backend")


class PostgresBackend:
    name = "postgres"

    def __init__(self, processes, programs, threads):
        del programs, threads
        self.port = free_port()
        bin_directory = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                            key=lambda path: int(path.parts[-3]), default=None)
        if bin_directory is None:
            raise BenchError("no PostgreSQL below /usr/lib/postgresql")
        bin_directory = bin_directory.parent
        data = processes.directory / "pgdata"
        processes.run([bin_directory / "initdb", "-D", data, "-U", "postgres", "-A", "trust",
                       "--no-sync", "-E", "UTF8", "--locale=C"])
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "max_connections": 400,
                    "unix_socket_directories": processes.directory, "fsync": "off",
                    "shared_buffers": "128MB", "autovacuum": "off", "jit": "off"}
        command = [bin_directory / "postgres", "-D", data]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        self.process = processes.start("postgres", command, end_signal=signal.SIGINT)
        wait_until(lambda: answers(self.port), 30, "PostgreSQL")
        sql = ["create role bench login", "create database bench owner bench"]
        for attempt in range(50):
            try:
                processes.run([bin_directory / "psql", "-h", "127.0.0.1", "-p", self.port, "-U",
                               "postgres", "-d", "postgres", "-q", "-c", sql[0], "-c", sql[1]])
                break
            except BenchError as error:  # "the database system is starting up"
                if attempt == 49 or "starting up" not in str(error):
                    raise
                time.sleep(0.1)


BACKENDS = {"instant": InstantBackend, "postgres": PostgresBackend}


class Contestant:
    """Something to put between the load generator and a backend. It is started when first needed
    and then stays, so that a run begins with warm pools; while others run it sleeps."""

    def __init__(self, processes, name):
        self.processes, self.name = processes, name
        self.process = self.backend = self.port = None
        self.is_tls = False  # clients are let in with TLS

    def command(self):
        raise NotImplementedError

    def is_asked_for(self, scenario):
        """Has it anything to say there?"""
        del scenario
        return True

    def unfit_for(self, scenario):
        """Why it cannot take part, or None."""
        del scenario
        return None

    def note_for(self, scenario):
        del scenario
        return ""

    def copy(self):
        raise NotImplementedError

    def log_name(self):
        return re.sub(r"[^a-z0-9]+", "-", f"{self.name} {self.backend.name}") + (
            "-tls" if self.is_tls else "")

    def start(self, backend):
        self.backend, self.port = backend, free_port()
        name = self.log_name()
        self.process = self.processes.start(name, self.command())

        def ready():
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended at start: {self.processes.log_tail(name)}")
            return answers(self.port)

        wait_until(ready, 10, self.name)
        return self

    def end(self):
        if self.process:
            self.processes.end(self.process)
            self.process = None

    def write_pooler_config(self, extra="", **settings):
        """A pgbouncer.ini that both poolers read."""
        path = self.processes.directory / f"{self.log_name()}-{self.port}.ini"
        users = self.processes.directory / "userlist.txt"
        users.write_text('"bench" ""\n', encoding="utf-8")
        settings = {"listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "",
                    "auth_type": "trust", "auth_file": users, "pool_mode": "transaction",
                    "default_pool_size": POOL_SIZE, "max_client_conn": 12000,
                    "listen_backlog": 4096, "server_tls_sslmode": "disable",
                    "log_connections": 0, "log_disconnections": 0} | settings
        if self.is_tls:
            certificate, key = self.processes.certificate()
            settings |= {"client_tls_sslmode": "require", "client_tls_cert_file": certificate,
                         "client_tls_key_file": key}
        lines = ["[databases]",
                 f"bench = host=127.0.0.1 port={self.backend.port} dbname=bench", "[pgbouncer]"]
        lines += [f"{key} = {value}" for key, value in settings.items()]
        path.write_text("\n".join(lines) + "\n" + extra, encoding="utf-8")
        return path


class Forwarder(Contestant):
    def __init__(self, processes, programs, threads=1):
        super().__init__(processes, "forwarder" if threads == 1 else f"forwarder-{threads}")
        self.programs, self.threads = programs, threads

    def copy(self):
        return Forwarder(self.processes, self.programs, self.threads)

    def command(self):
        return [self.programs / "weir-forwarder", "--port", self.port, "--backend-port",
                self.backend.port, "--threads", self.threads]

    def unfit_for(self, scenario):
        if scenario.is_tls:
            return "knows nothing of TLS"
        if scenario.backend == "postgres" and scenario.clients > FORWARDED_POSTGRES_CLIENTS_MAX:
            return "pools nothing: would need a PostgreSQL process per client"
        return None


class PgBouncer(Contestant):
    def __init__(self, processes, pool_mode="transaction"):
        super().__init__(processes, "pgbouncer")
        self.program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if self.program is None:
            raise BenchError("pgbouncer is not installed")
        text = subprocess.run([self.program, "--version"], capture_output=True, text=True,
                              check=True).stdout
        self.version = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
        self.pool_mode = pool_mode
        self.knows_prepared = self.version >= (1, 21)

    def copy(self):
        return PgBouncer(self.processes, self.pool_mode)

    def log_name(self):
        return super().log_name() + "-" + self.pool_mode

    def command(self):
        settings = {"pool_mode": self.pool_mode}
        if self.knows_prepared:
            settings["max_prepared_statements"] = 200
        return [self.program, self.write_pooler_config(**settings)]

    def needs_session_mode(self, scenario):
        return scenario.work == "prepared" and not self.knows_prepared

    def unfit_for(self, scenario):
        if self.needs_session_mode(scenario) and scenario.clients > POOL_SIZE:
            return (f"{'.'.join(map(str, self.version))} knows prepared statements only in session "
                    "mode, one server connection per client")
        return None

    def note_for(self, scenario):
        return "session mode" if self.needs_session_mode(scenario) else ""


class Weir(Contestant):
    def __init__(self, processes, name, program, workers):
        super().__init__(processes, name)
        self.program, self.workers = program, workers

    def copy(self):
        return type(self)(self.processes, self.name, self.program, self.workers)

    def settings(self):
        return {"max_prepared_statements": 200}

    def command(self):
        extra = f"[weir]\nworkers = {self.workers}\n"
        return [self.program, self.write_pooler_config(extra, **self.settings())]


class WeirInSessionMode(Weir):
    """Beside a PgBouncer that knows prepared statements only in session mode: like with like."""

    def settings(self):
        return {"pool_mode": "session"}

    def is_asked_for(self, scenario):
        return scenario.work == "prepared" and scenario.clients <= POOL_SIZE

    def note_for(self, scenario):
        return "session mode"


class Load:
    """Runs weir-load against a contestant."""

    def __init__(self, processes, programs, threads, placement):
        self.processes, self.program, self.threads = processes, programs / "weir-load", threads
        self.placement = placement

    def command(self, contestant, scenario, *more):
        command = [self.program, "--port", contestant.port, "--mode", scenario.work, "--clients",
                   scenario.clients, "--threads", self.threads, "--timeout", 60, *more]
        command += ["--watch", contestant.process.pid]
        if scenario.is_tls:
            command += ["--tls"]
        if scenario.work == "stream":
            command += ["--rows", scenario.rows]
        return [str(word) for word in command]

    def start(self, contestant, scenario, *more):
        proxy_cpus, other_cpus = self.placement.cpus(scenario)
        set_cpus(contestant.process.pid, proxy_cpus)
        set_cpus(contestant.backend.process.pid, other_cpus)
        return self.processes.start(
            "load", self.command(contestant, scenario, *more), cpus=other_cpus,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, process, line, contestant):
        """The JSON line as a dictionary; the watched process's figures move up into it."""
        if not line.startswith("{"):
            self.processes.end(process)
            raise BenchError(f"weir-load said nothing: {process.stderr.read().strip()}")
        result = json.loads(line)
        result |= result.pop("watch")[0]
        if contestant.process.poll() is not None:
            log = self.processes.log_tail(contestant.log_name())
            raise BenchError(f"{contestant.name} died under load: {log}")
        return result

    def measure(self, contestant, scenario, seconds, warmup):
        if scenario.work == "stream":
            limits = []
        else:
            limits = ["--seconds", seconds, "--warmup", warmup]
        process = self.start(contestant, scenario, *limits)
        try:
            out, errors = process.communicate(timeout=seconds + warmup + 200)
        finally:
            self.processes.end(process)
        result = self.result(process, out, contestant) if out else None
        if result is None:
            raise BenchError(f"weir-load failed: {errors.strip()}")
        if errors.strip():
            result["message"] = errors.strip()
        return result

    def hold(self, contestant, scenario, *more):
        """Logs in, warms up, waits; the caller then calls go() once and release()."""
        process = self.start(contestant, scenario, "--hold", *more)
        self.expect(process, "READY")
        return process

    def expect(self, process, start):
        line = process.stdout.readline()
        if not line.startswith(start):
            self.processes.end(process)
            raise BenchError(f"weir-load: {process.stderr.read().strip() or 'ended early'}")
        return line

    def go(self, process, contestant):
        process.stdin.write("\n")
        process.stdin.flush()
        return self.result(process, self.expect(process, "{"), contestant)

    def release(self, process):
        try:
            process.communicate("\n", timeout=20)
        finally:
            self.processes.end(process)


class SyscallCounter:
    """Counts system calls per transaction (of a stream: per MB) in runs of their own.

    strace tells them by name, but slows the traced process by an order of magnitude: with many
    clients it then finds more events per epoll_wait than it ever would. perf, where it works,
    counts at full speed. Nothing but the count is used of either run.
    """

    def __init__(self, processes, load):
        self.processes, self.load = processes, load
        probe = ["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"]
        self.perf_works = shutil.which("perf") is not None and subprocess.run(
            probe, capture_output=True, check=False).returncode == 0

    def by_name(self, contestant, scenario):
        """{system call: number}, or None if it cannot be had."""
        pid = contestant.process.pid
        counted = self.count(contestant, scenario, 2000, ["strace", "-f", "-c", "-p", pid, "-o"],
                             lambda tracer: self.is_traced(pid, tracer))
        if counted is None:
            return None
        table, unit = counted
        calls = {}
        for line in table.splitlines():
            words = line.split()
            if len(words) in (5, 6) and words[3].isdigit() and words[-1] != "total":
                calls[words[-1]] = round(int(words[3]) / unit, 3)
        return calls

    def at_full_speed(self, contestant, scenario):
        if not self.perf_works:
            return None
        attached = time.monotonic() + 0.6  # login and warm-up included; perf says nothing itself
        counted = self.count(contestant, scenario, 10000,
                             ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p",
                              contestant.process.pid, "-o"],
                             lambda _: time.monotonic() > attached)
        if counted is None:
            return None
        found = re.search(r"^(\d+),.*sys_enter", counted[0], re.M)
        return round(int(found.group(1)) / counted[1], 3) if found else None

    def count(self, contestant, scenario, transactions, tracer_command, is_attached):
        """(what the tracer wrote, transactions or MB), or None."""
        transactions = {"stream": 1, "connect": 300}.get(
            scenario.work, max(transactions, 3 * scenario.clients))
        limits = ["--transactions", transactions]
        if scenario.work not in ("stream", "connect"):
            limits += ["--warmup", 0.2]
        with tempfile.NamedTemporaryFile(dir=self.processes.directory) as table:
            client = self.load.hold(contestant, scenario, *limits)
            tracer = self.processes.start(tracer_command[0], [*tracer_command, table.name],
                                          drop=False, end_signal=signal.SIGINT)
            try:
                wait_until(lambda: is_attached(tracer), 5, tracer_command[0])
                result = self.load.go(client, contestant)
            except BenchError as error:
                print(f"  no system calls for {contestant.name}: {error}")
                return None
            finally:
                self.processes.end(tracer)
                self.load.release(client)
            unit = result["bytes"] / 1e6 if scenario.work == "stream" else result["transactions"]
            return pathlib.Path(table.name).read_text(encoding="utf-8"), max(unit, 1)

    @staticmethod
    def is_traced(pid, tracer):
        if tracer.poll() is not None:
            raise BenchError("strace ended at once")
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            status = (task / "status").read_text(encoding="utf-8")
            if re.search(r"^TracerPid:\s+0$", status, re.M):
                return False
        return True


def measure_idle(load, contestant, scenario, settle_seconds=1.0):
    """Memory per idle client and CPU while all are idle, on a fresh process."""
    one = type(scenario)(scenario.backend, ("tls-" if scenario.is_tls else "") + "simple", 1)
    load.measure(contestant, one, 0.1, 0)  # pools, first buffers, lazily loaded pages
    pid = contestant.process.pid
    empty_kb = rss_kb(pid)
    many = type(scenario)(scenario.backend, ("tls-" if scenario.is_tls else "") + "simple",
                          scenario.clients)
    client = load.hold(contestant, many, "--transactions", scenario.clients)
    logged_in_kb = rss_kb(pid)
    result = load.go(client, contestant)
    used_kb = rss_kb(pid)
    before_ns, before = cpu_ns(pid), time.monotonic()
    time.sleep(settle_seconds)
    idle_cpu_us = (cpu_ns(pid) - before_ns) / 1e3
    idle_seconds = time.monotonic() - before
    load.release(client)
    return {
        "connected": result["connected"], "errors": result["errors"], "rss_empty_kb": empty_kb,
        "rss_kb": used_kb,
        "kb_per_client": round((logged_in_kb - empty_kb) / scenario.clients, 3),
        "kb_per_used_client": round((used_kb - empty_kb) / scenario.clients, 3),
        "idle_cpu_us_per_s": round(idle_cpu_us / idle_seconds, 1),
    }


def summarize(rounds):
    """Medians of the rounds; of CPU figures the minimum, since disturbance only ever adds."""
    summary = {}
    for key in rounds[0].keys() - {"round"}:
        values = [one[key] for one in rounds if isinstance(one.get(key), (int, float))]
        if values:
            summary[key] = min(values) if "cpu_us" in key else statistics.median(values)
    summary["errors"] = sum(one.get("errors", 0) for one in rounds)
    return summary
