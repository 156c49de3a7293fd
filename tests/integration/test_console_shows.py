"""SOCKETS, FDS and the other tables of the console with real connections behind them."""
import os
import subprocess

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.weir import BIN
from harness.wire import query

S, I, Q, B = 25, 23, 20, 17  # type oids: text, int4, int8, bytea
BUFFERS = "recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail".split()


class Shown(Case):
    def admin_rows(self, what):
        reply = self.weir.admin(f"show {what}")
        return [dict(zip([n for n, _ in reply.columns], row)) for row in reply.rows], [t for _, t in reply.columns]

    def of(self, rows, c):
        [row] = [r for r in rows if r["port"] == str(c.sock.getsockname()[1])]
        return row


@beyond_pgbouncer
class Sockets(Shown):
    settings = {}

    def test_sockets(self):
        idle, block, login = self.client(), self.client(), self.raw()
        block.sql("begin")
        login.send(wire.SSL_REQUEST)
        self.assertEqual(login.recv_exact(1), b"N")
        rows, types = self.admin_rows("sockets")
        self.assertEqual(list(rows[0])[-7:], BUFFERS)
        self.assertEqual((len(types), types[-7:]), (28, [I] * 7))
        self.assertEqual({self.of(rows, c)["state"] for c in (idle, block)}, {"cl_active"})
        self.assertEqual(self.of(rows, login)["state"], "cl_login")
        self.assertEqual((self.of(rows, login)["user"], self.of(rows, login)["database"]), ("(nouser)", "(nodb)"))
        self.assertIn("sv_active", {r["state"] for r in rows})
        self.assertTrue(all(r["database"] == "pgbouncer" or r["tls"] == "" for r in rows))
        block.sql("commit")
        wait_until(lambda: {r["state"] for r in self.admin_rows("sockets")[0] if r["type"] == "S"} == {"sv_idle"}, 30, "the server to be idle")

    def test_active_sockets(self):
        self.start()
        c = self.client()
        c.sql("begin")
        self.assertEqual(self.admin_rows("active_sockets")[0], [])
        c.send(query("select 1")[:3])
        wait_until(lambda: self.admin_rows("active_sockets")[0], 30, "the bytes to be seen")
        [row] = self.admin_rows("active_sockets")[0]
        self.assertEqual((row["state"], row["recv_pos"], row["pkt_avail"]), ("cl_active", "3", "3"))
        c.send(query("select 1")[3:])
        self.assertEqual(c.collect().check().value, "1")
        self.assertEqual(self.admin_rows("active_sockets")[0], [])

    def test_client_that_waits(self):
        self.start(default_pool_size=1)
        a, b = self.clients(2)
        a.sql("begin")
        b.send(query("select 1"))
        self.weir.wait_waiting(1)
        row = self.of(self.admin_rows("active_sockets")[0], b)
        self.assertEqual((row["state"], int(row["pkt_avail"])), ("cl_waiting", len(query("select 1"))))

    def test_unix_socket(self):
        """addr is `unix`, and the process at the other end is known."""
        self.start()
        c = self.client(host=self.weir.socket_dir)
        c.sql("select 1")
        [row] = [r for r in self.weir.show("clients") if r["addr"] == "unix"]
        self.assertEqual((row["remote_pid"], row["port"]), (str(os.getpid()), str(self.weir.port)))


