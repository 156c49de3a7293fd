"""Bytes that no client should send, at every stage: that client is told and closed, memory stays bounded, others are served."""
import base64
import os
import random
import socket
import struct

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.util import SLOW, scaled
from harness.wire import bind, execute, flush, msg, one, parse, query, startup_packet, sync

LENGTHS = {"0": 0, "1": 1, "3": 3, "-1": -1, "-2^31": -2 ** 31, "2^31-1": 2 ** 31 - 1}
SLACK_KB = 16_384 if SLOW == 1 else 200_000


class Malformed(Case):
    settings = {"default_pool_size": 2, "client_login_timeout": 30, "max_client_conn": 3000}

    def after(self, c, allow_open=False, timeout=None):
        """What came until the connection was closed. A client that may legitimately be waited for is closed by us."""
        if timeout is not None:
            c.sock.settimeout(timeout)
        try:
            return c.expect_close()
        except TimeoutError:
            if not allow_open:
                raise AssertionError("neither answered nor closed") from None
            c.reset()
            return None

    def check_refused(self, c, must_tell=True):
        reply = self.after(c)
        self.assertTrue(reply.closed)
        if must_tell:
            self.assertTrue(reply.errors, f"closed without a word: {reply.messages}")
        for e in reply.errors:
            self.assertEqual(e.severity, "FATAL", e)
            self.assertRegex(e.code, "^(08P01|28...|0A000|54...|53...)$")
        return reply


