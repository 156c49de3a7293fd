"""COPY in and out, function calls, and data of any size: the right answers, and bounded memory."""
import resource
import select
import time

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.util import SLOW
from harness.wire import bind, copy_data, copy_done, copy_fail, execute, flush, function_call, one, parse, query, sync
from test_prepared import essence

COPY = "copy items from stdin"
ROWS = copy_data(b"1\tone\n") + copy_data(b"2\ttwo\n3\tthree\n")
BAD = copy_data(b"4\tfour\nnot a number\tx\n")
START = parse("", COPY) + bind() + execute()
SLACK_KB = 4_096 if SLOW == 1 else 200_000  # growth allowed while tens of megabytes pass; sanitizers keep freed memory


class CopyCase(Case):
    settings = {"default_pool_size": 1, "databases": {"app": "{pg}", "stmt": "{pg} pool_mode=statement", "sess": "{pg} pool_mode=session pool_size=2"}}

    def setUp(self):
        self.table()

    def table(self):
        self.pg.sql("drop table if exists items; create table items(id int, name text); grant all on items to public", database=self.weir.dbname)

    def count(self):
        return int(self.pg.one("select count(*) from items", database=self.weir.dbname))


class SameCopy(CopyCase):
    """The same bytes to PostgreSQL and through the pooler."""
    BATCHES = {
        "in": [query(COPY), ROWS, copy_done()],
        "in with a query behind": [query(COPY), ROWS, copy_done(), query("select 'behind'")],
        "in of nothing": [query(COPY), copy_done()],
        "in fails": [query(COPY), ROWS, copy_fail("enough")],
        "in with bad data": [query(COPY), ROWS, BAD, ROWS, copy_done(), query("select 'behind'")],
        "in to no table": [query("copy nosuch from stdin"), ROWS, copy_done(), query("select 'behind'")],
        "in, extended": [START, ROWS, copy_done(), sync()],
        "in, extended, sync ignored": [START, sync(), ROWS, copy_done(), sync()],
        "in, extended, flush ignored": [START, flush(), ROWS, flush(), copy_done(), sync()],
        "in, extended, many syncs ignored": [START, sync(), ROWS, sync(), sync(), ROWS, copy_done(), sync(), one("select 'behind'"), sync()],
        "in, extended, fails": [START, ROWS, copy_fail("enough"), sync()],
        "in, extended, fails behind a sync": [START, sync(), ROWS, copy_fail("enough"), sync(), one("select 'behind'"), sync()],
        "in, extended, bad data": [START, ROWS, BAD, ROWS, copy_done(), sync(), one("select 'behind'"), sync()],
        "in, extended, bad data, sync before": [START, sync(), ROWS, BAD, ROWS, copy_done(), sync(), one("select 'behind'"), sync()],
        "in, extended, no table": [parse("", "copy nosuch from stdin"), bind(), execute(), sync(), ROWS, copy_done(), sync(), one("select 'behind'"), sync()],
        "in, extended, then more": [START, ROWS, copy_done(), one("select count(*) from items"), sync()],
        "in, named": [parse("c", COPY), bind("", "c"), execute(), ROWS, copy_done(), sync(), wire.close("S", "c"), sync()],
        "out": [query("copy (select g, g * 2 from generate_series(1, 50) g) to stdout")],
        "out, then in": [query("copy (values (1)) to stdout; copy items from stdin; select 'behind'"), ROWS, copy_done()],
        "out fails": [query("copy (select 10 / (5 - g) from generate_series(1, 9) g) to stdout"), query("select 'behind'")],
        "out, extended": [one("copy (values (1), (2)) to stdout"), sync(), one("select 'behind'"), sync()],
        "out, extended, fails": [one("copy (select 10 / (5 - g) from generate_series(1, 9) g) to stdout"), sync(), one("select 'behind'"), sync()],
        "messages of copy outside it": [copy_done(), ROWS, query("select 'behind'"), ROWS, copy_fail(), one("select 'behind'"), sync()],
        "function call": [function_call(177, [40, 2]), query("select 'behind'")],
        "function calls with errors": [function_call(1, []), function_call(177, ["x", 2]), function_call(177, [1, 2])],
        "function call behind a pipeline": [one("select 1"), sync(), function_call(177, [40, 2]), one("select 2"), sync()],
    }
    BLOCKS = {
        "in a block": [query("begin"), query(COPY), ROWS, copy_done(), query("rollback")],
        "bad data in a block": [query("begin"), query(COPY), BAD, copy_done(), query("select 1"), query("rollback")],
        "function call in a block": [query("begin"), function_call(177, [40, 2]), query("select 1/0"), function_call(177, [1, 2]), query("rollback")],
        "extended in a block": [query("begin"), START, sync(), ROWS, copy_done(), sync(), one("select count(*) from items"), sync(), query("rollback")],
    }

    def exchange(self, connection, messages):
        connection.send(*messages, query("select 'the end'"))
        replies = []
        while not replies or replies[-1].value != "the end":
            replies.append(connection.collect())
            if replies[-1].closed:
                break
        return [essence(r) for r in replies]

    def compare(self, batches, **kw):
        with self.pg.connect("app", self.weir.dbname) as direct:
            for name, batch in batches.items():
                pooled, other = self.client(**kw), self.client(**kw)
                for turn in range(2):
                    self.table()
                    expected, rows = self.exchange(direct, batch), self.count()
                    self.table()
                    try:
                        got = self.exchange(pooled, batch)
                    except OSError as e:
                        raise AssertionError(f"no answer to {name!r}") from e
                    with self.subTest(name):
                        self.assertEqual(got, expected)
                        self.assertEqual(self.count(), rows)
                        self.assertEqual(other.one(f"select '{name}'"), name)
                pooled.close(), other.close()

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_transaction_mode(self):
        self.compare({**self.BATCHES, **self.BLOCKS})

    def test_session_mode(self):
        self.compare({**self.BATCHES, **self.BLOCKS}, database="sess")

    @beyond_pgbouncer
    def test_statement_mode(self):
        self.compare(self.BATCHES, database="stmt")