class Fds(Shown):
    settings = {}
    COLUMNS = ("fd task user database addr port cancel link client_encoding std_strings datestyle timezone password scram_client_key scram_server_key").split()

    @subset("asan")
    def test_descriptors_are_passed(self):
        idle, block, unix = self.client(), self.client(), self.client(host=self.weir.socket_dir)
        unix.sql("select 1")
        block.sql("begin")
        rows = self.weir.sockets()
        tasks = [r["row"]["task"] for r in rows]
        self.assertEqual(tasks.count("pooler"), 3)
        self.assertEqual(tasks.count("client"), 3)
        self.assertTrue(all(r["listens"] == (r["row"]["task"] == "pooler") for r in rows), rows)
        [mine] = [r for r in rows if r["row"]["port"] == str(idle.sock.getsockname()[1])]
        self.assertEqual((mine["peer"], mine["local"]), (list(idle.sock.getsockname()), list(idle.sock.getpeername())))
        self.assertEqual((mine["row"]["user"], mine["row"]["database"], mine["row"]["addr"], mine["row"]["link"]), ("app", "app", "127.0.0.1", "0"))
        self.assertEqual(int(mine["row"]["cancel"]).to_bytes(8, "big"), idle.key)
        [linked] = [r for r in rows if r["row"]["port"] == str(block.sock.getsockname()[1])]
        [server] = [r for r in rows if r["row"]["task"] == "server" and r["row"]["fd"] == linked["row"]["link"]]
        self.assertEqual(server["row"]["link"], linked["row"]["fd"])
        self.assertEqual(server["peer"], [self.pg.host, self.pg.port])
        for r in (mine, server):
            self.assertEqual((r["row"]["client_encoding"], r["row"]["std_strings"]), ("UTF8", "on"))
            self.assertEqual((r["row"]["password"], r["row"]["scram_client_key"], r["row"]["scram_server_key"]), (None, None, None))
        self.assertEqual(block.run("commit").check().tags, ["COMMIT"])
        self.assertEqual(idle.one("select 1"), "1")

    @beyond_pgbouncer
    def test_while_suspended(self):
        self.start()
        c = self.client()
        c.sql("select 1")
        with self.weir.console() as console:
            before = self.weir.open_files()
            console.sql("suspend")
            names = [n for n, _ in console.run("show fds").columns]
            self.assertEqual(names, self.COLUMNS)
            console.sql("resume")
        self.assertEqual(c.one("select 1"), "1")
        wait_until(lambda: self.weir.open_files() <= before, 30, "the duplicates to be closed")

    @beyond_pgbouncer
    def test_rows_without_descriptors_for_other_administrators(self):
        self.start()
        c = self.client()
        reply = self.weir.admin("show fds")
        self.assertEqual([n for n, _ in reply.columns], self.COLUMNS)
        self.assertEqual([t for _, t in reply.columns], [I, S, S, S, S, I, Q, I, S, S, S, S, S, B, B])
        self.assertIn(str(c.sock.getsockname()[1]), {row[5] for row in reply.rows})
        for host in (self.weir.socket_dir, self.weir.host):  # Unix socket, but another name
            with self.weir.console(host=host) as console:
                console.send(query("show fds"))
                got, flags = b"", 0
                while not got.endswith(b"Z\0\0\0\5I"):
                    data, ancillary, flags, _ = console.sock.recvmsg(65536, 1000)
                    self.assertEqual(ancillary, [])
                    got += data

    def test_refused_to_stats_users(self):
        with self.weir.console("stats") as c:
            self.assert_error(c.run("show fds"), "08P01", "admin access needed")

    @beyond_pgbouncer
    @subset("tsan")
    def test_many(self):
        """More than the socket's buffer holds."""
        self.start()
        clients = self.clients(400)
        rows = self.weir.sockets()
        self.assertEqual(sum(r["row"]["task"] == "client" for r in rows), len(clients))
        self.assertEqual(clients[-1].one("select 1"), "1")


@beyond_pgbouncer
class Others(Shown):
    settings = {"databases": {"app": "{pg}", "named": "host=localhost port={server}".replace("{server}", "1")}}

    def test_dns(self):
        self.start(databases={"app": f"host=localhost port={self.pg.port} dbname=postgres"}, server_tls_sslmode="disable")
        self.client().sql("select 1")
        rows, types = self.admin_rows("dns_hosts")
        self.assertEqual(types, [S, Q, S])
        [row] = [r for r in rows if r["hostname"] == "localhost"]
        self.assertIn("127.0.0.1:0", row["addrs"].split(","))
        self.assertLessEqual(int(row["ttl"]), 15)
        rows, types = self.admin_rows("dns_zones")
        self.assertEqual((rows, types), ([], [S, Q, I]))
        self.assertEqual({r["list"]: r["items"] for r in self.weir.show("lists")}["dns_names"], "1")

    def test_version_is_the_programs(self):
        first = subprocess.run([BIN, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
        self.assertEqual(self.weir.admin("show version").rows, [(first,)])

    def test_every_table_for_psql(self):
        """psql in its formats, which scripts read."""
        for what, check in (("pools", lambda out: out.splitlines()[0].startswith("app|app|")), ("version", lambda out: len(out.splitlines()) == 1),
                            ("state", lambda out: "paused|no" in out)):
            self.client().sql("select 1")
            out = subprocess.run(["psql", "-X", "-At", "-c", f"show {what}", self.weir.url("admin", "pgbouncer")], capture_output=True, text=True, check=True).stdout
            self.assertTrue(check(out), out)
