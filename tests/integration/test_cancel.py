"""Cancel requests, and clients that go away in the middle of things."""
import random
import struct
import threading
import time

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend, error, ready, result
from harness.util import scaled
from harness.wire import bind, describe, execute, flush, msg, one, parse, query, sync


def wait_sleeping(weir, count=1):
    """Until so many servers run the query: one that is linked need not have got it yet."""
    wait_until(lambda: weir.count("state = 'active' and query like '%pg_sleep%'") == count, 30, f"{count} sleeping servers")


class Running(Case):
    settings = {"default_pool_size": 3, "databases": {"app": "{pg}", "sess": "{pg} pool_mode=session"}}

    @subset("tsan", "asan")
    def test_a_running_query(self):
        for database in ("app", "sess"):
            for send in (query("select pg_sleep(120)"), one("select pg_sleep(120)") + sync()):
                c = self.client(database=database)
                c.send(send)
                wait_sleeping(self.weir)
                c.cancel()
                self.assert_error(c.collect(), "57014", "canceling statement due to user request")
                self.assertEqual(c.one("select 'usable'"), "usable")
                c.close()

    def test_in_a_transaction(self):
        c = self.client()
        c.sql("begin")
        c.send(query("select pg_sleep(120)"))
        wait_sleeping(self.weir)
        c.cancel()
        reply = c.collect()
        self.assert_error(reply, "57014")
        self.assertEqual(reply.status, "E")
        c.sql("rollback")

    @subset("tsan", "asan")
    def test_arriving_at_any_worker(self):
        c = self.client()
        for turn in range(scaled(50, 15)):
            c.send(query("select pg_sleep(120)"))
            wait_sleeping(self.weir)
            c.cancel()
            self.assert_error(c.collect(), "57014")

    def test_by_other_roads(self):
        for client_host, cancel_host in (("127.0.0.1", "::1"), ("::1", self.weir.socket_dir), (self.weir.socket_dir, "127.0.0.1")):
            c = self.client(host=client_host)
            c.send(query("select pg_sleep(120)"))
            wait_sleeping(self.weir)
            with wire.Wire(cancel_host, self.weir.port) as w:
                w.send(wire.cancel_packet(c.key)).expect_close()
            self.assert_error(c.collect(), "57014")

    def test_only_the_one_asked_for(self):
        clients = self.clients(3)
        for c in clients:
            c.send(query("select pg_sleep(2)"))
        wait_sleeping(self.weir, 3)
        clients[1].cancel()
        self.assert_error(clients[1].collect(), "57014")
        for c in (clients[0], clients[2]):
            self.assertFalse(c.collect().errors)

    @subset("asan")
    def test_wrong_keys_are_ignored(self):
        c = self.client()
        gone = self.client()
        gone.close()
        c.send(query("select pg_sleep(2), 'done'"))
        wait_sleeping(self.weir)
        first, second = struct.unpack("!II", c.key)
        chance = random.Random(3)
        wrong = [struct.pack("!II", first, second ^ 1), struct.pack("!II", first ^ 1, second), b"\0" * 8, b"\xff" * 8, gone.key, c.key[:4], c.key + b"\0" * 4,
                 b"", c.key * 30]
        wrong += [struct.pack("!II", first ^ (1 << bit), second) for bit in range(32)] + [chance.randbytes(8) for _ in range(50)]
        for key in wrong:
            c.cancel(key)
        self.assertEqual(c.collect().check().rows[0][1], "done")

    @beyond_pgbouncer
    def test_process_ids_are_like_those_of_servers(self):
        # Some drivers do not cancel what has no number above zero, and some take it for the name of the connection.
        seen = set()
        for _ in range(12):
            c = self.client()
            seen.add(struct.unpack("!i", c.key[:4])[0])
            c.close()
        self.assertGreater(min(seen), 0)
        self.assertGreater(len(seen), 10)

    def test_of_an_idle_client_does_nothing(self):
        c = self.client()
        c.sql("select 1")
        for _ in range(20):
            c.cancel()
            self.assertEqual(c.one("select 1"), "1")

    def test_requests_do_not_count_as_clients(self):
        self.start(max_client_conn=2, default_pool_size=1)
        a, b = self.clients(2)
        a.send(query("select pg_sleep(120)"))
        wait_sleeping(self.weir)
        a.cancel()
        self.assert_error(a.collect(), "57014")

    @subset("tsan")
    def test_never_hits_the_next_client(self):
        """Cancels fired at one client, early and late, while others use the same server: they must never see one."""
        self.start(default_pool_size=1)
        victim, others = self.client(), self.clients(3)
        stop = threading.Event()
        cancelled = []

        def fire():
            while not stop.is_set():
                victim.cancel()

        def suffer():
            while not stop.is_set():
                reply = victim.run("select pg_sleep(0.002)")
                if reply.errors:
                    self.assert_error(reply, "57014")
                    cancelled.append(1)
        with background(fire), background(suffer):
            try:
                for turn in range(scaled(400, 80)):
                    for n, c in enumerate(others):
                        c.send(query(f"select {n}, {turn} from pg_sleep(0.001)"))
                    for n, c in enumerate(others):
                        self.assertEqual(c.collect().check().rows, [(str(n), str(turn))])
            finally:
                stop.set()
        self.assertTrue(cancelled, "no cancel ever hit its target")

    @beyond_pgbouncer
    def test_a_server_is_withheld_while_a_cancel_is_in_flight(self):
        """A scripted server ends its query at once but keeps the cancel's own connection open for a while."""
        arrived, release, seen = threading.Event(), threading.Event(), []

        def script(peer):
            peer.startup()
            if peer.code == 80877102:
                arrived.set()
                release.wait(60)
                return
            peer.login_ok()

            def answer(sql):
                seen.append(sql)
                if sql == "slow":
                    arrived.wait(60)
                    return error("canceling statement due to user request", "57014") + ready()
                return result(sql)
            peer.serve(answer)
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr}, default_pool_size=1)
            a, b = self.clients(2)
            a.send(query("slow"))
            wait_until(lambda: "slow" in seen, 30, "the query at the server")
            with background(a.cancel):
                self.assert_error(a.collect(), "57014")
                b.send(query("of b"))
                self.weir.wait_waiting(1)
                self.assertFalse(b.readable(0.5))
                self.assertNotIn("of b", seen)
                release.set()
                self.assertEqual(b.collect().check().value, "of b")


