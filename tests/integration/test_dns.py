"""Host names of servers: lookups, their times to live, changed answers, zones, lists of hosts of which one is dead."""
import re
import time

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.dns import A, AAAA, SOA, Dns
from harness.gate import Gate
from harness.util import free_port
from harness.weir import Weir


class Names(Case):
    def pooler(self, dns, databases=None, **options):
        """A pooler that asks `dns`; {port} stands for the port of PostgreSQL, which listens on 127.0.0.1 and ::1."""
        self.addCleanup(dns.close)
        w = Weir(self.pg, databases={"app": f"host=db.example.test port={self.pg.port} dbname=postgres", **(databases or {})}, **options)
        self.addCleanup(w.stop)
        w.options["resolv_conf"] = dns.resolv_conf(f"{w.dir}/resolv.conf")
        w.write()
        self.weir = w.start()
        return w

    def host(self):
        return [r["addr"] for r in self.weir.show("servers", database="app", user="app")]


@beyond_pgbouncer
class Lookups(Names):
    @subset("tsan", "asan")
    def test_a_name_is_looked_up_and_remembered(self):
        dns = Dns({"db.example.test": ["127.0.0.1"]})
        self.pooler(dns, dns_max_ttl=3600, default_pool_size=3)
        clients = self.in_transactions(3)
        self.assertEqual(self.host(), ["127.0.0.1"] * 3)
        self.assertEqual((dns.count("db.example.test", A), dns.count("db.example.test", AAAA)), (1, 1))

    def test_ipv6(self):
        dns = Dns({"db.example.test": ["::1"]})
        self.pooler(dns)
        self.client().sql("select 1")
        self.assertEqual(self.host(), ["::1"])

    def test_several_addresses_in_turn(self):
        dns = Dns({"db.example.test": ["127.0.0.1", "::1"]})
        self.pooler(dns, default_pool_size=4)
        clients = self.in_transactions(4)
        self.assertEqual(sorted(self.host()), ["127.0.0.1", "127.0.0.1", "::1", "::1"])

    def test_dns_max_ttl(self):
        dns = Dns({"db.example.test": ["127.0.0.1"]})
        self.pooler(dns, dns_max_ttl=0.5, server_lifetime=0)
        c = self.client()
        wait_until(lambda: c.sql("select 1") is not None and dns.count("db.example.test") >= 3, 30, "the name to be looked up again and again")

    def test_times_of_zero(self):
        dns = Dns({"db.example.test": ["127.0.0.1"]})
        self.pooler(dns, {"none": "host=none.example.test dbname=x"}, dns_max_ttl=0, dns_nxdomain_ttl=0, query_wait_timeout=1)
        self.assertEqual(self.client().one("select 1"), "1")
        self.refused(database="none")
        self.assertLess(len(dns.questions), 60)

    def test_names_that_do_not_exist(self):
        dns = Dns()
        self.pooler(dns, dns_nxdomain_ttl=3600, query_wait_timeout=2)
        self.assertIn("query_wait_timeout", self.refused().message)
        first = dns.count("db.example.test")
        self.assertGreater(first, 0)
        self.weir.wait_log(re.compile(r"WARNING DNS lookup failed: db\.example\.test: "))
        self.refused()
        self.assertEqual(dns.count("db.example.test"), first)  # it is remembered that there is none
        dns.hosts["db.example.test"] = ["127.0.0.1"]
        self.weir.reload(dns_nxdomain_ttl=0.1)
        self.refused()

    def test_a_name_that_comes_into_being(self):
        dns = Dns()
        self.pooler(dns, dns_nxdomain_ttl=0.2, query_wait_timeout=20)
        c = self.raw()
        c.send(wire.startup_packet({"user": "app", "database": "app"}))
        wait_until(lambda: dns.count("db.example.test") >= 2, 30, "the pooler to ask again")
        dns.hosts["db.example.test"] = ["127.0.0.1"]
        c.collect()
        self.assertEqual(c.one("select 42"), "42")

    @subset("tsan", "asan")
    def test_silence(self):
        """Nobody else waits for a DNS server that does not answer."""
        dns = Dns()
        dns.is_silent = True
        self.pooler(dns, {"other": "{pg}"}, server_connect_timeout=2, query_wait_timeout=4)
        slow = self.raw()
        slow.send(wire.startup_packet({"user": "app", "database": "app"}))
        wait_until(lambda: dns.count("db.example.test") >= 1, 30, "the question")
        with self.weir.connect(database="other") as c:
            self.assertEqual(c.one("select 1"), "1")
        dns.is_silent = False
        dns.hosts["db.example.test"] = ["127.0.0.1"]
        self.assertTrue(slow.expect_close().errors)
        wait_until(self.serves, 30, "the name to be found")

    def serves(self):
        try:
            with self.weir.connect() as c:
                return c.one("select 1") == "1"
        except Exception:  # noqa: BLE001  (not yet)
            return False

    def test_a_broken_resolv_conf(self):
        w = Weir(self.pg, resolv_conf="/nonexistent/resolv.conf")
        self.addCleanup(w.stop)
        w.expect_exit = (1,)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)
        w.wait_log('cannot read resolv_conf "/nonexistent/resolv.conf"')


