"""Small things shared by the harness: bounded waits, ports, running as `postgres`, scaling under sanitizers."""
import contextlib
import os
import pwd
import socket
import time

# Under a sanitizer everything is about ten times slower: bounds grow, client counts shrink.
SLOW = float(os.environ.get("WEIR_SLOW", "1"))


def wait_until(predicate, timeout=30, what="condition", interval=0.02):
    """Polls `predicate` until it is true and returns its value; fails after `timeout` (scaled) seconds."""
    deadline = time.monotonic() + timeout * SLOW
    value = None
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {timeout * SLOW:.0f} s waiting for {what} (last value: {value!r})")
        time.sleep(interval)


def scaled(count, least=4):
    """A number of clients or rounds, made smaller when the pooler runs under a sanitizer."""
    return max(least, int(count / max(1.0, SLOW / 2)))


# Below those that the kernel gives to outgoing connections (ip_local_port_range), so that none of the clients of a test
# takes a port between its choice and its use.
FIRST_PORT, LAST_PORT, BLOCK_PORTS = 10000, 32000, 50
_blocks = []  # sockets whose abstract names say to all other runs which ports are ours
_free_ports = iter(())


def _take_block():
    """Ports that no other run on this machine uses: the name of a Unix socket is the claim to them, and ends with us."""
    count = (LAST_PORT - FIRST_PORT) // BLOCK_PORTS
    for i in range(count):
        number = (os.getpid() * 97 + i) % count
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0weir-test-ports-{number}")
        except OSError:
            claim.close()
            continue
        _blocks.append(claim)
        return iter(range(FIRST_PORT + number * BLOCK_PORTS, FIRST_PORT + (number + 1) * BLOCK_PORTS))
    raise AssertionError(f"no free ports from {FIRST_PORT} to {LAST_PORT}")


def free_port():
    """A port that is free on 127.0.0.1 now, was not handed out before in this run, and is handed out by no other run."""
    global _free_ports
    while True:
        for port in _free_ports:
            with socket.socket() as s:
                with contextlib.suppress(OSError):
                    s.bind(("127.0.0.1", port))
                    return port
        _free_ports = _take_block()


def run_as():
    """Popen arguments that make a child run as `postgres` when we are root (neither PostgreSQL nor the pooler runs as root)."""
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [g for g in os.getgrouplist("postgres", entry.pw_gid)]}


def tied(command, sig="KILL"):
    """The command, made to end with us even if we are killed."""
    return ["setpriv", "--pdeathsig", sig, *command]


def give_to_postgres(path):
    if os.getuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)


def process_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def rss_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError(f"no VmRSS for {pid}")


def cpu_seconds(pid):
    """User and system time used so far by a process."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stopped(pid):
    """Stands the process still, or is it gone? SIGSTOP takes its time, and each thread has its own."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] not in "TZ":
                    return False
    except OSError:
        pass
    return True