@beyond_pgbouncer
class Waiting(Case):
    """A client that has no server yet can be cancelled too: ERROR 57014, and it goes on."""
    settings = {"default_pool_size": 1, "databases": {"app": "{pg}", "sess": "{pg} pool_mode=session", "stmt": "{pg} pool_mode=statement"}}

    @subset("tsan", "asan")
    def test_each_way_of_asking(self):
        for database in ("app", "sess"):
            for asked in (query("select 'x'"), query("begin"), one("select 'x'") + sync(), one("select 'x'", name="n") + sync(),
                          parse("", "select 1") + flush(), query("select '" + "x" * 100_000 + "'")):
                with self.subTest(database, asked=asked[:20]):
                    holder, c = self.client(database=database), self.client(database=database)
                    holder.sql("begin")
                    c.send(asked)
                    self.weir.wait_waiting(1, database=database)
                    c.cancel()
                    if asked.endswith(flush()):
                        self.assertEqual(c.collect(until="E").error.code, "57014")
                        c.send(sync())
                    reply = c.collect()
                    if reply.errors:
                        self.assert_error(reply, "57014")
                    self.assertEqual(reply.status, "I")
                    self.weir.wait_waiting(0, database=database)
                    self.assertEqual(holder.one("select 1"), "1")
                    holder.sql("commit")
                    holder.close()
                    self.assertEqual(c.one("select 'usable'"), "usable")
                    c.close()

    def test_repeatedly(self):
        holder, c = self.clients(2)
        holder.sql("begin")
        for turn in range(20):
            c.send(query("select 1"))
            self.weir.wait_waiting(1)
            c.cancel()
            self.assert_error(c.collect(), "57014")
        holder.sql("commit")
        self.assertEqual(c.one("select 1"), "1")

    def test_the_next_in_line_moves_up(self):
        holder, a, b = self.clients(3)
        holder.sql("begin")
        for n, c in enumerate((a, b), 1):
            c.send(query(f"select {n}"))
            self.weir.wait_waiting(n)
        a.cancel()
        self.assert_error(a.collect(), "57014")
        self.assertFalse(b.readable())
        holder.sql("commit")
        self.assertEqual(b.collect().check().value, "2")

    def test_a_pipeline_behind_it(self):
        holder, c = self.clients(2)
        holder.sql("begin")
        c.send(one("select 1"), sync(), one("select 2"), sync(), query("select 3"))
        self.weir.wait_waiting(1)
        c.cancel()
        self.assert_error(c.collect(), "57014")
        holder.sql("commit")
        for value in ("2", "3"):
            reply = c.collect()
            if reply.errors:
                self.assert_error(reply, "57014")
            else:
                self.assertEqual(reply.value, value)
        self.assertEqual(c.one("select 'usable'"), "usable")

    @subset("asan")
    def test_in_the_middle_of_a_huge_query(self):
        holder, c = self.clients(2)
        holder.sql("begin")
        data = query("select length('" + "z" * 30_000_000 + "')") + query("select 'next'")
        sender = threading.Thread(target=lambda: c.sock.sendall(data), daemon=True)
        sender.start()
        self.weir.wait_waiting(1)
        c.cancel()
        self.assert_error(c.collect(), "57014")
        holder.sql("commit")
        self.assertEqual(c.collect().check().value, "next")
        sender.join(wire.TIMEOUT)

    def test_a_waiting_client_times_out_with_a_cancel_on_its_way(self):
        self.start(default_pool_size=1, query_wait_timeout=1)
        holder = self.client()
        holder.sql("begin")
        clients = self.clients(10)
        for c in clients:
            c.send(query("select 1"))
        for c in clients:
            c.cancel()
            reply = c.collect()
            self.assertRegex(reply.error.code, "57014|08P01")
        holder.sql("commit")
        self.assert_serves()


