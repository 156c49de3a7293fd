"""TLS towards clients and towards servers, with real PostgreSQL, psql, drivers, and openssl."""
import os
import ssl
import subprocess
import threading

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset
from harness.fake_backend import FakeBackend
from harness.postgres import SECRET, Cluster
from harness.tls import Authority, TlsWire, client_context
from harness.util import wait_until

_authority = _secure = None


def authority():
    """One for the run, with what all tests use."""
    global _authority
    if _authority is None:
        _authority = Authority()
        _authority.issue("server", "localhost", ("DNS:localhost", "IP:127.0.0.1"))
        _authority.issue("other", "elsewhere.example.org")
        _authority.issue("app")
        _authority.issue("gone", "app")
    return _authority


class SecureCluster(Cluster):
    """PostgreSQL with ssl = on, and rules that tell encrypted connections from others."""
    def create(self):
        super().create()
        ca = authority()
        with open(f"{self.data}/postgresql.conf", "a") as f:
            f.write(f"ssl = on\nssl_cert_file = '{ca.path('server.crt')}'\nssl_key_file = '{ca.path('server.key')}'\nssl_ca_file = '{ca.path('ca.crt')}'\n")
        self.hba("")
        return self

    def hba(self, rules):
        """`rules` go before those of all tests."""
        with open(f"{self.data}/pg_hba.conf", "w") as f:
            f.write("local all postgres trust\n" + rules + "\nlocal all all trust\nhost all u_scram all scram-sha-256\nhost all u_plain all password\nhost all all all trust\n")
        self.sql("select pg_reload_conf()")
        wanted = sum(1 for line in rules.splitlines() if line) + 5

        def in_force():
            return self.one("select count(*) from pg_hba_file_rules where error is null") == str(wanted) and self.one("show ssl") == "on"
        wait_until(in_force, 30, "pg_hba.conf to be read")


def secure_cluster():
    global _secure
    if _secure is None:
        _secure = SecureCluster().create()
    return _secure


def tearDownModule():
    global _secure, _authority
    if _secure:
        _secure.stop()
    if _authority:
        _authority.remove()
    _secure = _authority = None


def serving(**more):
    """Options of a pooler that offers TLS to clients."""
    ca = authority()
    return {"client_tls_sslmode": "allow", "client_tls_cert_file": ca.path("server.crt"), "client_tls_key_file": ca.path("server.key"), **more}


class TlsCase(Case):
    def tls(self, context=None, direct=False, user="app", database="app", secret=None, **params):
        c = TlsWire(self.weir.host, self.weir.port, context, direct)
        self.addCleanup(c.drop)
        return c.login(user, database, secret, **params)

    def psql(self, sql="select 40 + 2", user="app", password=None, **params):
        """Output of psql, which must succeed."""
        done = self.run_psql(sql, user, password, **params)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def run_psql(self, sql="select 40 + 2", user="app", password=None, **params):
        dsn = self.weir.dsn(user, **{"sslmode": "require", "sslcert": "/nonexistent", "gssencmode": "disable", **params})
        env = {**os.environ, **({"PGPASSWORD": password} if password else {})}
        return subprocess.run(["psql", "-XAtq", "-d", dsn, "-c", sql], capture_output=True, text=True, env=env)

    def server_tls(self, client):
        """(whether its server connection is encrypted, version) as PostgreSQL says."""
        return client.sql("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()")[0]