class Dialogue(CopyCase):
    """COPY message by message, with others waiting for the same server."""

    def test_a_server_is_kept_for_the_whole_copy(self):
        a, b = self.clients(2)
        self.assertEqual(a.send(query(COPY)).collect(until="G").types, "G")
        b.send(query("select count(*) from items"))
        self.weir.wait_waiting(1)
        a.send(ROWS)
        self.assertFalse(b.readable())
        self.assertEqual(a.send(copy_done()).collect().check().tags, ["COPY 3"])
        self.assertEqual(b.collect().check().value, "3")

    def test_error_in_the_middle_of_copy_data(self):
        a, b = self.clients(2)
        a.send(query(COPY)).collect(until="G")
        a.send(BAD)
        self.assert_error(a.collect(), "22P02")
        # The server went on to others; what the client still sends of its COPY is nobody's.
        b.sql("begin")
        a.send(ROWS, copy_done())
        self.assertEqual(b.one("select 'b'"), "b")
        b.sql("commit")
        self.assertEqual(a.one("select 'a'"), "a")
        self.assertEqual(self.count(), 0)

    def test_a_query_in_the_middle_of_copy(self):
        # PostgreSQL ends such a connection: the client must not be left hanging, nor others be disturbed.
        c, b = self.clients(2)
        c.send(query(COPY)).collect(until="G")
        c.send(copy_data(b"1\tone\n"), query("select 1"))
        reply = c.collect()
        self.assertTrue(reply.errors)
        c.close()
        self.assertEqual(b.one("select 'b'"), "b")
        self.assertEqual(self.count(), 0)

    def leave_in_copy(self, leave, *sent):
        c = self.client()
        c.send(query("begin"), query(COPY))
        c.collect()
        c.collect(until="G")
        c.send(*sent)
        leave(c)

    @subset("tsan", "asan")
    def test_a_client_dies_in_copy_in(self):
        for leave in (wire.Wire.reset, wire.Wire.drop, wire.Wire.close):
            for sent in ((), (ROWS,), (ROWS, copy_data(b"5\thalf a message\n")[:9]), (ROWS, b"d\0\0"), (ROWS, b"d\0\x10\0\0" + b"x" * 1000)):
                with self.subTest(leave=leave.__name__, sent=len(b"".join(sent))):
                    self.leave_in_copy(leave, *sent)
                    self.assert_idle()
                    self.assert_serves()
                    self.assertEqual(self.count(), 0)
        self.assertEqual(self.weir.count("state <> 'idle'"), 0)

    @subset("tsan", "asan")
    def test_a_client_dies_in_copy_out(self):
        for leave in (wire.Wire.reset, wire.Wire.drop):
            c = self.client()
            c.send(query("copy (select repeat('x', 1000) from generate_series(1, 200000)) to stdout")).collect(until="d")
            leave(c)
            self.assert_idle()
            self.assert_serves()

    def test_copy_by_many_clients_in_turn(self):
        clients = self.clients(6)
        for turn in range(5):
            for n, c in enumerate(clients):
                c.send(query(COPY), copy_data(f"{n}\tturn{turn}\n".encode()), copy_done())
            for c in clients:
                self.assertEqual(c.collect().check().tags, ["COPY 1"])
        self.assertEqual(self.count(), 30)