class Vanished(Case):
    """A client that goes away: its statement is cancelled, its transaction rolled back, its server kept."""
    settings = {"default_pool_size": 1}
    LEAVES = {"reset": wire.Wire.reset, "closed": wire.Wire.drop, "Terminate": wire.Wire.close}

    def setUp(self):
        self.pg.sql("drop table if exists mine; create table mine(x int); grant all on mine to public", database=self.weir.dbname)

    def check(self, pid, kept=True):
        c = self.client()
        self.assertEqual(c.one("select count(*) from mine"), "0")
        c.sql("begin; lock table mine; commit")
        if kept:
            self.assertEqual(c.server_pid(), pid)
        c.close()
        self.assert_idle()

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_while_a_query_runs(self):
        for how, leave in self.LEAVES.items():
            for begin in ("begin; insert into mine values (1)", "select 1"):
                for sleep in (query("select pg_sleep(300)"), one("select pg_sleep(300)") + sync(), one("select pg_sleep(300)") + flush(),
                              one("select pg_sleep(300)", name="s") + sync() + one("select 2") + sync()):
                    with self.subTest(how, begin=begin, sleep=sleep[:20]):
                        c = self.client()
                        c.sql(begin)
                        pid = c.server_pid()
                        c.send(sleep)
                        wait_until(lambda: self.weir.count("state = 'active'") == 1, 30, "the query to run")
                        leave(c)
                        wait_until(lambda: self.weir.count("state = 'active'") == 0, 5, "the query to be cancelled")
                        self.check(pid, kept=not sleep.endswith(flush()))  # without a Sync the batch must not be committed; closing is one way

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_idle_in_a_transaction(self):
        for how, leave in self.LEAVES.items():
            for state in (("insert into mine values (1)",), ("insert into mine values (1)", "select 1/0"), ("savepoint s", "declare c cursor for select 1")):
                with self.subTest(how, state=state):
                    c = self.client()
                    c.sql("begin")
                    pid = c.server_pid()
                    for sql in state:
                        c.run(sql)
                    leave(c)
                    self.check(pid)

    @subset("asan")
    def test_in_the_middle_of_a_batch(self):
        for how, leave in self.LEAVES.items():
            for batch in (parse("", "insert into mine values (1)") + flush(), parse("", "insert into mine values (1)") + bind() + execute() + flush(),
                          parse("n", "insert into mine values (1)") + bind("", "n") + describe() + execute() + flush(), parse("", "selec") + flush()):
                with self.subTest(how, batch=batch[:30]):
                    c = self.client()
                    c.send(batch)
                    c.collect(until="1E")
                    leave(c)
                    self.check(None, kept=False)

    @subset("asan")
    def test_in_the_middle_of_a_message(self):
        messages = {"query": query("insert into mine values (1)"), "parse": parse("n", "insert into mine values (1)"), "bind": bind("", "n", ["x" * 100]),
                    "large": query("insert into mine values (1) --" + "x" * 200_000)}
        for how, leave in self.LEAVES.items():
            if leave is wire.Wire.close:
                continue  # its Terminate would be the rest of the message
            for name, message in messages.items():
                for begin in (True, False):
                    for cut in (1, 4, 5, 9, len(message) - 1):
                        with self.subTest(how, message=name, begin=begin, cut=cut):
                            c = self.client()
                            if begin:
                                c.sql("begin")
                            c.send(message[:cut])
                            leave(c)
                            self.check(None, kept=False)

    @beyond_pgbouncer
    def test_many_at_once(self):
        self.start(default_pool_size=5)
        pids = set()
        holders = self.clients(5)
        for c in holders:
            c.sql("begin")
            pids.add(c.server_pid())
        for c in holders:
            c.send(query("select pg_sleep(300)"))
        wait_until(lambda: self.weir.count("state = 'active'") == 5, 30, "all to run")
        for c in holders:
            c.reset()
        self.assert_idle()
        self.assertEqual({b["pid"] for b in self.pg.backends(self.weir.dbname)}, pids)

    @beyond_pgbouncer
    def test_in_session_mode(self):
        self.start(default_pool_size=1, pool_mode="session")
        for leave in self.LEAVES.values():
            c = self.client()
            c.sql("set search_path to pg_catalog")
            c.sql("begin")
            pid = c.server_pid()
            c.send(query("select pg_sleep(300)"))
            wait_until(lambda: self.weir.count("state = 'active'") == 1, 30, "the query to run")
            leave(c)
            fresh = self.client()
            self.assertIn("public", fresh.one("show search_path"))
            self.assertEqual(fresh.server_pid(), pid)
            fresh.close()
        wait_until(lambda: self.weir.count("state = 'active'") == 0, 30, "no query left behind")

    @beyond_pgbouncer
    def test_in_statement_mode(self):
        self.start(default_pool_size=1, pool_mode="statement")
        for leave in self.LEAVES.values():
            for sleep in (query("select pg_sleep(300)"), one("select pg_sleep(300)", name="s") + sync() + one("select 2") + sync()):
                c = self.client()
                pid = c.server_pid()
                c.send(sleep)
                wait_until(lambda: self.weir.count("state = 'active'") == 1, 30, "the query to run")
                leave(c)
                fresh = self.client()
                self.assertEqual(fresh.server_pid(), pid)
                fresh.close()
        self.assert_idle()

    @beyond_pgbouncer
    def test_a_server_that_will_not_be_cancelled_is_closed(self):
        """A scripted server that ignores cancels: its connection must not be kept for ever."""
        def script(peer):
            peer.startup()
            if peer.code == 80877102:
                return
            peer.login_ok()
            peer.serve(lambda sql: b"" if sql == "hang" else None)
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr}, default_pool_size=1)
            c = self.client()
            c.send(query("hang"))
            time.sleep(0.2)
            c.reset()
            fresh = self.client()
            self.assertEqual(fresh.one("select 1"), "1")


