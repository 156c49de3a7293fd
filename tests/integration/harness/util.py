"""Small things shared by the harness: bounded waits, ports, running as `postgres`, scaling under sanitizers."""
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
# takes a port between its choice and its use; runs side by side begin in different places.
FIRST_PORT, LAST_PORT = 10000, 32000
_next_port = FIRST_PORT + os.getpid() * 97 % (LAST_PORT - FIRST_PORT)


def free_port():
    """A port that is free on 127.0.0.1 now and was not handed out before in this run."""
    global _next_port
    for _ in range(FIRST_PORT, LAST_PORT):
        port = _next_port
        _next_port = FIRST_PORT + (port + 1 - FIRST_PORT) % (LAST_PORT - FIRST_PORT)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no free port from {FIRST_PORT} to {LAST_PORT}")


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