@subset("tsan", "asan")
class ClientSide(TlsCase):
    def test_encrypted_and_plain_clients_side_by_side(self):
        self.start(**serving())
        plain, encrypted = self.client(), self.tls()
        for c in (plain, encrypted):
            self.assertEqual(c.one("select 40 + 2"), "42")
        rows = {r["tls"] for r in self.weir.show("clients", database="app")}
        self.assertEqual(rows, {"", "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519"})
        for tls in ("TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519", "no"):
            self.weir.wait_log(f"login attempt: db=app user=app tls={tls} ")

    def test_disable_answers_n_and_goes_on(self):
        self.start(client_tls_sslmode="disable")
        c = self.raw()
        c.send(wire.SSL_REQUEST)
        self.assertEqual(c.recv_exact(1), b"N")
        c.login()
        self.assertEqual(c.one("select 1"), "1")

    def test_unix_sockets_are_not_encrypted(self):
        self.start(**serving(client_tls_sslmode="require"))
        c = self.raw(host=self.weir.socket_dir)
        c.send(wire.SSL_REQUEST)
        self.assertEqual(c.recv_exact(1), b"N")
        c.login()
        self.assertEqual(c.one("select 1"), "1")

    def test_require_turns_plain_clients_away(self):
        self.start(**serving(client_tls_sslmode="require"))
        e = self.refused()
        self.assertEqual((e.severity, e.code, e.message), ("FATAL", "08P01", "SSL required"))
        self.assertEqual(self.tls().one("select 1"), "1")
        self.assertEqual(self.psql(), "42")
        self.assertNotEqual(self.run_psql(sslmode="disable").returncode, 0)

    def test_nothing_may_stand_behind_the_request(self):
        self.start(**serving())
        startup = wire.startup_packet({"user": "app", "database": "app"})
        c = self.raw()
        c.send(wire.SSL_REQUEST + startup)
        self.assertEqual(c.expect_close().types[:1], "E")
        # Sent after the answer, it is taken for a broken handshake, and never for a start-up packet.
        c = self.raw()
        c.send(wire.SSL_REQUEST)
        self.assertEqual(c.recv_exact(1), b"S")
        c.send(startup + wire.query("select 1"))
        seen = b""
        try:
            while data := c.sock.recv(1000):
                seen += data
        except ConnectionResetError:
            pass
        self.assertNotIn(b"R\0\0\0\x08", seen)
        self.weir.wait_log("TLS handshake failed")
        self.assert_serves()

    def test_a_second_request_inside_tls_is_refused(self):
        self.start(**serving())
        c = TlsWire(self.weir.host, self.weir.port)
        self.addCleanup(c.drop)
        c.send(wire.SSL_REQUEST)
        self.fatal(c, "08P01", "SSL req inside SSL")

    def test_a_gss_request_may_come_first(self):
        self.start(**serving())
        c = self.raw()
        c.send(wire.GSS_REQUEST)
        self.assertEqual(c.recv_exact(1), b"N")
        c.send(wire.SSL_REQUEST)
        self.assertEqual(c.recv_exact(1), b"S")

    @beyond_pgbouncer
    def test_direct_tls_needs_alpn(self):
        self.start(**serving())
        self.assertEqual(self.tls(direct=True).one("select 1"), "1")
        with self.assertRaises((ssl.SSLError, OSError, wire.Closed)):
            self.tls(client_context(), direct=True)
        with self.assertRaises((ssl.SSLError, OSError, wire.Closed)):
            self.tls(client_context(alpn="h2"), direct=True)
        with self.assertRaises((ssl.SSLError, OSError, wire.Closed)):
            self.tls(client_context(alpn="h2"))
        self.assertEqual(self.tls(client_context(alpn="postgresql")).one("select 1"), "1")
        self.weir.wait_log("direct TLS without the ALPN extension")

    def test_direct_tls_where_there_is_none(self):
        self.start(client_tls_sslmode="disable")
        with self.assertRaises((ssl.SSLError, OSError, wire.Closed)):
            self.tls(direct=True)
        self.assert_serves()

    def test_large_results_and_large_queries(self):
        self.start(**serving())
        c = self.tls()
        self.assertEqual(len(c.one("select repeat('x', 5000000)")), 5000000)
        self.assertEqual(c.one(f"select length('{'y' * 3000000}')"), "3000000")
        rows = c.sql("select n, repeat('r', 1000) from generate_series(1, 20000) n")
        self.assertEqual([int(r[0]) for r in rows], list(range(1, 20001)))
        self.assertEqual({r[1] for r in rows}, {"r" * 1000})

    def test_pipelines_that_outrun_the_server(self):
        self.start(**serving(default_pool_size=1))
        holder = self.client()
        holder.run("begin; select 1")
        c = self.tls()
        count = 3000  # more than what is held for a client that waits

        def send():
            c.send(*(wire.query(f"select {i}, '{'p' * 100}'") for i in range(count)))
        sender = threading.Thread(target=send)
        sender.start()
        self.weir.wait_waiting(1)
        holder.run("commit")
        for i in range(count):
            self.assertEqual(c.collect().rows[0][0], str(i))
        sender.join(60)
        self.assertFalse(sender.is_alive())

    def test_a_slow_reader_gets_every_byte(self):
        self.start(**serving())
        c = TlsWire(self.weir.host, self.weir.port, rcvbuf=8192)
        self.addCleanup(c.drop)
        c.login()
        c.send(wire.query("select repeat(chr(97 + n % 26), 1000) from generate_series(1, 30000) n"))
        wait_until(lambda: c.readable(), 30, "an answer")
        reply = c.collect()
        self.assertEqual([r[0][0] for r in reply.rows], [chr(97 + n % 26) for n in range(1, 30001)])
        self.assertEqual({len(r[0]) for r in reply.rows}, {1000})

    def test_one_byte_at_a_time(self):
        self.start(**serving())
        c = self.tls()
        for byte in wire.query("select 'slowly'"):
            c.send(bytes([byte]))
        self.assertEqual(c.collect().value, "slowly")

    def test_cancel_over_tls_and_plain(self):
        self.start(**serving())
        for encrypted in (True, False):
            c = self.tls()
            c.send(wire.query("select pg_sleep(600)"))
            wait_until(lambda: self.weir.count("query ~ 'pg_sleep' and state = 'active'") == 1, 30, "the query to run")
            canceller = TlsWire(self.weir.host, self.weir.port) if encrypted else self.raw()
            canceller.send(wire.cancel_packet(c.key))
            canceller.expect_close()
            canceller.drop()
            self.assert_error(c.collect(), "57014")
            self.assertEqual(c.one("select 1"), "1")

    def test_clients_that_hang_up_in_the_handshake_leave_nothing(self):
        self.start(**serving(client_login_timeout=1))
        for bytes_sent in (b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\0" + bytes(100)):
            c = self.raw()
            c.send(wire.SSL_REQUEST)
            self.assertEqual(c.recv_exact(1), b"S")
            c.send(bytes_sent)
            c.drop()
        silent = self.raw()
        silent.send(wire.SSL_REQUEST)
        self.assertEqual(silent.recv_exact(1), b"S")
        self.assertEqual(silent.expect_close().types, "")  # no plain text into a handshake
        self.weir.wait_log("client_login_timeout")
        self.assertEqual(self.tls().one("select 1"), "1")

    def test_copy_in_and_out(self):
        self.start(**serving(pool_mode="session"))
        c = self.tls()
        c.run("create temp table t (n int, text text)").check()
        c.send(wire.query("copy t from stdin"))
        c.collect(until="G")
        for begin in range(0, 50000, 1000):
            c.send(wire.copy_data(b"".join(f"{n}\t{'z' * 50}\n".encode() for n in range(begin, begin + 1000))))
        c.send(wire.copy_done())
        self.assertEqual(c.collect().tags, ["COPY 50000"])
        reply = c.run("copy (select n from t order by n) to stdout")
        self.assertEqual(bytes(reply.copied), b"".join(f"{n}\n".encode() for n in range(50000)))


class ClientSettings(TlsCase):
    def test_versions_and_ciphers(self):
        self.start(**serving(client_tls_protocols="tlsv1.2", client_tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", client_tls_ecdhcurve="prime256v1"))
        c = self.tls()
        self.assertEqual(c.sock.version(), "TLSv1.2")
        self.assertEqual(self.weir.show("clients", database="app")[0]["tls"], "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256/ECDH=prime256v1")
        with self.assertRaises(ssl.SSLError):
            self.tls(client_context(version=ssl.TLSVersion.TLSv1_3))

    def test_tls13_ciphers(self):
        self.start(**serving(client_tls13_ciphers="TLS_CHACHA20_POLY1305_SHA256"))
        self.tls()
        self.assertEqual(self.weir.show("clients", database="app")[0]["tls"], "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256/ECDH=X25519")

    def test_dheparams(self):
        ca = Authority(key="rsa")
        self.addCleanup(ca.remove)
        cert, key = ca.issue("server", "localhost")
        context = client_context(version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("DHE-RSA-AES256-GCM-SHA384")
        self.start(**serving(client_tls_cert_file=cert, client_tls_key_file=key))
        self.tls(context)
        self.assertEqual(self.weir.show("clients", database="app")[0]["tls"], "TLSv1.2/DHE-RSA-AES256-GCM-SHA384")
        self.weir.reload(client_tls_dheparams="none")
        with self.assertRaises(ssl.SSLError):
            self.tls(context)
        self.assertEqual(self.tls().one("select 1"), "1")

    def test_secure_refuses_old_versions(self):
        self.start(**serving())
        done = subprocess.run(["openssl", "s_client", "-connect", f"{self.weir.host}:{self.weir.port}", "-starttls", "postgres", "-tls1_1",
                               "-cipher", "ALL:@SECLEVEL=0"], input="", capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, "alert protocol version|no protocols available|unsupported protocol")

    def test_no_renegotiation_no_compression_no_tickets(self):
        self.start(**serving())
        address = f"{self.weir.host}:{self.weir.port}"
        done = subprocess.run(["openssl", "s_client", "-connect", address, "-starttls", "postgres", "-tls1_2"], input="R\n", capture_output=True, text=True)
        text = done.stdout + done.stderr
        self.assertIn("Compression: NONE", text)
        self.assertRegex(text, "no renegotiation|handshake failure|unexpected message")
        done = subprocess.run(["openssl", "s_client", "-connect", address, "-starttls", "postgres", "-tls1_3"], input="Q\n", capture_output=True, text=True)
        self.assertNotIn("New Session Ticket", done.stdout)
        self.assert_serves()

    def test_psql_verifies_us(self):
        self.start(**serving())
        ca = authority().path("ca.crt")
        self.assertEqual(self.psql(sslmode="verify-full", sslrootcert=ca), "42")
        self.weir.reload(client_tls_cert_file=authority().path("other.crt"), client_tls_key_file=authority().path("other.key"))
        self.assertEqual(self.psql(sslmode="verify-ca", sslrootcert=ca), "42")
        done = self.run_psql(sslmode="verify-full", sslrootcert=ca)
        self.assertIn("does not match host name", done.stderr)

    def test_clients_certificates(self):
        ca = authority()
        self.start(**serving(client_tls_sslmode="verify-full", client_tls_ca_file=ca.bundle_with_revoked("gone")))
        self.assertEqual(self.tls(client_context(cert=ca.path("app.crt"), key=ca.path("app.key"))).one("select 1"), "1")
        self.assertEqual(self.psql(sslcert=ca.path("app.crt"), sslkey=ca.path("app.key")), "42")
        done = self.run_psql()
        self.assertIn("certificate required", done.stderr)
        done = self.run_psql(sslcert=ca.path("gone.crt"), sslkey=ca.path("gone.key"))
        self.assertIn("certificate revoked", done.stderr)
        stranger = Authority("Other CA")
        self.addCleanup(stranger.remove)
        cert, key = stranger.issue("app")
        done = self.run_psql(sslcert=cert, sslkey=key)
        self.assertIn("unknown ca", done.stderr)
        self.weir.wait_log("certificate verify failed")

    def test_drivers(self):
        self.start(**serving(client_tls_sslmode="require"))
        import asyncio

        import asyncpg
        import psycopg
        import psycopg2
        with psycopg.connect(self.weir.dsn(sslmode="require")) as c:
            self.assertEqual(c.execute("select 40 + 2").fetchone(), (42,))
        c = psycopg2.connect(self.weir.dsn(sslmode="require"))
        with c.cursor() as cursor:
            cursor.execute("select 40 + 2")
            self.assertEqual(cursor.fetchone(), (42,))
        c.close()

        async def ask():
            connection = await asyncpg.connect(host=self.weir.host, port=self.weir.port, user="app", database="app", ssl=client_context(), statement_cache_size=0)
            try:
                return await connection.fetchval("select $1::int + 2", 40)
            finally:
                await connection.close()
        self.assertEqual(asyncio.run(ask()), 42)

    def test_rsa_and_ed25519_certificates(self):
        for kind in ("rsa", "ed25519"):
            ca = Authority(key=kind)
            self.addCleanup(ca.remove)
            cert, key = ca.issue("server", "localhost")
            self.start(**serving(client_tls_cert_file=cert, client_tls_key_file=key))
            self.assertEqual(self.psql(sslmode="verify-ca", sslrootcert=ca.path("ca.crt")), "42")


class ChannelBinding(TlsCase):
    """SCRAM-SHA-256-PLUS on both sides."""
    make_cluster = staticmethod(secure_cluster)

    def test_psql_insists_on_it(self):
        self.start(auth_type="scram-sha-256", userlist={"u_scram": SECRET, "app": SECRET}, server_tls_sslmode="require", **serving())
        for user in ("u_scram", "app"):
            self.assertEqual(self.psql(user=user, password=SECRET, channel_binding="require"), "42")
            self.assertEqual(self.psql(user=user, password=SECRET, channel_binding="disable"), "42")
        done = self.run_psql(user="u_scram", password="wrong", channel_binding="require")
        self.assertIn("SASL authentication failed", done.stderr)
        done = self.run_psql(user="u_scram", password=SECRET, channel_binding="require", sslmode="disable")
        self.assertNotEqual(done.returncode, 0)

    def test_keys_of_the_clients_own_login_are_bound_too(self):
        verifier = self.pg.one("select rolpassword from pg_authid where rolname = 'u_scram'")
        self.start(auth_type="scram-sha-256", userlist={"u_scram": verifier}, server_tls_sslmode="require", **serving())
        self.assertEqual(self.psql(user="u_scram", password=SECRET, channel_binding="require"), "42")

    def test_certificates_without_a_hash_are_not_offered_for_it(self):
        ca = Authority(key="ed25519")
        self.addCleanup(ca.remove)
        cert, key = ca.issue("server", "localhost")
        self.start(auth_type="scram-sha-256", userlist={"u_scram": SECRET}, **serving(client_tls_cert_file=cert, client_tls_key_file=key))
        self.assertEqual(self.psql(user="u_scram", password=SECRET, channel_binding="prefer"), "42")
        self.assertIn("channel binding", self.run_psql(user="u_scram", password=SECRET, channel_binding="require").stderr)


class BadFiles(TlsCase):
    """What cannot be read is fatal at a start, and stops a RELOAD before anything has changed."""
    def fails_to_start(self, text, **options):
        from harness.weir import Weir
        w = Weir(self.pg, **options)
        w.expect_exit = (1,)
        self.addCleanup(w.stop)
        w.spawn()
        self.assertEqual(w.wait_exit(), 1)
        self.assertRegex(w.log(), text)

    @beyond_pgbouncer
    def test_at_start(self):
        ca = authority()
        self.fails_to_start("client_tls_cert_file must be set", client_tls_sslmode="require")
        self.fails_to_start('client_tls_cert_file ".*missing.crt": .*[Nn]o such file', **serving(client_tls_cert_file=ca.path("missing.crt")))
        self.fails_to_start('client_tls_key_file ".*other.key": .*key values mismatch', **serving(client_tls_key_file=ca.path("other.key")))
        self.fails_to_start('client_tls_cert_file ".*server.key": no usable certificate', **serving(client_tls_cert_file=ca.path("server.key")))
        self.fails_to_start("client_tls_protocols = tlsv1.9", **serving(client_tls_protocols="tlsv1.9"))
        self.fails_to_start('server_tls_ca_file ".*missing', server_tls_sslmode="verify-full", server_tls_ca_file=ca.path("missing.crt"))
        self.fails_to_start("set client_tls_ca_file", **serving(client_tls_sslmode="verify-ca"))

    @beyond_pgbouncer
    def test_at_reload(self):
        self.start(**serving())
        c = self.tls()
        with self.assertRaises(wire.PgError) as caught:
            self.weir.reload(client_tls_key_file=authority().path("other.key"), default_pool_size=7)
        self.assertEqual(caught.exception.code, "F0000")
        self.weir.wait_log("TLS setup failed: client_tls_key_file")
        self.assertEqual(self.weir.show("config", key="default_pool_size")[0]["value"], "5")
        self.assertEqual(c.one("select 1"), "1")
        self.assertEqual(self.tls().one("select 1"), "1")

    @beyond_pgbouncer
    def test_at_set(self):
        self.start(**serving())
        with self.weir.console() as c:
            reply = c.run(f"set client_tls_key_file = '{authority().path('other.key')}'")
            self.assertEqual(reply.error.message, "SET failed")
            self.weir.wait_log("TLS setup failed: client_tls_key_file")
            self.assertEqual(self.weir.show("config", key="client_tls_key_file")[0]["value"], authority().path("server.key"))
            c.run("set client_tls_sslmode = 'require'").check()
        e = self.refused()
        self.assertEqual(e.message, "SSL required")
        self.assertEqual(self.tls().one("select 1"), "1")

    def test_a_reload_reads_certificates_anew(self):
        ca = Authority()
        self.addCleanup(ca.remove)
        cert, key = ca.issue("server", "first.example.org")
        self.start(**serving(client_tls_cert_file=cert, client_tls_key_file=key))

        def shown():
            c = TlsWire(self.weir.host, self.weir.port, client_context(ca.path("ca.crt")))
            self.addCleanup(c.drop)
            return dict(x[0] for x in c.sock.getpeercert()["subject"])["commonName"]
        self.assertEqual(shown(), "first.example.org")
        before = self.tls()
        pid = before.server_pid()
        ca.issue("server", "second.example.org")  # in the same files
        self.assertEqual(shown(), "first.example.org")
        self.weir.reload()
        self.assertEqual(shown(), "second.example.org")
        self.assertEqual(before.server_pid(), pid)  # clients stay, and so do the servers


@subset("tsan", "asan")
class ServerSide(TlsCase):
    make_cluster = staticmethod(secure_cluster)

    def setUp(self):
        self.addCleanup(self.pg.hba, "")

    def is_encrypted(self, **kw):
        with self.weir.connect(**kw) as c:
            return self.server_tls(c)[0] == "t"

    def error(self, **kw):
        return self.refused(**kw).message

    def test_modes_where_both_ways_are_open(self):
        ca = authority().path("ca.crt")
        for mode, encrypted in (("disable", False), ("allow", False), ("prefer", True), ("require", True), ("verify-ca", True), ("verify-full", True)):
            with self.subTest(mode):
                self.start(server_tls_sslmode=mode, server_tls_ca_file=ca)
                self.assertEqual(self.is_encrypted(), encrypted)
                tls = self.weir.show("servers")[0]["tls"]
                self.assertEqual(tls, "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=prime256v1" if encrypted else "")
                if encrypted:
                    self.weir.wait_log("SSL established: TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=prime256v1")

    @beyond_pgbouncer
    def test_modes_where_one_way_is_closed(self):
        for rule, expected in (("hostnossl all all all reject", {"disable": None, "allow": True, "prefer": True, "require": True}),
                               ("hostssl all all all reject", {"disable": False, "allow": False, "prefer": False, "require": None})):
            self.pg.hba(rule)
            for mode, encrypted in expected.items():
                with self.subTest(f"{rule}, {mode}"):
                    self.start(server_tls_sslmode=mode)
                    if encrypted is None:
                        self.assertIn("pg_hba.conf rejects connection", self.error())
                    else:
                        self.assertEqual(self.is_encrypted(), encrypted)

    def test_host_names_are_verified(self):
        ca = authority()
        self.start(server_tls_sslmode="verify-full", server_tls_ca_file=ca.path("ca.crt"), databases={
            "app": "{pg}", "named": f"host=localhost port={self.pg.port} dbname={{dbname}}", "wrong": f"host=::1 port={self.pg.port} dbname={{dbname}}"})
        for database in ("app", "named"):
            self.assertTrue(self.is_encrypted(database=database))
        self.assertIn('does not match host name "::1"', self.error(database="wrong"))

    def test_unknown_authorities_are_refused(self):
        stranger = Authority("Stranger")
        self.addCleanup(stranger.remove)
        self.start(server_tls_sslmode="verify-ca", server_tls_ca_file=stranger.path("ca.crt"))
        self.assertIn("certificate verify failed", self.error())
        self.weir.wait_log("TLS handshake failed: certificate verify failed")

    def test_our_certificate_is_shown(self):
        ca = authority()
        self.pg.hba("hostssl all app all cert")
        self.start(server_tls_sslmode="require", server_tls_cert_file=ca.path("app.crt"), server_tls_key_file=ca.path("app.key"))
        with self.weir.connect() as c:
            self.assertEqual(c.one("select client_dn from pg_stat_ssl where pid = pg_backend_pid()"), "/CN=app")

    def test_versions_and_ciphers(self):
        self.start(server_tls_sslmode="require", server_tls_protocols="tlsv1.2", server_tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
        with self.weir.connect() as c:
            self.assertEqual(c.sql("select version, cipher from pg_stat_ssl where pid = pg_backend_pid()"), [("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")])

    def test_tls13_ciphers(self):
        self.start(server_tls_sslmode="require", server_tls13_ciphers="TLS_AES_128_GCM_SHA256")
        with self.weir.connect() as c:
            self.assertEqual(c.one("select cipher from pg_stat_ssl where pid = pg_backend_pid()"), "TLS_AES_128_GCM_SHA256")

    def test_work_over_tls(self):
        self.start(server_tls_sslmode="require", **serving())
        for c in (self.tls(), self.client()):
            self.assertEqual(len(c.one("select repeat('x', 5000000)")), 5000000)
            self.assertEqual(c.one(f"select length('{'y' * 3000000}')"), "3000000")
            rows = c.sql("select n, repeat('r', 1000) from generate_series(1, 20000) n")
            self.assertEqual([int(r[0]) for r in rows], list(range(1, 20001)))
            self.assertEqual(c.extended("select $1::text", ["bound"], name="s").value, "bound")
        self.assert_idle()

    def test_many_clients_share_few_servers(self):
        self.start(server_tls_sslmode="require", default_pool_size=2, **serving())
        clients = [self.tls() for _ in range(8)]
        for round_number in range(30):
            for i, c in enumerate(clients):
                c.send(wire.query(f"select {i}, {round_number}, repeat('m', {round_number * 3000})"))
            for i, c in enumerate(clients):
                self.assertEqual(c.collect().check().rows[0][:2], (str(i), str(round_number)))
        self.assertLessEqual(self.weir.count(), 2)
        self.assert_idle()

    def test_cancel_goes_by_tls(self):
        self.pg.hba("hostnossl all all all reject")
        self.start(server_tls_sslmode="require")
        c = self.client()
        c.send(wire.query("select pg_sleep(600)"))
        wait_until(lambda: self.weir.count("query ~ 'pg_sleep' and state = 'active'") == 1, 30, "the query to run")
        c.cancel()
        self.assert_error(c.collect(), "57014")
        self.assertEqual(c.one("select 1"), "1")
        self.assert_idle()

    def test_unix_sockets_need_no_tls(self):
        self.start(server_tls_sslmode="require", databases={"app": f"host={self.pg.socket_dir} port={self.pg.port} dbname={{dbname}}"})
        self.assertFalse(self.is_encrypted())

    @beyond_pgbouncer
    def test_a_reload_recycles_servers_only_when_tls_changes(self):
        ca = authority()
        self.start(server_tls_sslmode="require", server_tls_ca_file=ca.path("ca.crt"))
        c = self.client()
        pid = c.server_pid()
        self.weir.reload()
        self.assertEqual(c.server_pid(), pid)
        self.weir.reload(server_tls_sslmode="verify-ca")
        wait_until(lambda: self.weir.count(f"pid = {pid}") == 0, 30, "the server to be closed")
        self.assertNotEqual(c.server_pid(), pid)
        self.weir.wait_log("TLS configuration changed")
        self.weir.reload(server_tls_sslmode="disable")
        wait_until(lambda: not self.is_encrypted(), 30, "the servers to be plain")

    def test_a_server_that_ends_its_connections(self):
        self.start(server_tls_sslmode="require")
        c = self.client()
        pid = c.server_pid()
        self.pg.kill_backend(pid, 15)
        wait_until(lambda: not self.weir.show("servers", remote_pid=str(pid)), 30, "the server to be gone")
        self.assertNotEqual(c.server_pid(), pid)


class OddServers(TlsCase):
    """Servers that PostgreSQL is not: they answer SSLRequest in other ways, or wait for none."""
    def start_before(self, script, **options):
        fake = FakeBackend(script)
        fake.__enter__()
        self.addCleanup(fake.__exit__, None, None, None)
        return self.start(databases={"app": fake.connstr}, **options)

    def server_context(self, alpn=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority().path("server.crt"), authority().path("server.key"))
        if alpn:
            context.set_alpn_protocols([alpn])
        return context

    def test_answers_that_are_none(self):
        for answer, mode, text in ((b"N", "require", "server refused SSL"), (b"SS", "prefer", "received unencrypted data after SSL response"),
                                   (b"NR", "prefer", "received unencrypted data after SSL response"), (b"E", "prefer", "invalid response to SSL"),
                                   (b"x", "require", "invalid response to SSL")):
            with self.subTest(answer):
                def script(peer, answer=answer):
                    self.assertEqual(peer.recv_exact(8), wire.SSL_REQUEST)
                    peer.send(answer)
                    peer.recv_exact(1)
                self.start_before(script, server_tls_sslmode=mode)
                self.assertIn(text, self.refused().message)

    def test_a_server_without_tls_is_preferred_without(self):
        def script(peer):
            peer.startup()  # answers N
            peer.login_ok()
            peer.serve()
        self.start_before(script, server_tls_sslmode="prefer")
        with self.weir.connect() as c:
            self.assertFalse(c.run("select 1").errors)
        self.assertEqual(self.weir.show("servers")[0]["tls"], "")

    def test_a_handshake_that_fails_is_followed_by_none(self):
        seen = []

        def script(peer):
            first = peer.recv_exact(8)
            seen.append(first)
            if first == wire.SSL_REQUEST:
                peer.send(b"S")
                peer.recv_exact(5)
                peer.send(b"this is not TLS at all")
                return
            peer.buffer = first + peer.buffer
            peer.startup()
            peer.login_ok()
            peer.serve()
        self.start_before(script, server_tls_sslmode="prefer")
        with self.weir.connect() as c:
            self.assertFalse(c.run("select 1").errors)
        self.assertEqual(seen[0], wire.SSL_REQUEST)
        self.assertNotEqual(seen[1], wire.SSL_REQUEST)

    def test_direct_tls(self):
        chosen = []

        def script(peer):
            peer.sock = self.server_context("postgresql").wrap_socket(peer.sock, server_side=True)
            chosen.append(peer.sock.selected_alpn_protocol())
            peer.startup()
            peer.login_ok()
            peer.serve()
        self.start_before(script, server_tls_sslmode="require", weir={"server_tls_negotiation": "direct"})
        with self.weir.connect() as c:
            self.assertFalse(c.run("select 1").errors)
        self.assertEqual(set(chosen), {"postgresql"})

    def test_direct_tls_to_a_server_that_does_not_know_of_it(self):
        def script(peer):
            peer.sock = self.server_context().wrap_socket(peer.sock, server_side=True)
            peer.recv_exact(1)
        self.start_before(script, server_tls_sslmode="require", weir={"server_tls_negotiation": "direct"})
        self.assertIn("ALPN", self.refused().message)

    def test_sessions_are_resumed_where_the_server_does(self):
        context, reused = self.server_context(), []

        def script(peer):
            self.assertEqual(peer.recv_exact(8), wire.SSL_REQUEST)
            peer.send(b"S")
            peer.sock = context.wrap_socket(peer.sock, server_side=True)
            reused.append(peer.sock.session_reused)
            peer.startup()
            peer.login_ok()
            peer.serve()
        self.start_before(script, server_tls_sslmode="require", pool_mode="session", server_lifetime=0)
        for _ in range(3):
            with self.weir.connect() as c:
                self.assertFalse(c.run("select 1").errors)
            wait_until(lambda: not self.weir.show("servers"), 30, "the server to be closed after its use")
        self.assertEqual(reused, [False] + [True] * (len(reused) - 1))
        self.assertGreater(len(reused), 2)