@beyond_pgbouncer
class LongKeys(Case):
    """Protocol 3.2, whose cancel keys have up to 256 bytes, towards clients and towards servers."""
    settings = {}

    def newer(self):
        c = self.raw()
        return c.login("app", "app", version=(3, 2))

    @subset("tsan")
    def test_clients_of_both_protocols(self):
        for c in (self.newer(), self.client(), self.newer()):
            c.send(query("select pg_sleep(60)"))
            wait_sleeping(self.weir)
            c.cancel()
            self.assert_error(c.collect(), "57014")
            self.assertEqual(c.one("select 1"), "1")

    def test_all_of_the_key_counts(self):
        new, old = self.newer(), self.client()
        for c in (new, old):
            c.send(query("select pg_sleep(1.5), 7"))
        self.weir.wait_pool(sv_active=2)
        flipped = bytearray(new.key)
        flipped[-1] ^= 1
        for key in (new.key[:8], new.key[:-1], bytes(flipped), new.key + b"x", old.key + new.key[8:], old.key + b"\0", new.key[:4] + old.key[4:] + new.key[8:]):
            self.raw().cancel(key)
        for c in (new, old):
            self.assertEqual(c.collect().check().rows[0][1], "7")

    def test_keys_differ(self):
        keys = [self.newer().key for _ in range(20)]
        self.assertEqual(len({k[8:] for k in keys}), 20)
        self.assertEqual({len(k) for k in keys}, {32})

    def test_servers_with_keys_of_all_lengths(self):
        for size in (4, 5, 32, 255, 256):
            with self.subTest(size):
                key = struct.pack("!i", 4711) + bytes(n % 256 for n in range(size))
                asked, cancelled = [], []

                def script(peer):
                    peer.startup()
                    if peer.cancel_key is not None:
                        return cancelled.append(peer.cancel_key)
                    asked.append(peer.code)
                    peer.login_ok(key=key)
                    peer.recv()  # a query that is not answered until it is cancelled
                    wait_until(lambda: cancelled, 30, "the cancel request")
                    peer.send(error("canceled", "57014"), ready())
                    peer.serve()
                with FakeBackend(script) as fake:
                    self.start(databases={"app": fake.connstr}, weir={"server_protocol": "3.2"})
                    c = self.client()
                    c.send(query("select 1"))
                    self.weir.wait_pool(sv_active=1)
                    c.cancel()
                    self.assert_error(c.collect(), "57014")
                self.assertEqual(cancelled, [key])
                self.assertEqual(set(asked), {0x30002})

    def test_an_older_server_is_spoken_to_in_its_protocol(self):
        def script(peer):
            peer.startup()
            peer.login_ok(before=msg("v", struct.pack("!Ii", 0x30000, 0)))
            peer.serve()
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr}, weir={"server_protocol": "3.2"})
            self.assertEqual(self.client().one("select 1"), "1")

    def test_a_server_that_negotiates_nonsense(self):
        for body in (struct.pack("!Ii", 0x30003, 0), struct.pack("!Ii", 0x30000, 1) + b"_pq_.x\0", struct.pack("!Ii", 0x40000, 0), b"\0\3"):
            with self.subTest(body):
                def script(peer):
                    peer.startup()
                    peer.login_ok(before=msg("v", body))
                with FakeBackend(script) as fake:
                    self.start(databases={"app": fake.connstr}, weir={"server_protocol": "3.2"})
                    self.assertIn("unexpected message from server during login", self.refused().message)

    def test_a_real_server(self):
        self.start(weir={"server_protocol": "3.2"})
        c = self.newer()
        c.send(query("select pg_sleep(60)"))
        self.weir.wait_pool(sv_active=1)
        c.cancel()
        self.assert_error(c.collect(), "57014")

    def test_3_0_is_asked_for_unless_told_otherwise(self):
        asked = []

        def script(peer):
            asked.append(peer.startup().code)
            peer.login_ok()
            peer.serve()
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr})
            self.assertEqual(self.newer().one("select 1"), "1")
        self.assertEqual(asked, [0x30000])
