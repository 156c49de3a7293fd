"""What has arrived is reported to a worker once: all of it is read, and the end behind it is seen, whatever came together. The pooler is stopped
(SIGSTOP) while it comes."""
import contextlib
import signal
import threading

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend, result
from harness.wire import copy_data, copy_done, query

LINES = copy_data(b"1\n" * 30_000)
COUNT = 10  # of LINES: more than the input block of a worker


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0]


class Arrivals(Case):
    def begin(self, **settings):
        self.start(**{"default_pool_size": 1, "sbuf_loopcnt": 1, **settings})

    @contextlib.contextmanager
    def stopped(self):
        self.weir.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: state_of(self.weir.pid) == "T", 10, "the pooler to stop")
            yield
        finally:
            self.weir.signal(signal.SIGCONT)

    def table(self):
        self.pg.sql("create table lines(a int); grant all on lines to public", database=self.weir.dbname)

    @subset("asan")
    def test_all_that_a_client_has_sent(self):
        """The first COPY makes the kernel's buffers grow, so that the second one fits into them."""
        self.begin()
        self.table()
        c = self.client()
        for is_stopped in (False, True):
            c.send(query("copy lines from stdin"))
            c.collect("G")
            with self.stopped() if is_stopped else contextlib.nullcontext():
                sender = threading.Thread(target=c.send, args=(LINES * (COUNT if is_stopped else 10 * COUNT) + copy_done(),), daemon=True)
                sender.start()
                sender.join(0.5 if is_stopped else wire.TIMEOUT)
            c.collect().check()
            sender.join(wire.TIMEOUT)
        self.assertEqual(c.one("select count(*) from lines"), str(11 * COUNT * 30_000))

    @subset("asan")
    def test_all_that_a_server_has_sent(self):
        self.begin()
        c = self.client()
        rows = f"select repeat('x', 60000) from generate_series(1, {COUNT})"
        for _ in range(10):
            self.assertEqual(len(c.sql(rows)), COUNT)
        with self.pg.connect(database=self.weir.dbname) as holder:
            holder.sql("select pg_advisory_lock(4711)")
            c.send(query(f"select pg_advisory_lock_shared(4711); {rows}"))
            busy = f"datname = '{self.weir.dbname}' and usename = 'app'"
            lock = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%4711%generate_series%'"
            wait_until(lambda: self.pg.one(lock) == "1", 10, "the query to wait")
            with self.stopped():
                holder.sql("select pg_advisory_unlock(4711)")
                sent = f"select count(*) from pg_stat_activity where {busy} and (state = 'idle' or wait_event = 'ClientWrite')"
                wait_until(lambda: self.pg.one(sent) == "1", 10, "the answer to be sent")
        self.assertEqual([len(r[0]) for r in c.collect().check().rows[-COUNT:]], [60_000] * COUNT)
        c.sql("select pg_advisory_unlock_all()")

    def test_a_client_that_has_sent_its_last(self):
        """The query and the end of the stream in one event."""
        self.begin()
        c = self.client()
        c.sql("select 1")
        with self.stopped():
            c.send(query("select 1"))
            c.half_close()
        wait_until(lambda: not self.weir.show("clients", database="app"), 10, "the client to be gone")
        self.assert_idle()
        self.assert_serves()

    @beyond_pgbouncer
    def test_a_server_that_has_sent_its_last(self):
        """The whole answer and the end of the stream in one event: the client has its answer, nobody gets this server."""
        is_asked, is_stopped = threading.Event(), threading.Event()

        def script(peer):
            peer.startup()
            peer.login_ok()

            def answer(sql):
                if sql != "last":
                    return None
                is_asked.set()
                is_stopped.wait(wire.TIMEOUT)
                peer.send(result("answer"))
                raise wire.Closed()
            peer.serve(answer)
        fake = FakeBackend(script)
        self.addCleanup(fake.__exit__)
        self.begin(databases={"app": fake.connstr})
        c = self.client()
        c.send(query("last"))
        self.assertTrue(is_asked.wait(wire.TIMEOUT))
        with self.stopped():
            is_stopped.set()
            wait_until(lambda: fake.peers[0].fileno() < 0, 10, "the server to end")
        self.assertEqual(c.collect().check().value, "answer")
        wait_until(lambda: not self.weir.show("servers", database="app"), 10, "the dead server to be noticed")
        self.assertEqual(c.one("next"), "1")

    def test_idle_servers_that_have_gone(self):
        self.begin(default_pool_size=4)
        clients = self.in_transactions(4)
        for c in clients:
            c.sql("commit")
        with self.stopped():
            self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.weir.dbname}' and usename = 'app'")
            wait_until(lambda: self.weir.count() == 0, 10, "the servers to end")
        wait_until(lambda: not self.weir.show("servers", database="app"), 10, "the dead servers to be noticed")
        self.assert_serves()

    @subset("tsan", "asan")
    def test_a_waiting_client_that_sends_more_than_is_kept(self):
        self.begin()
        holder, waiting = self.clients(2)
        holder.sql("begin")
        texts = [chr(97 + n) * 60_000 for n in range(5)]
        with self.stopped():
            sender = threading.Thread(target=waiting.send, args=(b"".join(query(f"select '{t}'") for t in texts),), daemon=True)
            sender.start()
            sender.join(0.5)
        self.weir.wait_waiting(1)
        holder.sql("commit")
        self.assertEqual([r.check().value for r in waiting.collect_many(len(texts))], texts)
        sender.join(wire.TIMEOUT)