@beyond_pgbouncer
class Changes(Names):
    def moved(self, dns, **options):
        """One idle server and one in use at ::1, then the name moves to 127.0.0.1."""
        dns.hosts["db.example.test"] = ["::1"]
        self.pooler(dns, default_pool_size=2, **options)
        a, b = self.clients(2)
        a.sql("begin")
        b.sql("select 1")
        wait_until(lambda: sorted(r["state"] for r in self.weir.show("servers", database="app")) == ["active", "idle"], 30, "one idle server")
        self.assertEqual(self.host(), ["::1", "::1"])
        dns.hosts["db.example.test"] = ["127.0.0.1"]
        return a, b

    def check_moved(self, a):
        ends = re.compile(r"@\[::1\]:\d+ closing because: (.*) \(age")
        wait_until(lambda: self.host() == ["::1"] or self.host()[:1] == ["127.0.0.1"], 30, "the idle server to be closed")
        self.assertEqual(a.one("select 7"), "7")  # what is in use goes on
        a.sql("commit")
        wait_until(lambda: "::1" not in self.host(), 30, "the other one to be closed")
        self.assertEqual(a.one("select 8"), "8")
        self.assertEqual(set(self.host()), {"127.0.0.1"})
        self.assertEqual(ends.findall(self.weir.wait_log(ends, 2)), ["database configuration changed", "close_needed"])

    @subset("tsan", "asan")
    def test_an_address_that_is_gone(self):
        dns = Dns()
        a, b = self.moved(dns, dns_max_ttl=0.2)
        time.sleep(0.4)  # the answer grows old
        c = self.client(user="app2")  # a new pool has to connect, so the name is asked again
        c.sql("select 1")
        self.check_moved(a)

    def test_the_hosts_of_a_list(self):
        dns = Dns({"db.example.test": ["::1"]})
        port = self.pg.port
        self.pooler(dns, {"app": f"host=db.example.test,127.0.0.1 port={port} dbname=postgres"}, default_pool_size=2, dns_max_ttl=0.2)
        a, b = self.in_transactions(2)
        self.assertEqual(sorted(self.host()), ["127.0.0.1", "::1"])
        for c in (a, b):
            c.sql("commit")
        dns.hosts["db.example.test"] = ["127.0.0.1"]
        time.sleep(0.4)  # the answer grows old
        others = [self.client(user="app2") for _ in range(2)]
        for c in others:
            c.sql("begin")
        wait_until(lambda: "::1" not in self.host(), 30, "the server at the old address to be closed")

    def test_zones(self):
        dns = Dns(zones={"example.test": 7})
        a, b = self.moved(dns, dns_max_ttl=3600, dns_zone_check_period=0.3)
        wait_until(lambda: dns.count("example.test", SOA) >= 3, 30, "the zone to be asked for its serial number")
        self.assertEqual(self.weir.show("dns_zones"), [{"zonename": "example.test", "serial": "7", "count": "1"}])
        self.assertEqual(self.host(), ["::1", "::1"])  # nothing is looked up as long as it stays
        self.assertEqual(dns.count("db.example.test"), 1)
        dns.zones["example.test"] = 8
        self.check_moved(a)
        self.assertEqual(dns.count("db.example.test"), 2)
        self.weir.reload(dns_zone_check_period=0)
        before = dns.count("example.test", SOA)
        time.sleep(1)  # nothing must happen
        self.assertLessEqual(dns.count("example.test", SOA), before + 1)

    def test_a_failure_closes_nothing(self):
        dns = Dns(zones={"example.test": 7})
        a, b = self.moved(dns, dns_max_ttl=0.2, query_wait_timeout=2)
        dns.fails = True
        time.sleep(0.4)  # the answer grows old
        self.refused(user="app2")  # a pool that has to connect asks again
        self.weir.wait_log("DNS lookup failed: db.example.test")
        b.sql("select 1")
        self.assertEqual(self.host(), ["::1", "::1"])
        a.sql("commit")


class HostLists(Case):
    """Lists of equal hosts: one that is dead is left out, and its turn comes again."""

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_a_dead_host(self):
        dead = free_port()
        self.start(databases={"app": f"host=127.0.0.1,127.0.0.1,::1 port={dead},{self.pg.port},{self.pg.port} dbname=postgres"}, default_pool_size=6,
                   server_login_retry=60, query_wait_timeout=5)
        clients = self.clients(6)
        for c in clients:
            self.assertEqual(c.one("select 1"), "1")
            c.sql("begin")
        self.assertEqual({r["addr"] for r in self.weir.show("servers", database="app")}, {"127.0.0.1", "::1"})
        failed = re.compile(rf"127\.0\.0\.1:{dead} closing because: connect failed")
        self.assertEqual(len(failed.findall(self.weir.wait_log(failed))), 1)

    @beyond_pgbouncer
    def test_all_are_dead(self):
        a, b = free_port(), free_port()
        self.start(databases={"app": f"host=127.0.0.1,127.0.0.1 port={a},{b} dbname=postgres"}, query_wait_timeout=1, server_login_retry=15)
        self.refused()
        # A pause follows when nobody is left to try, as for a single host.
        self.assertLess(self.weir.wait_log("pooler error").count("closing because: connect failed"), 12)

    @beyond_pgbouncer
    def test_it_comes_back(self):
        gate = Gate(self.pg.port)
        self.addCleanup(gate.close)
        self.start(databases={"app": f"host=127.0.0.1,127.0.0.1 port={gate.port},{self.pg.port} dbname=postgres"}, server_login_retry=1, default_pool_size=2,
                   server_lifetime=0)
        gate.refuse()
        c = self.client()
        for _ in range(5):
            c.sql("select 1")
        before = gate.opened
        gate.open()
        wait_until(lambda: c.sql("select 1") is not None and gate.opened > before, 30, "the host to be tried again")