class Sizes(CopyCase):
    """Whatever the size and however slow the reader, memory stays bounded."""

    @subset("asan")
    def test_a_large_result_for_a_slow_client(self):
        c = self.client()
        c.sql("select 1")
        before = self.weir.rss_kb()
        size, rows = 1_000_000, 200 if SLOW == 1 else 64
        c.send(query(f"select repeat('x', {size}) from generate_series(1, {rows})"))
        wait_until(lambda: c.readable(), 30, "the first bytes")
        time.sleep(0.5)  # time enough to take in everything, if it were to do so
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
        total = sum(len(body) for kind, body in c.collect().messages if kind == "D")
        self.assertEqual(total, rows * (size + 6))
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)

    @subset("asan")
    def test_a_huge_row_for_a_slow_client_and_its_death(self):
        for leave in (wire.Wire.reset, wire.Wire.drop):
            c, other = self.clients(2)
            other.sql("select 1")
            before = self.weir.rss_kb()
            c.send(query("select repeat('secret', 17000000)"))
            wait_until(lambda: c.readable(), 60, "the first bytes")
            c.recv_exact(1_000_000)
            time.sleep(0.3)
            self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
            leave(c)
            self.assertEqual(other.run("select 'mine'").check().rows, [("mine",)])
            self.assert_idle()

    def test_a_huge_row_arrives(self):
        c = self.client()
        before = self.weir.rss_kb()
        self.assertEqual(len(c.one("select repeat('x', 100000000)")), 100_000_000)
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)

    @subset("asan")
    def test_a_large_copy_in(self):
        c = self.client()
        before = self.weir.rss_kb()
        c.send(query(COPY)).collect(until="G")
        line = copy_data(b"1\t" + b"y" * 99_000 + b"\n")
        lines = 2000 if SLOW == 1 else 640
        for _ in range(lines):
            c.send(line)
        self.assertEqual(c.send(copy_done()).collect().check().tags, [f"COPY {lines}"])
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)

    def push(self, c, data):
        """Sends as much as is taken while nobody reads at the other end; returns how much that was."""
        c.sock.setblocking(False)
        sent, quiet = 0, 0
        while sent < len(data) and quiet < 10:
            _, writable, _ = select.select([], [c.sock], [], 0.1)
            if not writable:
                quiet += 1
                continue
            try:
                sent += c.sock.send(data[sent:sent + 1_000_000])
                quiet = 0
            except BlockingIOError:
                quiet += 1
        c.sock.settimeout(wire.TIMEOUT)
        return sent

    @subset("asan")
    def test_a_waiting_client_sends_a_huge_query(self):
        a, b = self.clients(2)
        b.sql("select 1")
        a.sql("begin")
        before = self.weir.rss_kb()
        data = query("select length('" + "z" * 50_000_000 + "')")
        sent = self.push(b, data)
        self.assertLess(sent, len(data))
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
        a.sql("commit")
        b.sock.sendall(data[sent:])
        self.assertEqual(b.collect().check().value, "50000000")

    @subset("asan")
    def test_a_pipeline_whose_answers_are_not_read(self):
        # A client that only sends, while answers pile up: the pooler stops reading it.
        c = self.client()
        c.sql("select 1")
        before = self.weir.rss_kb()
        batch = one("select repeat('r', 100000)") + sync()
        data = batch * 3000
        sent = self.push(c, data)
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
        with background(lambda: c.sock.sendall(data[sent:])):
            for _ in range(3000):
                self.assertEqual(len(c.collect().check().value), 100_000)
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB)

    @beyond_pgbouncer
    @subset("asan")
    def test_a_slow_server_slows_its_client(self):
        c = self.client()
        self.pg.sql("create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$; "
                    "create trigger slow before insert on items for each row execute function slow()", database=self.weir.dbname)
        try:
            before = self.weir.rss_kb()
            c.send(query(COPY)).collect(until="G")
            data = copy_data(b"1\tx\n" * 100) + copy_data(b"1\t" + b"y" * 900_000 + b"\n") * 60
            self.assertLess(self.push(c, data), len(data))
            self.assertLess(self.weir.rss_kb() - before, SLACK_KB)
            c.reset()
            self.assert_idle(60)
        finally:
            self.pg.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.weir.dbname}' and state = 'active'")
            self.pg.sql("drop function slow() cascade", database=self.weir.dbname)
        self.assertEqual(self.count(), 0)

    def test_many_slow_readers(self):
        self.start(default_pool_size=20)
        self.client().sql("select 1")
        before = self.weir.rss_kb()
        clients = [self.client(rcvbuf=4096) for _ in range(20)]
        for c in clients:
            c.send(query("select repeat('x', 5000000)"))
        for c in clients:
            wait_until(lambda: c.readable(), 60, "the first bytes")
        time.sleep(0.3)
        self.assertLess(self.weir.rss_kb() - before, SLACK_KB + 20 * 256)
        for c in clients:
            self.assertEqual(len(c.collect().check().value), 5_000_000)

    def crowd(self, most):
        """A number of clients that the limit of open files allows both to us and to the pooler, which inherits it."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        return most if hard == resource.RLIM_INFINITY else min(most, hard - 300)

    @beyond_pgbouncer
    def test_ten_thousand_idle_clients_are_cheap(self):
        count = self.crowd(10_000 if SLOW == 1 else 200)
        self.start(max_client_conn=count + 50)
        for c in self.clients(50):
            c.sql("select 1")
        before = self.weir.rss_kb()
        crowd = self.clients(count)
        grown = self.weir.rss_kb() - before
        if SLOW == 1:
            self.assertLess(grown / count, 1.5, "kB for each idle client")
        for c in crowd[::count // 20]:
            self.assertEqual(c.one("select 1"), "1")
        for c in crowd:
            c.close()
        wait_until(lambda: self.weir.pool()["cl_active"] <= 50, 60, "the crowd to be gone")
        self.assert_serves()

    @beyond_pgbouncer
    def test_idle_clients_are_cheap(self):
        """What is needed once, such as the second thread's 1.3 MB, is there when the first thousand are."""
        first, count = (1000, 3000) if SLOW == 1 else (50, 100)
        self.start(max_client_conn=first + count)
        for c in self.clients(first):
            c.extended("select 1").check()
        before = self.weir.rss_kb()
        for c in self.clients(count):
            c.extended("select 1").check()
        grown = self.weir.rss_kb() - before
        if SLOW == 1:
            self.assertLess(grown / count, 1.5, "kB for each idle client")
        self.assertLess(grown, 400_000)
