"""Servers that die or misbehave: those affected are told with a proper SQLSTATE, the pooler goes on, and service recovers."""
import signal
import struct
import threading
import time

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend, columns, error, notice, parameter, ready, result, row
from harness.wire import bind, cstr, execute, flush, msg, one, parse, query, sync

LOST = "08...|57P0[123]"  # connection exceptions, or PostgreSQL's own words about its end


class Killed(Case):
    """PostgreSQL's processes end under clients in every state."""

    def states(self):
        """Clients in every state with regard to a server; those in `linked` hold one."""
        self.pg.sql("create table items(x text); grant all on items to public", database=self.weir.dbname)
        self.pg.sql("checkpoint")  # it must outlive a crash, with fsync off
        idle, fresh, block, failed, running, copy_in, copy_out, batch, waiting = self.clients(9)
        idle.sql("select 1")
        block.sql("begin; insert into items values ('block')")
        failed.sql("begin")
        failed.run("select 1/0")
        running.send(query("select pg_sleep(300)"))
        copy_in.send(query("copy items from stdin"), wire.copy_data(b"half\n")).collect(until="G")
        copy_out.send(query("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout")).collect(until="d")
        batch.send(parse("", "select 1"), bind(), execute(), flush()).collect(until="C")
        wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == 1, 30, "the query to run")
        self.weir.wait_pool(sv_active=6)
        waiting.send(query("select 'waited'"))
        self.weir.wait_waiting(1)
        return {"idle": idle, "fresh": fresh}, {"block": block, "failed": failed, "running": running, "copy in": copy_in, "copy out": copy_out, "batch": batch}, waiting

    def check_told(self, name, reply, code=LOST):
        """One FATAL of the right class; in the middle of a row nothing can be told."""
        fatals = [e for e in reply.errors if e.severity in ("FATAL", "PANIC")]
        if name == "copy out" and not fatals:
            return
        self.assertEqual(len(fatals), 1, f"{name}: {reply.errors}")
        self.assertRegex(fatals[0].code, f"^({code})$")

    def check_lost(self, linked):
        for name, c in linked.items():
            with self.subTest(name):
                reply = c.expect_close()
                self.check_told(name, reply)

    def check_recovered(self, unlinked, waiting):
        def served():
            try:
                self.assert_serves()
                return True
            except (wire.PgError, wire.Closed, OSError):
                return False
        wait_until(served, 60, "service to come back", interval=0.2)
        for name, c in unlinked.items():
            with self.subTest(name):
                self.assertEqual(c.one("select 'still here'"), "still here")
        if waiting is not None:
            reply = waiting.collect()  # served once there was a server again, or told why not
            if reply.errors:
                self.assertRegex(reply.errors[-1].code, f"^({LOST})$")
            else:
                self.assertEqual(reply.value, "waited")
        self.assertEqual(self.pg.one("select count(*) from items", database=self.weir.dbname), "0")
        self.assert_idle()

    @subset("tsan", "asan")
    def test_terminated_backends(self):
        self.start(default_pool_size=6)
        unlinked, linked, waiting = self.states()
        self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.weir.dbname}'")
        for name, c in linked.items():
            with self.subTest(name):
                self.check_told(name, c.expect_close(), "57P01")  # once, in PostgreSQL's own words
        self.check_recovered(unlinked, waiting)

    @subset("asan")
    def test_kill_9_of_a_backend(self):
        self.start(default_pool_size=6)
        unlinked, linked, waiting = self.states()
        self.pg.kill_backend(self.pg.backends(self.weir.dbname)[0]["pid"])  # PostgreSQL then restarts all of them
        self.check_lost(linked)
        self.check_recovered(unlinked, waiting)

    @subset("asan")
    def test_kill_9_of_postgresql(self):
        self.start(default_pool_size=6, query_wait_timeout=60)
        unlinked, linked, waiting = self.states()
        self.pg.kill_hard()
        try:
            self.check_lost(linked)
            self.assertTrue(self.weir.alive())
            self.assertTrue(self.weir.show("pools"))
            raw = self.raw().send(wire.startup_packet({"user": "app", "database": "app"}))
            asked = unlinked.pop("fresh").send(query("select 'asked while down'"))
            time.sleep(0.5)
        finally:
            self.pg.start()
        self.check_recovered(unlinked, waiting)
        for c in (asked, raw):
            reply = c.collect()
            if reply.errors:
                self.assertRegex(reply.errors[-1].code, f"^({LOST})$")

    def test_restart_of_postgresql_with_idle_clients(self):
        self.start(default_pool_size=5)
        clients = self.in_transactions(5)
        for c in clients:
            c.sql("commit")
        self.pg.proc.send_signal(signal.SIGINT)
        self.pg.proc.wait(60)
        self.pg.start()
        time.sleep(0.3)
        for c in clients:
            self.assertEqual(c.one("select 1"), "1", "clients without a server notice nothing")

    @subset("tsan")
    def test_idle_servers_that_die_are_replaced_unnoticed(self):
        self.start(default_pool_size=4)
        clients = self.clients(4)
        for turn in range(5):
            for c in clients:
                c.sql("begin")
            for c in clients:
                c.sql("commit")
            self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.weir.dbname}'")
            wait_until(lambda: self.weir.pool()["sv_idle"] == 0, 30, "the dead servers to be noticed")
            for c in clients:
                self.assertEqual(c.one("select 1"), "1")

    @beyond_pgbouncer
    def test_a_pipeline_ends_with_its_server(self):
        self.start(default_pool_size=1)
        c = self.client()
        c.send(one("select 1"), sync(), one("select pg_terminate_backend(pg_backend_pid())"), sync(), one("select 2"), sync(), query("select 3"))
        replies = [c.collect()]
        self.assertEqual(replies[0].value, "1")
        last = c.expect_close()
        self.assertEqual([e.code for e in last.errors], ["57P01"])
        self.assert_serves()

    def test_session_mode(self):
        self.start(default_pool_size=2, pool_mode="session")
        c = self.client()
        pid = c.server_pid()
        self.pg.sql(f"select pg_terminate_backend({pid})")
        self.assertRegex(self.fatal(c).code, f"^({LOST})$")
        self.assert_serves()


