"""Options of the sockets themselves: what the kernel says of those that the pooler has."""
import subprocess

from harness.case import Case, beyond_pgbouncer
from harness.wire import query


class Sockets(Case):
    settings = {}

    def of(self, task):
        """The options of the pooler's sockets of one task; TCP only."""
        found = [r["options"] for r in self.weir.sockets() if r["row"]["task"] == task and r["options"]]
        self.assertTrue(found)
        return found

    def connected(self, **options):
        self.start(**options)
        self.client().sql("select 1")
        return self.of("client") + self.of("server")

    def test_keepalive(self):
        for s in self.connected(tcp_keepidle=77, tcp_keepintvl=11, tcp_keepcnt=5):
            self.assertEqual((s["keepalive"], s["keepidle"], s["keepintvl"], s["keepcnt"], s["nodelay"]), (1, 77, 11, 5, 1))

    def test_no_keepalive(self):
        for s in self.connected(tcp_keepalive=0):
            self.assertEqual(s["keepalive"], 0)

    def test_defaults(self):
        """0 leaves it to the kernel."""
        for s in self.connected():
            with open("/proc/sys/net/ipv4/tcp_keepalive_time") as f:
                self.assertEqual((s["keepalive"], s["keepidle"], s["user_timeout"]), (1, int(f.read()), 0))

    def test_user_timeout(self):
        for s in self.connected(tcp_user_timeout=12345):
            self.assertEqual(s["user_timeout"], 12345)

    def test_socket_buffer(self):
        for s in self.connected(tcp_socket_buffer=20000):
            self.assertEqual((s["sndbuf"], s["rcvbuf"]), (40000, 40000))  # the kernel takes twice as much, for itself

    def test_defer_accept(self):
        """Whole seconds, by the kernel's steps of its SYN-ACK: 1, 3, 7 ..."""
        self.start(tcp_defer_accept=0)
        self.assertEqual({s["defer_accept"] for s in self.of("pooler")}, {0})
        self.start(tcp_defer_accept=7)
        self.assertEqual({s["defer_accept"] for s in self.of("pooler")}, {7})

    @beyond_pgbouncer
    def test_new_values_are_for_new_connections(self):
        self.start(tcp_keepidle=77)
        old = self.client()
        old.sql("select 1")
        self.weir.admin("set tcp_keepidle = 99")
        self.weir.admin("reconnect")
        new = self.client()
        new.sql("select 1")
        self.assertEqual(sorted(s["keepidle"] for s in self.of("client")), [77, 99])
        self.assertEqual({s["keepidle"] for s in self.of("server")}, {99})

    def test_listen_backlog(self):
        self.start(listen_backlog=17)
        out = subprocess.run(["ss", "-Hltn", f"sport = :{self.weir.port}"], capture_output=True, text=True, check=True).stdout
        self.assertEqual({line.split()[2] for line in out.splitlines()}, {"17"})


class Refused(Case):
    settings = {}

    def test_disable_pqexec(self):
        """The simple protocol ends the connection; the extended one goes on."""
        self.start(disable_pqexec=1)
        c = self.client()
        self.assertEqual(c.extended("select 1").check().value, "1")
        c.send(query("select 1"))
        self.fatal(c, "08P01", "PQexec disallowed")
        self.assertEqual(self.client().extended("select 2").check().value, "2")
        with self.weir.console() as console:
            self.assertTrue(console.run("show version").tags)