class BeforeStartup(Malformed):
    def raw_packet(self, *data):
        return self.raw().send(*data)

    @subset("tsan", "asan")
    def test_lengths(self):
        for name, length in LENGTHS.items():
            for rest in (b"", b"\0\3\0\0", startup_packet({"user": "app"})[4:], os.urandom(200)):
                with self.subTest(length=name, rest=len(rest)):
                    c = self.raw()
                    c.send(struct.pack("!i", length) + rest)
                    if not rest and length not in (0, 1, 3, -1, -2 ** 31):
                        c.half_close()
                    self.check_refused(c, must_tell=False)
        for length in (4, 5, 6, 7):
            c = self.raw().send(struct.pack("!i", length) + b"\0\3\0\0\0\0"[:length - 4])
            self.check_refused(c, must_tell=False)
        self.assert_serves()

    @subset("asan")
    def test_too_large_a_startup(self):
        before = self.weir.rss_kb()
        for size in (20_000, 1_000_000, 1_000_000_000):
            c = self.raw()
            c.send(struct.pack("!i", size) + struct.pack("!i", 196608))
            try:
                for _ in range(40):
                    c.send(b"x" * min(size // 40, 1_000_000))
            except OSError:
                pass
            self.check_closed_soon(c)
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
        self.assert_serves()

    def check_closed_soon(self, c):
        try:
            reply = self.after(c)
            self.assertTrue(reply.closed)
        except OSError:
            pass

    def test_versions(self):
        for version in ((1, 0), (2, 0), (4, 0), (0, 0), (9, 9), (1234, 0), (1234, 5681), (65535, 65535)):
            with self.subTest(version):
                c = self.raw_packet(startup_packet({"user": "app", "database": "app"}, version))
                self.check_refused(c, must_tell=version in ((2, 0), (4, 0)))
        self.assert_serves()

    @beyond_pgbouncer
    def test_newer_minor_versions_are_negotiated(self):
        for version, params, spoken in (((3, 0), {}, None), ((3, 0), {"_pq_.foo": "1", "_pq_.bar": ""}, 0), ((3, 1), {}, 0), ((3, 2), {}, None), ((3, 2), {"_pq_.foo": "1"}, 2),
                                        ((3, 3), {}, 2), ((3, 9999), {}, 2), ((3, 9999), {"_pq_.test_protocol_negotiation": ""}, 2)):
            with self.subTest(version, params=params):
                c = self.raw()
                c.login("app", "app", version=version, **params)
                if spoken is None:
                    self.assertIsNone(c.negotiated)
                else:
                    newest, count = struct.unpack_from("!Ii", c.negotiated)
                    self.assertEqual(newest, 0x30000 + spoken)
                    self.assertEqual(sorted(c.negotiated[8:].split(b"\0")[:count]), sorted(k.encode() for k in params))
                self.assertEqual(c.one("select 1"), "1")
                self.assertEqual(len(c.key), 32 if 2 in (spoken, version[1]) else 8)

    def test_other_protocols(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(300), os.urandom(5000),
                     b"\0" * 5000, b"\xff" * 5000, query("select 1"), b"Q", msg("X")):
            with self.subTest(data[:8]):
                c = self.raw_packet(data)
                c.half_close()
                self.check_closed_soon(c)
        self.assert_serves()

    @subset("asan")
    def test_nothing_may_follow_an_encryption_request(self):
        for request in (wire.SSL_REQUEST, wire.GSS_REQUEST):
            for behind in (startup_packet({"user": "app", "database": "app"}), b"x", query("select 1"), request):
                with self.subTest(request[-1:], behind=behind[:10]):
                    c = self.raw_packet(request + behind)
                    got = b""
                    try:
                        while data := c.sock.recv(4096):
                            got += data
                    except ConnectionResetError:
                        pass
                    self.assertNotIn(b"R\0\0\0\x08", got, "logged in from bytes sent before the answer")
                    self.assertNotIn(b"Z\0\0\0\x05", got)

    def test_encryption_requests_are_answered(self):
        for requests in ((wire.SSL_REQUEST,), (wire.GSS_REQUEST,), (wire.GSS_REQUEST, wire.SSL_REQUEST)):
            c = self.raw()
            for r in requests:
                self.assertEqual(c.send(r).recv_exact(1), b"N")
            self.assertEqual(c.login().one("select 1"), "1")
        c = self.raw()
        try:
            for _ in range(1000):  # nobody needs more than one of each; whatever is done about it, it ends
                c.send(wire.SSL_REQUEST)
                if c.sock.recv(1) != b"N":
                    break
        except OSError:
            pass
        c.drop()
        self.assert_serves()

    def test_cancel_requests_of_all_sizes(self):
        for size in (4, 8, 11, 12, 15, 16, 17, 20, 300, 100_000):
            c = self.raw_packet(struct.pack("!ii", size, 80877102) + b"k" * max(0, size - 8))
            c.half_close()
            self.check_closed_soon(c)
        self.assert_serves()

    @subset("tsan")
    def test_half_a_startup_flood(self):
        """Hundreds of clients that begin a startup and say no more."""
        self.start(client_login_timeout=3 if SLOW == 1 else 5, max_client_conn=3000)
        self.client().sql("select 1")
        before = self.weir.rss_kb()
        packet = startup_packet({"user": "app", "database": "app", "application_name": "x" * 5000})
        flood = []
        for n in range(scaled(500, 100)):
            c = self.raw()
            c.send(packet[:n % (len(packet) - 1)])
            flood.append(c)
            if n % 50 == 0:
                self.assert_serves()
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB + len(flood) * 20)
        for c in flood:
            self.assertTrue(self.after(c).closed)
        wait_until(lambda: self.weir.open_files() < 100, 30, "the sockets to be closed")
        self.assert_serves()

    @subset("tsan", "asan")
    def test_a_connect_and_leave_flood(self):
        self.assert_serves()  # its server stays open and is counted
        files = self.weir.open_files()
        for n in range(scaled(500, 100)):
            c = self.raw()
            if n % 3:
                c.send(startup_packet({"user": "app", "database": "app"})[:n % 30])
            c.reset() if n % 2 else c.drop()
        self.assert_serves()
        wait_until(lambda: self.weir.open_files() <= files + 5, 30, "the sockets to be closed")


class Startup(Malformed):
    def packet(self, body):
        return self.raw().send(struct.pack("!ii", len(body) + 8, 196608) + body)

    @subset("asan")
    def test_bodies(self):
        for name, body in {"empty": b"", "no user": b"\0", "database only": b"database\0app\0\0", "no last zero": b"user\0app\0database\0app\0", "no value": b"user\0",
                           "no zero in value": b"user\0app", "no zero in name": b"user", "odd": b"user\0app\0database\0\0", "trailing": b"user\0app\0\0junk\0more\0",
                           "empty user": b"user\0\0database\0app\0\0"}.items():
            with self.subTest(name):
                self.check_refused(self.packet(body))
        self.assert_serves()

    def test_odd_but_harmless(self):
        for body in (b"user\0nobody\0database\0app\0\0", b"user\0" + b"u" * 5000 + b"\0\0", b"user\0app\0database\0" + b"d" * 5000 + b"\0\0", b"user\0\xff\xfe\0database\0\xff\0\0",
                     b"\0user\0app\0\0", b"user\0app\0database\0app\0" + b"".join(b"p%d\0v\0" % n for n in range(1000)) + b"\0",
                     b"user\0app\0database\0app\0options\0" + b"-c " * 2000 + b"\0\0", b"user\0app\0database\0app\0replication\0maybe\0\0"):
            with self.subTest(body[:30]):
                c = self.packet(body)
                c.half_close()
                reply = self.after(c)
                self.assertNotIn("Z", reply.types)
        self.assert_serves()

    def test_the_last_of_two_values_counts(self):
        c = self.packet(b"user\0nobody\0user\0app\0database\0nosuch\0database\0app\0\0").authenticate("app", None)
        self.assertEqual(c.one("select current_user"), "app")

    def test_seeded_random_startups(self):
        chance = random.Random(99)
        good = startup_packet({"user": "app", "database": "app", "application_name": "name", "DateStyle": "ISO", "options": "-c TimeZone=UTC"})
        for _ in range(scaled(300, 60)):
            data = bytearray(good)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            c = self.raw()
            c.send(bytes(data[:chance.randint(1, len(data))]))
            c.half_close()
            self.assertTrue(self.after(c).closed)
        self.assert_serves()


class Authentication(Malformed):
    settings = None
    SECRET = "secret"

    def begin(self):
        c = self.raw().send(startup_packet({"user": "app", "database": "app"}))
        kind, body = c.recv()
        self.assertEqual(kind, "R")
        return c, body

    def with_auth(self, auth_type, userlist):
        self.start(auth_type=auth_type, userlist={"app": userlist, "admin": userlist}, client_login_timeout=30)

    GARBAGE = (msg("p", b""), msg("p", b"\0"), msg("p", b"x" * 1000), msg("p", b"x" * 1000 + b"\0"), msg("p", b"md5" + b"\0" * 32), query("select 1"), msg("X"),
               sync(), msg("R", b"\0\0\0\0"), b"p\0\0\0\0", b"p\0\0\0\3", b"p\xff\xff\xff\xff", b"p\x7f\xff\xff\xff" + b"x" * 2000, b"\0" * 10, b"\xff" * 10,
               startup_packet({"user": "app"}), wire.SSL_REQUEST, msg("p", b"\xff" * 5000 + b"\0"), query("select 1") * 50)

    def check_garbage(self, c):
        c.half_close()
        reply = self.after(c)
        self.assertTrue(reply.closed)
        self.assertNotIn("Z", reply.types)

    @subset("asan")
    def test_instead_of_a_password(self):
        for auth_type in ("plain", "md5", "scram-sha-256"):
            self.with_auth(auth_type, self.SECRET)
            for data in self.GARBAGE:
                with self.subTest(auth_type, data=data[:12]):
                    c, _ = self.begin()
                    c.send(data)
                    self.check_garbage(c)
            self.assertEqual(self.client(secret=self.SECRET).one("select 1"), "1")

    @subset("asan")
    def test_scram_first_message(self):
        self.with_auth("scram-sha-256", self.SECRET)

        def initial(data, mechanism=b"SCRAM-SHA-256\0", length=None):
            return msg("p", mechanism + struct.pack("!i", len(data) if length is None else length) + data)
        good = b"n,,n=,r=abcdefghijkl"
        for data in (initial(b""), initial(good, b"SCRAM-SHA-1\0"), initial(good, b"SCRAM-SHA-256-PLUS\0"), initial(good, b""), initial(good, b"SCRAM-SHA-256"),
                     initial(good, length=-1), initial(good, length=0), initial(good, length=2 ** 31 - 1), initial(good, length=-2 ** 31), initial(good, length=len(good) - 3),
                     initial(good, length=len(good) + 1), initial(good, length=0x7fffffff - 20), msg("p", b"SCRAM-SHA-256\0"), msg("p", b"SCRAM-SHA-256\0\0\0"),
                     initial(b"n"), initial(b"n,"), initial(b"n,,"), initial(b"n,,n="), initial(b"n,,n=,"), initial(b"n,,n=,r"), initial(b"n,,n=,r="),
                     initial(b"p=tls-unique,,n=,r=abc"), initial(b"p=tls-server-end-point,,n=,r=abc"), initial(b"x,,n=,r=abc"), initial(b"n,a=other,n=,r=abc"),
                     initial(b"n,,m=ext,n=,r=abc"), initial(b"n,,r=abc,n="), initial(b"n,,n=" + b"u" * 100_000 + b",r=abc"), initial(b"n,,n=,r=" + b"n" * 100_000),
                     initial(b"n,,n=,r=ab\0c"), initial(b"n,,n=,r=\x01\xff"), initial(b"," * 1000), initial(b"=" * 1000), initial(os.urandom(200))):
            with self.subTest(data[:50]):
                c, _ = self.begin()
                c.send(data)
                c.half_close()
                reply = self.after(c)
                self.assertNotIn("Z", reply.types)
        self.assertEqual(self.client(secret=self.SECRET).one("select 1"), "1")

    @subset("asan")
    def test_scram_final_message(self):
        self.with_auth("scram-sha-256", self.SECRET)
        proof = base64.b64encode(b"p" * 32).decode()
        finals = [lambda r: b"", lambda r: b"c=biws", lambda r: f"c=biws,r={r}".encode(), lambda r: f"c=biws,r={r},p=".encode(), lambda r: f"c=biws,r={r},p=!!!!".encode(),
                  lambda r: f"c=biws,r={r},p={proof}".encode(), lambda r: f"c=biws,r={r},p={proof}{proof}".encode(), lambda r: f"c=biws,r={r},p=QUFB".encode(),
                  lambda r: f"c=biws,r={r}x,p={proof}".encode(), lambda r: f"c=biws,r=,p={proof}".encode(), lambda r: f"c=eSws,r={r},p={proof}".encode(),
                  lambda r: f"c=,r={r},p={proof}".encode(), lambda r: f"c={'A' * 100_000},r={r},p={proof}".encode(), lambda r: f"r={r},c=biws,p={proof}".encode(),
                  lambda r: f"c=biws,r={r},x=ext,p={proof}".encode(), lambda r: f"c=biws,r={r},p={proof}\0junk".encode(), lambda r: b"," * 500,
                  lambda r: f"c=biws,r={r},p={'A' * 200_000}".encode(), lambda r: os.urandom(300)]
        for n, final in enumerate(finals):
            with self.subTest(final=n):
                c, _ = self.begin()
                scram = wire.ScramClient(self.SECRET)
                c.send(scram.first())
                kind, body = c.recv()
                self.assertEqual((kind, body[:4]), ("R", struct.pack("!i", 11)))
                server_nonce = body[4:].decode().split(",")[0][2:]
                c.send(msg("p", final(server_nonce)))
                reply = self.after(c)
                self.assertNotIn("Z", reply.types)
                self.assertRegex(reply.errors[-1].code, "^(28P01|08P01)$")
        self.assertEqual(self.client(secret=self.SECRET).one("select 1"), "1")

    def test_a_proof_cannot_be_used_again(self):
        self.with_auth("scram-sha-256", self.SECRET)
        c, _ = self.begin()
        scram = wire.ScramClient(self.SECRET)
        c.send(scram.first())
        final = scram.final(c.recv()[1][4:])
        c.send(final)
        self.assertIn("Z", c.collect().types)
        d, _ = self.begin()
        d.send(scram.first()).recv()
        d.send(final)
        reply = self.after(d)
        self.assertRegex(reply.errors[-1].code, "^(28P01|08P01)$")

    def test_random_bytes_at_each_step(self):
        chance = random.Random(7)
        for auth_type in ("md5", "scram-sha-256"):
            self.with_auth(auth_type, self.SECRET)
            for _ in range(scaled(100, 20)):
                c, _ = self.begin()
                c.send(msg("p", chance.randbytes(chance.randint(0, 300))))
                self.check_garbage(c)
            self.assertEqual(self.client(secret=self.SECRET).one("select 1"), "1")


class LoggedIn(Malformed):
    """The same nonsense in each state of a session."""
    settings = {"default_pool_size": 2, "max_client_conn": 3000, "databases": {"app": "{pg}", "sess": "{pg} pool_mode=session pool_size=3"}}

    def idle(self, c):
        c.sql("select 1")

    def in_block(self, c):
        c.sql("begin; create temp table if not exists copied(x text)")

    def in_batch(self, c):
        c.send(parse("", "select 1"), flush()).collect(until="1")

    def in_copy(self, c):
        self.in_block(c)
        c.send(query("copy copied from stdin")).collect(until="G")

    STATES = (idle, in_block, in_batch, in_copy)

    def each_state(self, data, act, database="app"):
        """In each state of a session sends `data`, then calls act(connection)."""
        for state in self.STATES:
            c = self.client(database=database)
            try:
                state(self, c)
                c.send(data)
                act(c)
            except Exception as e:
                raise AssertionError(f"{state.__name__}, {data[:20]}: {e!r}") from e
            c.reset()

    def told_and_closed(self, c):
        reply = self.after(c)
        self.assertTrue(reply.closed)
        self.assertTrue(reply.errors, "closed without a word")
        self.assertEqual(reply.errors[-1].severity, "FATAL")
        self.assertRegex(reply.errors[-1].code, "^08")

    @subset("tsan", "asan")
    def test_lengths(self):
        for kind in "QPBDECSHXdcfFp":
            for length in (0, 1, 3, -1, -2 ** 31):
                self.each_state(kind.encode() + struct.pack("!i", length) + b"\0" * 16, self.told_and_closed)
        self.assert_serves()
        self.assert_idle()

    @subset("asan")
    def test_huge_lengths_cost_nothing(self):
        self.client().sql("select 1")
        before = self.weir.rss_kb()
        for kind in "QPBDECHdcfFp":
            for length in (2 ** 31 - 1, 2 ** 30, 200_000_000):
                self.each_state(kind.encode() + struct.pack("!i", length) + b"x" * 1000, lambda c: None)
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
        self.assert_serves()
        self.assert_idle(60)

    def test_huge_lengths_and_patience(self):
        # Those that announce much and send little, all at the same time.
        self.client().sql("select 1")
        before = self.weir.rss_kb()
        clients = self.clients(40)
        for n, c in enumerate(clients):
            c.send("QPBD"[n % 4].encode() + struct.pack("!i", 2 ** 31 - 1) + b"x" * 10_000)
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
        for c in clients:
            c.reset()
        self.assert_serves()

    @beyond_pgbouncer
    def test_max_packet_size(self):
        self.start(max_packet_size=100_000)
        c = self.client()
        self.assertEqual(len(c.one("select '" + "x" * 50_000 + "'")), 50_000)
        c.send(query("select '" + "x" * 200_000 + "'")[:50_000])
        self.assertRegex(self.fatal(c).code, "^(08P01|54000)$")
        self.assert_serves()

    @subset("tsan", "asan")
    def test_every_type_in_every_state(self):
        """Each of the 256 message types, with an empty body and a few bytes: an error, an answer or the end, never harm."""
        known = b"HdcfSXQPBDECFp"
        for body in (b"", b"\0" * 9):
            for number in range(0, 256, max(1, int(SLOW))):
                data = bytes([number]) + msg("?", body)[1:]
                self.each_state(data, (lambda c: None) if number in known else self.told_and_closed)
            self.assert_serves()
        self.assert_idle(60)

    BODIES = {"Q": (b"", b"no zero", b"select 1\0select 2\0"),
              "P": (b"", b"\0", b"\0\0", b"name", b"name\0", b"name\0select 1", b"name\0select 1\0", b"name\0select 1\0\xff\xff", b"name\0select 1\0\x7f\xff",
                    b"\0select 1\0\0\1", b"s\0select 1\0\0\0junk"),
              "B": (b"", b"\0", b"portal", b"\0s", b"\0\0", b"\0\0\0", b"\0\0\xff\xff", b"\0\0\0\0\x7f\xff", b"\0\0\0\0\0\1\x7f\xff\xff\xff", b"\0\0\0\0\0\1\xff\xff\xff\xfe",
                    b"\0\0\0\2\0\0", b"\0s\0\0\0\0\1\0\0\0\5abc", b"\0nosuch\0\0\0\0\0\0\0"),
              "D": (b"", b"X\0", b"S", b"P", b"Sname", b"Sname\0junk", b"\0"),
              "C": (b"", b"X\0", b"S", b"P", b"Sname", b"Sname\0junk", b"\0"),
              "E": (b"", b"\0", b"\0\0", b"name", b"\0\0\0\0", b"\0\0\0\0\0junk"),
              "F": (b"", b"\0\0", b"\0\0\0\xb1\xff\xff", b"\0\0\0\xb1\0\0\x7f\xff", b"\0\0\0\xb1\0\1\0\1\0\1\x7f\xff\xff\xff"),
              "S": (b"x", b"\0" * 100), "H": (b"x",), "X": (b"x",), "d": (b"",), "c": (b"x",), "f": (b"", b"no zero"), "p": (b"", b"x")}

    def answered(self, c, may_be_silent):
        c.send(sync(), query("select 'the end'"))
        for turn in range(8):
            if may_be_silent and turn and not c.readable(0.3):
                return
            reply = c.collect(until="ZG")
            if reply.closed or reply.types.endswith("G") or reply.value == "the end" or any(e.code == "25P02" for e in reply.errors):
                return

    @subset("asan")
    def test_broken_bodies(self):
        for kind, bodies in self.BODIES.items():
            for body in bodies:
                # A Sync behind it: an error with its ReadyForQuery, or the end; never silence.
                self.each_state(msg(kind, body), lambda c: self.answered(c, kind in "dcfSH"))
        self.assert_serves()
        self.assert_idle(60)

    @subset("asan")
    def test_no_server_is_left_skipping_to_a_sync(self):
        """After an error in an extended message PostgreSQL ignores everything up to a Sync: the next client must not run into that."""
        self.start(default_pool_size=1)
        for kind in "PBDECHcdfFS":
            for body in (b"\0" * 9, b"x"):
                for leave in (wire.Wire.reset, wire.Wire.close):
                    c = self.client()
                    c.send(msg(kind, body))
                    leave(c)
                    try:
                        self.assert_serves()
                    except Exception as e:
                        raise AssertionError(f"after {kind} with {body}: {e!r}") from e

    @subset("asan")
    def test_mutated_conversations(self):
        """Good conversations with a few bytes changed, in pieces: whatever happens, others get what they ask for."""
        chance = random.Random(31337)
        good = (parse("s", "select $1::int") + wire.describe("S", "s") + bind("p", "s", [1]) + execute("p") + sync() + query("begin") + one("select 2") + sync() +
                wire.close("S", "s") + sync() + query("commit") + query("copy (values (1)) to stdout"))
        other = self.client()
        before = self.weir.rss_kb()
        for turn in range(scaled(400, 60)):
            data = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.choice([0, 1, 255, chance.randrange(256)])
            c = self.client(database=chance.choice(["app", "app", "sess"]))
            try:
                for at in range(0, len(data), step := chance.choice([7, 50, 10_000])):
                    c.send(bytes(data[at:at + step]))
            except OSError:
                pass
            self.assertEqual(other.one(f"select {turn}"), str(turn))
            c.reset()
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
        self.assert_serves()
        self.assert_serves(database="sess")
        self.assert_idle(60)

    @beyond_pgbouncer
    def test_while_waiting(self):
        holders = self.clients(2)
        for h in holders:
            h.sql("begin")
        for data in (b"Q\0\0\0\0", b"\0" * 20, b"Q\xff\xff\xff\xff", msg("y")):
            for before in (query("select 1"), parse("", "select 1")):
                c = self.client()
                c.send(before, data)
                wait_until(lambda: c.readable(0.05) or self.weir.pool()["cl_waiting"] >= 1, 30, "an end or a place in the queue")
                c.reset()
        self.weir.wait_waiting(0)
        for h in holders:
            self.assertEqual(h.one("select 1"), "1")
            h.sql("commit")
        self.assert_serves()

    def test_console(self):
        for data in (b"Q\0\0\0\0", b"\0" * 20, msg("y"), msg("Q", b""), msg("Q", b"no zero"), msg("P", b""), msg("B", b""), msg("D", b""), msg("E", b""), msg("C", b""),
                     msg("F", b""), wire.copy_data(b"x"), msg("p", b"x"), query("show " + "x" * 100_000), query("\xff\xfe"), query("'"), query('"'), query(";;;;"), query("show")):
            with self.subTest(data[:12]):
                c = self.weir.console()
                self.addCleanup(c.drop)
                c.send(data)
                c.half_close()
                self.after(c)
        self.assert_serves()
        self.assertTrue(self.weir.show("pools"))


class Half(Malformed):
    """Half a message and silence."""

    def test_holds_no_server_and_can_be_ended(self):
        self.start(default_pool_size=1, client_idle_timeout=2)
        c = self.client()
        c.send(query("select 1")[:7])
        self.assert_serves()
        d = self.client()
        d.send(b"Q")
        for half in (c, d):
            self.assertTrue(self.after(half).closed)
        self.assert_serves()

    def test_a_message_in_slow_pieces(self):
        c = self.client()
        data = parse("", "select 'slow'") + bind() + execute() + sync()
        for n in range(len(data)):
            c.sock.sendall(data[n:n + 1])
            if n % 10 == 0:
                self.assert_serves()
        self.assertEqual(c.collect().check().value, "slow")

    def test_urgent_data_and_odd_sockets(self):
        c = self.client()
        c.sock.send(b"!", socket.MSG_OOB)
        c.reset()
        d = self.raw()
        d.half_close()
        self.assertTrue(self.after(d).closed)
        self.assert_serves()