@beyond_pgbouncer
class Misbehaved(Case):
    """Scripted servers that break the protocol. `good` is a real database beside them: it is served all the while."""

    def fake(self, script, **options):
        f = FakeBackend(script)
        self.addCleanup(f.__exit__)
        self.start(databases={"app": f.connstr + options.pop("more", ""), "good": "{pg}"}, default_pool_size=options.pop("size", 1), **options)
        return f

    def check_refused(self, script, pattern=".*", code=f"{LOST}|28...|XX000|53...", **options):
        fake = self.fake(script, **{"server_connect_timeout": 3, "client_login_timeout": 4, "query_wait_timeout": 4, **options})
        e = self.refused()
        self.assertEqual(e.severity, "FATAL")
        self.assertRegex(e.message, pattern)
        self.assertRegex(e.code, f"^({code})$")
        self.assert_serves(database="good")
        return fake

    def test_login_refused_is_passed_on(self):
        def script(peer):
            peer.startup()
            peer.send(error("no room here", "53300", "FATAL"))
        self.check_refused(script, "no room here", "53300")

    def test_a_refused_process_counts_until_it_has_ended(self):
        """It is in pg_stat_activity until then: its slot is nobody else's."""
        alive, most, logins, lock = 0, 0, 0, threading.Lock()

        def script(peer):
            nonlocal alive, most, logins
            peer.startup()
            with lock:
                alive, logins = alive + 1, logins + 1
                most = max(most, alive)
            peer.send(error("terminating connection due to administrator command", "57P01", "FATAL"))
            time.sleep(0.5)  # takes its time to exit
            with lock:
                alive -= 1
        self.fake(script, server_login_retry="0.05", query_wait_timeout=4)
        ends = time.monotonic() + 20
        while logins < 3 and time.monotonic() < ends:
            self.refused()
        self.assertGreaterEqual(logins, 3)
        self.assertEqual(most, 1)

    def test_login_refused_with_many_waiting_is_told_to_all_after_one_attempt(self):
        def script(peer):
            peer.startup()
            time.sleep(0.5)
            peer.send(error("no room here", "28000", "FATAL"))
        fake = self.fake(script, server_login_retry=60, size=20)
        raws = [self.raw() for _ in range(10)]
        for r in raws:
            r.send(wire.startup_packet({"user": "app", "database": "app"}))
        for r in raws:
            reply = r.expect_close()
            self.assertEqual(len(reply.errors), 1)
            self.assertIn("no room here", reply.error.message)
        self.assertLessEqual(fake.accepted, 10)

    def test_login_error_without_sqlstate(self):
        def script(peer):
            peer.startup()
            peer.send(error("bare", code=None, severity="FATAL"))
        self.check_refused(script, code=".*")

    def test_login_error_without_anything(self):
        def script(peer):
            peer.startup()
            peer.send(msg("E", b"\0"))
        self.check_refused(script, code=".*")

    def test_login_garbage(self):
        for garbage in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100, msg("R", b""), msg("R", b"\0\0\0"), b"R\0\0\0\0", b"R\xff\xff\xff\xff", b"R\x7f\xff\xff\xff",
                        msg("D", b"\0\0"), ready(), msg("R", struct.pack("!i", 7)), msg("R", struct.pack("!i", 99)), msg("E", b"Sno terminator"), msg("S", b"x"),
                        msg("K", b"1"), msg("G", b"\0\0\0")):
            with self.subTest(garbage[:20]):
                def script(peer):
                    peer.startup()
                    peer.send(garbage)
                    peer.recv()
                self.check_refused(script)
                self.doCleanups()

    def test_login_closed_half_way(self):
        for sent in (b"", b"R", msg("R", struct.pack("!i", 0))):
            def script(peer):
                peer.startup()
                peer.send(sent)
            self.check_refused(script, server_login_retry=1)
            self.doCleanups()

    def scram(self, first=None, final=None, mechanisms=b"SCRAM-SHA-256\0\0"):
        def script(peer):
            peer.startup()
            peer.send(msg("R", struct.pack("!i", 10) + mechanisms))
            kind, body = peer.recv()
            if b"r=" not in body:
                return
            nonce = body.split(b"r=")[1].decode()
            peer.send(msg("R", struct.pack("!i", 11) + (first(nonce) if first else f"r={nonce}x,s=c2FsdHNhbHRzYWx0,i=4096").encode()))
            peer.recv()
            peer.send(msg("R", struct.pack("!i", 12) + (final or b"v=" + b"A" * 43 + b"=")), msg("R", struct.pack("!i", 0)))
            peer.login_ok()
        return script

    @subset("asan")
    def test_hostile_scram(self):
        """A server with a huge nonce, salt or iteration count, or other nonsense, is refused and harms nobody."""
        huge = "n" * 200_000
        firsts = [lambda n: f"r={n}{huge},s=c2FsdA==,i=4096", lambda n: f"r={n}x,s={'QUFB' * 50_000},i=4096", lambda n: "r=other,s=c2FsdA==,i=4096", lambda n: "",
                  lambda n: ",,,,", lambda n: f"r={n}x,s=!!!,i=4096", lambda n: f"r={n}x,s=c2FsdA==,i=0", lambda n: f"r={n}x,s=c2FsdA==,i=-1",
                  lambda n: f"r={n}x,s=c2FsdA==,i=99999999999999999999", lambda n: f"r={n}x,s=c2FsdA==", lambda n: f"r={n}x", lambda n: f"r={n},s=c2FsdA==,i=4096",
                  lambda n: f"m=ext,r={n}x,s=c2FsdA==,i=4096", lambda n: f"r={n}\0x,s=c2FsdA==,i=1"]
        for n, first in enumerate(firsts):
            with self.subTest(first=n):
                self.check_refused(self.scram(first), more=" password=secret")
                self.doCleanups()
        for final in (b"v=" + b"A" * 43 + b"=", b"e=other-error", b"", b"v=", b"v=!!", b"v=" + b"A" * 100_000):
            with self.subTest(final=final[:20]):
                self.check_refused(self.scram(final=final), more=" password=secret")
                self.doCleanups()
        for mechanisms in (b"\0", b"", b"SCRAM-SHA-256", b"KERBEROS\0\0", b"X" * 100_000 + b"\0\0"):
            with self.subTest(mechanisms=mechanisms[:20]):
                self.check_refused(self.scram(mechanisms=mechanisms), more=" password=secret")
                self.doCleanups()

    def test_password_wanted_but_none_known(self):
        for body in (struct.pack("!i", 3), struct.pack("!i", 5) + b"salt", struct.pack("!i", 5) + b"s", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0"):
            def script(peer):
                peer.startup()
                peer.send(msg("R", body))
                peer.recv()
                peer.send(error("what was that", "28P01", "FATAL"))
            self.check_refused(script)
            self.doCleanups()

    def test_notices_and_parameters_during_login(self):
        def script(peer):
            peer.startup()
            peer.send(notice("be patient"), msg("R", struct.pack("!i", 3)), notice("thinking"))
            peer.recv()
            peer.send(msg("R", struct.pack("!i", 0)), notice("welcome"), parameter("extra", "1"), msg("K", struct.pack("!ii", 1, 2)), ready())
            peer.serve()
        self.fake(script, more=" password=secret")
        self.assertEqual(self.client().one("select 1"), "1")

    def test_no_key_from_the_server(self):
        def script(peer):
            peer.startup()
            peer.send(msg("R", struct.pack("!i", 0)), parameter("server_version", "9"), ready())
            peer.serve()
        self.fake(script)
        c = self.client()
        self.assertEqual(c.one("select 1"), "1")
        c.cancel()
        self.assertEqual(c.one("select 1"), "1")

    def answering(self, reply, then_close=False, **options):
        """A server that answers the query `bad` with these bytes and everything else properly."""
        def script(peer):
            peer.startup()
            peer.login_ok()

            def answer(sql):
                if sql == "bad":
                    peer.send(reply)
                    if then_close:
                        raise wire.Closed()
                    return b""
                return result(sql) if not sql.lower().startswith("set") else None
            peer.serve(answer)
        return self.fake(script, **options)

    def test_query_error_without_sqlstate(self):
        self.answering(error("bare", code=None) + ready())
        c = self.client()
        reply = c.run("bad")
        self.assertEqual((reply.error.message, reply.error.code), ("bare", ""))
        self.assertEqual(c.one("good"), "good")

    @subset("asan")
    def test_query_garbage(self):
        """Bytes that are no protocol: the client is told and closed, the server is not used again."""
        for garbage in (b"D\0\0\0\0", b"D\0\0\0\3", b"D\xff\xff\xff\xff", b"\0" * 20, b"\xff" * 20, msg("y", b"what"), msg("R", struct.pack("!i", 0)),
                        msg("Z", b""), msg("Z", b"?"), msg("C", b"") + b"\0", msg("E", b"Sbroken")):
            with self.subTest(garbage[:12]):
                self.answering(garbage, then_close=True)
                c, d = self.clients(2)
                c.send(query("bad"))
                reply = c.expect_close()
                self.assertTrue(reply.closed)
                self.assertTrue(reply.errors)
                for _ in range(3):
                    self.assertEqual(d.one("good"), "good")
                self.doCleanups()

    @subset("asan")
    def test_closed_half_way_through_a_row(self):
        for sent in (b"D", columns("a")[:9], columns("a") + row("x" * 100_000)[:50_000], columns("a") + row("x"), columns("a") + row("x") + msg("C", cstr("SELECT 1"))):
            with self.subTest(sent[:12]):
                self.answering(sent, then_close=True)
                c, d = self.clients(2)
                c.send(query("bad"))
                reply = c.expect_close()
                if len(sent) < 50_000:  # in mid-message no error can be told
                    self.assertRegex(reply.errors[-1].code if reply.errors else "08006", f"^({LOST})$")
                self.assertEqual(d.one("good"), "good")
                self.doCleanups()

    def test_more_answers_than_questions(self):
        """Whatever comes beyond the answer that was due is never given to the next client."""
        for extra in (ready(), result("poison"), row("poison"), b"D\0\0", columns("poison") + row("poison") + ready()):
            with self.subTest(extra[:10]):
                self.answering(result("answer") + extra)
                a, b = self.clients(2)
                a.send(query("bad"))
                reply = a.collect()
                if not reply.closed:
                    self.assertEqual(reply.value, "answer")
                for n in range(5):
                    reply = b.run(f"good {n}")
                    if reply.closed:
                        self.assertTrue(reply.errors)  # closed on doubt: fine, wrong rows: never
                        b = self.client()
                        continue
                    self.assertEqual(reply.check().rows, [(f"good {n}",)])
                self.doCleanups()

    def test_idle_servers_that_speak(self):
        """Notices and parameter changes to an idle server do no harm; anything else or a FATAL makes it unusable."""
        for said, ends in ((notice("hello") + parameter("TimeZone", "Asia/Tokyo"), False), (msg("A", struct.pack("!i", 1) + b"c\0p\0"), False),
                           (error("terminating connection", "57P01", "FATAL"), True), (result("poison"), False), (b"D", False)):
            with self.subTest(said[:10]):
                peers = []

                def script(peer):
                    peer.startup()
                    peer.login_ok()
                    peers.append(peer)
                    peer.serve(lambda sql: result(sql) if not sql.lower().startswith("set") else None)
                self.fake(script)
                c = self.client()
                c.sql("first")
                peers[-1].send(said)
                if ends:
                    peers[-1].sock.shutdown(2)
                time.sleep(0.1)
                for n in range(3):
                    self.assertEqual(c.one(f"q{n}"), f"q{n}")
                self.doCleanups()

    def test_a_hanging_server_holds_its_own_client_only(self):
        self.answering(b"", size=2)
        a, b = self.clients(2)
        a.send(query("bad"))
        for n in range(5):
            self.assertEqual(b.one(f"n{n}"), f"n{n}")
        a.reset()
        self.assert_serves(database="good")
