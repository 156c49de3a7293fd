"""Several processes on one port (so_reuseport): a rolling restart turns nobody away."""
import os
import re
import signal
import subprocess
import tempfile
import threading

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, wait_until
from harness.util import free_port, run_as, tied
from harness.weir import Weir


class Fleet(Case):
    def fleet(self, count, **options):
        """Poolers that share a port; each has files and a Unix socket of its own, through which the harness looks at it."""
        port = free_port()
        out = []
        for _ in range(count):
            w = Weir(self.pg, so_reuseport=1, listen_addr="127.0.0.1", **options)
            self.addCleanup(w.stop)
            w.port, w.host = port, w.socket_dir
            w.options["listen_port"] = port
            w.databases = {"app": f"host={self.pg.host} port={self.pg.port} dbname={out[0].dbname if out else w.dbname}"}
            w.write()
            out.append(w.start())
        self.weir = out[0]
        return out


def listening(port):
    """How many sockets of this machine listen on 127.0.0.1:port."""
    with open("/proc/net/tcp") as f:
        return sum(row.split()[1] == f"0100007F:{port:04X}" and row.split()[3] == "0A" for row in f)


class Load:
    """pgbench again and again until it is told to end; `flags` say how it connects."""

    def __init__(self, port, script, *flags):
        self.command = [*tied(["pgbench"]), "-n", "-h", "127.0.0.1", "-p", str(port), "-U", "app", "-f", script, *flags, "app"]
        self.is_over, self.transactions, self.runs = threading.Event(), 0, 0

    def run(self):
        while not self.is_over.is_set():
            ran = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **run_as())
            if ran.returncode != 0 or "number of failed transactions: 0 " not in ran.stdout or "error" in ran.stdout:
                raise AssertionError(f"{' '.join(self.command)} ended with {ran.returncode}:\n{ran.stdout}")
            self.transactions += int(re.search(r"number of transactions actually processed: (\d+)", ran.stdout).group(1))
            self.runs += 1


@beyond_pgbouncer
class Rolling(Fleet):
    def test_connections_reach_all(self):
        fleet = self.fleet(3)
        clients = [fleet[0].connect(host="127.0.0.1") for _ in range(60)]
        for c in clients:
            self.addCleanup(c.close)
            self.assertEqual(c.one("select 1"), "1")
        counts = [len(w.show("clients", database="app")) for w in fleet]
        self.assertEqual(sum(counts), 60)
        self.assertGreater(min(counts), 0, counts)

    def test_clients_that_have_said_nothing_yet(self):
        """The kernel does not tell of them (tcp_defer_accept), and would reset them with the socket."""
        fleet = self.fleet(2)
        silent = [wire.Wire("127.0.0.1", fleet[0].port) for _ in range(20)]
        fleet[0].signal(signal.SIGTERM)
        wait_until(lambda: listening(fleet[0].port) == 1, 30, "the socket to be closed")
        for w in silent:
            with w.login("app", "app") as c:
                self.assertEqual(c.one("select 1"), "1")
        self.assertEqual(fleet[0].wait_exit(60), 0)
        fleet[0].start()

    def test_restart_under_load(self):
        fleet = self.fleet(3)
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write("select 40 + 2;\n")
            script.flush()
            os.chmod(script.name, 0o644)
            port = fleet[0].port
            anew = Load(port, script.name, "-C", "-c", "6", "-j", "2", "-T", "2")
            kept = Load(port, script.name, "-c", "6", "-j", "2", "-T", "2")
            with background(anew.run), background(kept.run):
                try:
                    for _ in range(2):
                        for w in fleet:
                            w.signal(signal.SIGTERM)
                            self.assertEqual(w.wait_exit(60), 0)
                            w.start()
                finally:
                    anew.is_over.set()
                    kept.is_over.set()
        self.assertGreater(anew.transactions, 100)
        self.assertGreater(kept.transactions, 100)
        for w in fleet:
            self.assertNotIn("cannot hold back", w.log())
        self.assert_serves(host="127.0.0.1")
