"""Extended protocol: named statements of many clients on shared servers, pipelines, errors in mid-batch.

`Same` sends the same bytes to PostgreSQL and through the pooler and wants the same answer; the rest states what
pooling adds: statements follow their client, are parsed once for each server, and stay within bounds.
"""
import random
import re
import time

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend, slow_line
from harness.util import SLOW, scaled
from harness.weir import IS_PGBOUNCER
from harness.wire import bind, close, describe, execute, flush, one, parse, query, sync

P, B, D, E, S = parse, bind, describe, execute, sync()


def essence(reply):
    """What must be equal: messages in order, errors and notices whole but for where in PostgreSQL's source they arose."""
    out = []
    for kind, body in reply.messages:
        if kind in "EN":
            fields = wire.parse_fields(body)
            fields["M"] = re.sub('statement "[^"]*"', "statement NAME", fields["M"])  # servers know statements by other names
            out.append((kind, {k: v for k, v in fields.items() if k not in "FLR"}))
        elif kind != "S":
            out.append((kind, body))
    return out


class Same(Case):
    """The same bytes to PostgreSQL and through the pooler."""
    settings = {"default_pool_size": 1, "databases": {"app": "{pg}", "sess": "{pg} pool_mode=session pool_size=2", "stmt": "{pg} pool_mode=statement"}}

    DAY = [P("a", "select extract(month from '02/03/2020'::date)"), B("", "a"), E(), S, close("S", "a")]  # to the server it is known then
    DAY_AGAIN = [*DAY[:4], query("reset datestyle")]
    DMY = "datestyle = 'ISO, DMY'"
    NAMED = {  # batches; statements they name are closed again by CLEAN
        "plain": [P("a", "select $1::int + 1"), B("", "a", [41]), D(), E(), S],
        "unnamed": [one("select $1::text || 'x'", ["y"]), S],
        "describe statement": [P("a", "select $1::int8 as n, $2::text"), D("S", "a"), S],
        "two statements": [P("a", "select 1"), P("b", "select 'two'"), B("", "b"), E(), B("", "a"), E(), S],
        "two syncs": [P("a", "select 1"), B("", "a"), E(), S, B("", "a"), E(), S],
        "only syncs": [S, S, S],
        "sync first": [S, P("a", "select 1"), B("", "a"), E(), S],
        "parse error": [P("a", "select from where"), B("", "a"), E(), S, one("select 'after'"), S],
        "parse error behind a good one": [P("a", "select 1"), B("", "a"), E(), P("b", "selec"), B("", "b"), E(), S, B("", "a"), E(), S],
        "bind error": [P("a", "select $1::int"), P("b", "select 2"), B("", "a", ["x"]), D(), E(), P("c", "select 3"), B("", "b"), E(), S, B("", "a", [7]), E(), S],
        "bind with too few values": [P("a", "select $1::int, $2::int"), B("", "a", [1]), E(), S, B("", "a", [1, 2]), E(), S],
        "execute error": [P("a", "select 1 / $1::int"), P("b", "select 2"), B("", "a", [0]), E(), P("c", "select 3"), B("", "b"), E(), S, B("", "a", [1]), E(), S],
        "error after rows": [P("a", "select 1 / (3 - g) from generate_series(1, 5) g"), B("", "a"), E(), B("", "a"), E(), S, P("b", "select 1"), B("", "b"), E(), S],
        "execute of no portal": [P("a", "select 1"), B("p", "a"), E("q"), E("p"), S, B("p", "a"), E("p"), S],
        "position of an error": [P("a", "select 1,\n  nosuch, 2"), S],
        "no data": [P("a", "set work_mem = '5MB'"), B("", "a"), D(), E(), S],
        "empty query": [P("a", ""), B("", "a"), D(), E(), S],
        "portal in parts": [P("a", "select generate_series(1, 10)"), B("p", "a"), D("P", "p"), E("p", 3), E("p", 3), E("p", 3), E("p", 3), S],
        "portal in parts across flushes": [P("a", "select generate_series(1, 10)"), B("p", "a"), E("p", 4), flush(), E("p", 4), flush(), E("p", 4), S],
        "close of a portal named as a statement": [P("a", "select 1"), B("a", "a"), close("P", "a"), B("a", "a"), E("a"), S],
        "close of a statement under an open portal": [P("a", "select 1"), B("p", "a"), close("S", "a"), P("a", "select 2"), B("q", "a"), E("q"), S],
        "close of the unknown": [close("S", "never"), close("P", "never"), S],
        "close and parse again": [P("a", "select 1"), close("S", "a"), P("a", "select 'again'"), B("", "a"), D(), E(), S],
        "a query behind execute": [P("a", "select 1"), B("", "a"), E(), query("select 'simple'"), S],
        "a query behind execute and no sync": [P("a", "select 1"), B("", "a"), E(), query("select 'simple'")],
        "a query behind an error": [P("a", "select 1/0"), B("", "a"), E(), query("select 'skipped'"), S, query("select 'kept'")],
        "a query between batches": [P("a", "select 1"), B("", "a"), E(), S, query("select 2; select 3"), B("", "a"), E(), S],
        "queries in a row": [query("select 1"), query(""), query("select 1/0"), query("select 2; select 1/0; select 3"), query("select 4")],
        "deallocate": [P("a", "select 1"), S, query("deallocate a"), P("a", "select 2"), B("", "a"), E(), S],
        "deallocate behind what is owed": [P("a", "select 1"), B("", "a"), E(), S, query('DEALLOCATE PREPARE "a";'), query("select 3"), P("a", "select 2"), B("", "a"), E(), S],
        "deallocate behind execute and no sync": [P("a", "select 1"), B("", "a"), E(), query("deallocate a"), P("a", "select 2"), B("", "a"), E(), S],
        "deallocate behind an error": [P("a", "select 1"), S, one("select 1/0"), query("deallocate a"), S, B("", "a"), E(), S],
        "deallocate of a statement that was skipped": [one("select 1/0"), P("a", "select 1"), S, query("deallocate a"), query("select 2")],
        "deallocate of the unknown": [P("a", "select 1"), S, query("deallocate never"), B("", "a"), E(), S],
        "deallocate of two": [P("a", "select 1"), P("b", "select 2"), S, query("deallocate a"), query("Deallocate B"), P("a", "select 3"), B("", "a"), E(), S],
        "deallocate, extended": [P("a", "select 1"), S, one("deallocate a"), S, P("a", "select 2"), B("", "a"), E(), S],
        "deallocate and parse again in one batch": [P("a", "select 1"), one("DEALLOCATE PREPARE a"), P("a", "select 2"), B("", "a"), E(), S],
        "deallocate of two in one batch": [P("a", "select 1"), P("b", "select 2"), S, one("deallocate a"), one("deallocate b"), P("b", "select 3"), S, B("", "b"), E(), S],
        "deallocate behind an error, extended": [P("a", "select 1"), S, one("select 1/0"), one("deallocate a"), S, B("", "a"), E(), S],
        "deallocate before an error": [P("a", "select 1"), S, one("deallocate a"), one("select 1/0"), S, P("a", "select 2"), B("", "a"), E(), S],
        "deallocate that is not run": [P("a", "select 1"), S, P("", "deallocate a"), B(), D(), S, B("", "a"), E(), S, one("deallocate a"), S],
        "deallocate run twice": [P("a", "select 1"), S, P("", "deallocate a"), B(), E(), E(), S, P("", "select 2"), B(), E(), S],
        "deallocate drops the unnamed, too": [P("a", "select 1"), P("", "select 2"), S, query("deallocate a"), B(), E(), S],
        "set and read under it at once": [*DAY, one(f"set {DMY}"), *DAY_AGAIN],
        "set by a statement and read under it at once": [*DAY, P("b", f"set {DMY}"), B("", "b"), E(), *DAY_AGAIN],
        "set in the batch before": [*DAY, one(f"set {DMY}"), S, *DAY_AGAIN],
        "set before a flush": [*DAY, one(f"set {DMY}"), flush(), *DAY_AGAIN],
        "set by a query and read under it at once": [*DAY, query(f"set {DMY}"), *DAY_AGAIN],
        "set by the second of a string": [*DAY, query(f"select 1; set {DMY}"), *DAY_AGAIN],
        "reset and read under it at once": [query(f"set {DMY}"), *DAY, one("reset datestyle"), *DAY_AGAIN],
        "set that is skipped": [*DAY, one("select 1/0"), one(f"set {DMY}"), S, *DAY_AGAIN],
        "notice": [P("a", "do $$ begin raise notice 'hello'; end $$"), B("", "a"), E(), S],
        "binary results": [P("a", "select 1::int4, 'x'::text"), B("", "a", (), [1]), D(), E(), S],
        "types given": [P("a", "select $1", [23]), D("S", "a"), B("", "a", [5]), E(), S],
        "null value": [P("a", "select $1::text is null"), B("", "a", [None]), E(), S],
        "copy out": [P("a", "copy (values (1, 'x'), (2, 'y')) to stdout"), B("", "a"), E(), S],
        "statement and error of the server at commit": [P("a", "select 1"), B("", "a"), E(), S, S],
    }
    BLOCKS = {  # these open transaction blocks: not for statement mode
        "begin described": [P("a", "begin"), B("", "a"), D(), E(), P("b", "select 1"), B("", "b"), D(), E(), S, query("commit")],
        "block": [query("begin"), P("a", "select 1"), B("p", "a"), E("p"), S, B("", "a"), E(), S, query("rollback")],
        "portal across syncs": [query("begin"), P("a", "select generate_series(1, 5)"), B("p", "a"), E("p", 2), S, E("p", 2), S, E("p", 2), S, query("commit")],
        "error in a block": [query("begin"), P("a", "select 1/0"), B("", "a"), E(), S, query("select 1"), query("rollback"), P("b", "select 1"), B("", "b"), E(), S],
        "block in one batch": [P("", "begin"), B(), E(), P("a", "select 1"), B("", "a"), E(), P("", "commit"), B(), E(), S],
        "savepoint": [query("begin; savepoint s"), one("select 1/0"), S, query("rollback to s"), P("a", "select 1"), B("", "a"), E(), S, query("commit")],
        "deallocate in a block": [query("begin"), P("a", "select 1"), B("", "a"), E(), S, query("deallocate a"), P("a", "select 2"), B("", "a"), E(), S, query("commit")],
        "deallocate in a block that fails": [query("begin"), P("a", "select 1"), S, query("select 1/0"), query("deallocate a"), query("rollback"), B("", "a"), E(), S],
        "deallocate in a block, extended": [query("begin"), P("a", "select 1"), S, one("deallocate a"), S, P("a", "select 2"), B("", "a"), E(), S, query("commit")],
        "deallocate in a block that fails, extended": [query("begin"), P("a", "select 1"), S, query("select 1/0"), one("deallocate a"), S, query("rollback"), B("", "a"), E(), S],
        "set local and its end": [*DAY, query("begin"), one(f"set local {DMY}"), *DAY[:4], query("commit"), close("S", "a"), *DAY_AGAIN],
        "set and set back": [*DAY, query("begin"), one(f"set {DMY}"), *DAY[:4], close("S", "a"), query("reset datestyle"), *DAY_AGAIN, query("commit")],
        "set and its undoing": [*DAY, query("begin"), one(f"set {DMY}"), S, *DAY[:4], query("rollback"), close("S", "a"), *DAY_AGAIN],
        "two transactions in a string": [query("begin; select 1; commit; begin; select 2; rollback; select 3")],
    }
    CLEAN = [close("S", n) for n in "abc"] + [S]

    def setUp(self):
        self.direct = self.pg.connect("app", self.weir.dbname)
        self.addCleanup(self.direct.close)

    def exchange(self, connection, messages, pieces=None):
        """Sends messages (in one write, or in pieces) and then an echo by which the end of the answers is known."""
        data = b"".join(messages) + query("select 'the end'")
        if pieces is None:
            connection.send(data)
        else:
            at = 0
            while at < len(data):
                size = pieces()
                connection.send(data[at:at + size])
                at += size
        replies = []
        while not replies or replies[-1].value != "the end":
            replies.append(connection.collect())
            if replies[-1].closed:
                break
        return [essence(r) for r in replies]

    def compare(self, batches, pieces=None, rounds=3, **kw):
        for name, batch in batches.items():
            pooled = self.client(**kw)
            for turn in range(rounds):  # first unknown to the server, then known
                expected = self.exchange(self.direct, batch + self.CLEAN)
                try:
                    got = self.exchange(pooled, batch + self.CLEAN, pieces)
                except OSError as e:
                    raise AssertionError(f"no answer to {name!r} (turn {turn})") from e
                with self.subTest(name, turn=turn):
                    self.assertEqual(got, expected)
            pooled.close()

    @subset("tsan", "asan")
    def test_transaction_mode(self):
        self.compare({**self.NAMED, **self.BLOCKS})

    def test_session_mode(self):
        self.compare({**self.NAMED, **self.BLOCKS}, rounds=2, database="sess")

    def test_statement_mode(self):
        self.compare(self.NAMED, database="stmt")

    @subset("asan")
    def test_byte_by_byte(self):
        self.compare({**self.NAMED, **self.BLOCKS}, pieces=lambda: 1, rounds=2)

    def test_in_pieces(self):
        chance = random.Random(11)
        self.compare({**self.NAMED, **self.BLOCKS}, pieces=lambda: chance.randint(1, 40), rounds=2)

    @subset("tsan", "asan")
    def test_random_pipelines(self):
        """Batches put together at random from good and bad parts, in one write or many, while others use the pool too."""
        chance = random.Random(20250101)
        parts = [lambda: one("select $1::int", [chance.choice([1, 2, "x"])]), lambda: P("", f"select {chance.randint(1, 3)}") + B() + E(),
                 lambda: P("", "selec"), lambda: S, lambda: flush(), lambda: query("select 'q'; select 1/0"), lambda: query(""),
                 lambda: one("select 1/0"), lambda: one(f"select repeat('x', {chance.choice([10, 5000, 40000])})"),
                 lambda: B("", chance.choice("abc"), [chance.choice([5, "bad"])]) + D() + E(), lambda: D("S", chance.choice("abc")),
                 lambda: query("deallocate a") + P("a", chance.choice(texts)), lambda: one("deallocate b") + P("b", chance.choice(texts)),
                 lambda: close("P", "nothing"), lambda: P("", "select generate_series(1, 7)") + B("p") + E("p", 3) + close("P", "p")]
        texts = ["select $1::int as a", "select $1::int * 2", "select 10 / ($1::int - 5), 'c'"]
        setup = [P(n, t) for n, t in zip("abc", texts)] + [S]
        pooled, other = self.clients(2)
        for number in range(scaled(500, 60)):
            batch = setup + [chance.choice(parts)() for _ in range(chance.randint(1, 25))] + [S] + self.CLEAN
            pieces = None if chance.random() < 0.6 else (lambda: chance.choice([1, 3, 17, 1000, 70000]))
            expected = self.exchange(self.direct, batch)
            other.send(one(f"select {number}", name=f"n{number}"), S)
            self.assertEqual(self.exchange(pooled, batch, pieces), expected, f"batch {number}: {batch}")
            self.assertEqual(other.collect().check().value, str(number))


@beyond_pgbouncer
class Statements(Case):
    """Named statements live with their client, whichever server it gets."""
    settings = {"default_pool_size": 1, "databases": {"app": "{pg}", "two": "{pg} pool_size=2", "stmt": "{pg} pool_mode=statement"}}

    def on_server(self, c, like):
        """How many statements with this in their text the server of `c` (pool of one) holds."""
        return int(c.one(f"select count(*) from pg_prepared_statements where not from_sql and statement like '%{like}%'"))

    def test_statements_follow_their_client_to_any_server(self):
        self.start(default_pool_size=2)
        a, b = self.clients(2)
        a.send(P("s", "select pg_backend_pid(), 'a' || $1"), S).collect().check()
        b.send(P("s", "select pg_backend_pid(), 'b' || $1"), S).collect().check()
        pids = {c.send(B("", "s", [0]), E(), S).collect().check().rows[0][0] for c in (a, b)}
        for holder, user, token in ((a, b, "b"), (b, a, "a")) * 3:
            holder.sql("begin")
            row = user.send(B("", "s", [1]), E(), S).collect().check().rows[0]
            self.assertEqual(row[1], token + "1")
            pids.add(row[0])
            with self.weir.connect() as third:
                third.send(query("select 1"))
                user.send(B("", "s", [2]), E(), S)
                self.assertEqual(user.collect().check().rows[0][1], token + "2")
            holder.sql("commit")
        self.assertEqual(len(pids), 2)

    def test_one_parse_for_each_server(self):
        for n in range(10):
            c = self.client()
            for name in ("x", f"name{n}"):
                c.send(P(name, "select 'shared text', $1::int"), B("", name, [n]), E(), S)
                self.assertEqual(c.collect().check().rows, [("shared text", str(n))])
        self.assertEqual(self.on_server(c, "shared text"), 1)

    def test_parses_are_counted(self):
        def counts():
            row = self.weir.show("stats", database="app")[0]
            return tuple(int(row[f"total_{k}_count"]) for k in ("client_parse", "server_parse", "bind"))
        c = self.client()
        before = counts()
        for n in range(5):
            c.send(P(f"c{n}", "select 'counted'"), B("", f"c{n}"), E(), S).collect().check()
        wait_until(lambda: tuple(b - a for a, b in zip(before, counts())) == (5, 1, 5), 10, "5 client parses, 1 server parse, 5 binds")

    def test_same_text_with_other_types_is_another_statement(self):
        c = self.client()
        for name, types, value in (("i", [23], "23"), ("t", [25], "25"), ("n", [1700], "1700")):
            c.send(P(name, "select pg_typeof($1)::oid", types), B("", name, ["1"]), E(), S)
            self.assertEqual(c.collect().check().value, value)
        self.assertEqual(self.on_server(c, "pg_typeof($1)::oid"), 3)

    def test_least_recently_used_is_closed(self):
        self.start(default_pool_size=1, max_prepared_statements=3)
        c = self.client()
        for n in range(10):
            c.send(P(f"s{n}", f"select 'lru{n}'"), B("", f"s{n}"), E(), S)
            self.assertEqual(c.collect().check().value, f"lru{n}")
        self.assertLessEqual(self.on_server(c, "lru"), 3)
        for n in list(range(10)) + [3, 9, 3, 0]:
            self.assertEqual(c.send(B("", f"s{n}"), E(), S).collect().check().value, f"lru{n}")
        self.assertLessEqual(self.on_server(c, "lru"), 3)
        kept = c.sql("select statement from pg_prepared_statements where statement like '%lru%'")
        self.assertIn(("select 'lru0'",), kept)
        self.assertIn(("select 'lru3'",), kept)

    def test_more_statements_in_one_batch_than_the_server_may_keep(self):
        self.start(default_pool_size=1, max_prepared_statements=2)
        c = self.client()
        batch = [P(f"s{n}", f"select 'many{n}'") for n in range(8)] + [B(f"p{n}", f"s{n}") + E(f"p{n}") for n in range(8)] + [S]
        for _ in range(2):
            reply = c.send(*batch).collect().check()
            self.assertEqual([r[0] for r in reply.rows], [f"many{n}" for n in range(8)])
            c.send(*[close("S", f"s{n}") for n in range(8)], S).collect().check()
        self.assertLessEqual(self.on_server(c, "many"), 2)

    def test_an_error_in_a_batch_that_evicted_statements(self):
        self.start(default_pool_size=1, max_prepared_statements=2)
        c = self.client()
        c.send(P("a", "select 'ev a'"), P("b", "select 'ev b'"), S).collect().check()
        reply = c.send(P("bad", "selec"), P("c", "select 'ev c'"), P("d", "select 'ev d'"), S).collect()
        self.assert_error(reply, "42601")
        for name in "ab":
            self.assertEqual(c.send(B("", name), E(), S).collect().check().value, f"ev {name}")
        self.assert_unknown(c, B("", "c"), E())

    def assert_unknown(self, c, *messages):
        """Using an unknown statement is an error 26000 that leaves the session usable or, as PgBouncer has it, the end of it."""
        reply = c.send(*messages, S).collect()
        while not reply.errors and not reply.closed:
            reply = c.collect()
        self.assertTrue(reply.errors, reply)
        if reply.error.severity == "FATAL":
            self.assertEqual((reply.error.code, reply.error.message), ("08P01", "prepared statement did not exist"))
            self.assertTrue(c.expect_close().closed)
        else:
            self.assertEqual(reply.error.code, "26000")
            self.assertEqual(c.one("select 'usable'"), "usable")

    def test_unknown_statement(self):
        for messages in ((B("", "nosuch"), E()), (D("S", "nosuch"),), (one("select 1"), B("", "nosuch"), E(), one("select 2")), (query("select 1"), B("", "nosuch"))):
            self.assert_unknown(self.client(), *messages)
            self.assert_idle()
            self.assert_serves()

    def test_duplicate_name(self):
        c = self.client()
        c.send(P("s", "select 'first'"), S).collect().check()
        reply = c.send(P("s", "select 'second'"), B("", "s"), E(), S).collect()
        if reply.error.severity == "FATAL":
            self.assertEqual((reply.error.code, reply.error.message), ("08P01", "prepared statement name is already in use"))
        else:
            self.assertEqual((reply.error.code, reply.types), ("42P05", "EZ"))
            self.assertEqual(c.send(B("", "s"), E(), S).collect().check().value, "first")
        self.assert_serves()

    def test_a_failed_or_skipped_parse_leaves_no_name_behind(self):
        c, other = self.clients(2)
        self.assert_error(c.send(P("s", "selec 1"), S).collect(), "42601")
        self.assertEqual(c.send(P("s", "select 'good'"), B("", "s"), E(), S).collect().check().value, "good")
        # Parse that was skipped because of an error before it
        self.assertEqual(c.send(one("select 1/0"), P("skipped", "select 'skipped'"), S).collect().types, "1EZ")
        self.assertEqual(c.send(P("skipped", "select 'now'"), B("", "skipped"), E(), S).collect().check().value, "now")
        # that the server knows the text already is no excuse for a ParseComplete after an error, nor for keeping the name
        other.send(P("known", "select 'known'"), S).collect().check()
        self.assertEqual(c.send(one("select 1/0"), P("k", "select 'known'"), B("", "k"), E(), S).collect().types, "1EZ")
        self.assertEqual(c.send(P("k", "select 'other'"), B("", "k"), E(), S).collect().check().value, "other")
        self.assertEqual(c.send(one("select 1/0"), P("u", "select 'known'"), S).collect().types, "1EZ")
        self.assert_unknown(c, B("", "u"), E())

    def test_a_skipped_close_closes_nothing(self):
        c = self.client()
        c.send(P("s", "select 'still'"), S).collect().check()
        self.assertEqual(c.send(one("select 1/0"), close("S", "s"), S).collect().types, "1EZ")
        self.assertEqual(c.send(B("", "s"), E(), S).collect().check().value, "still")

    def test_deallocate_and_discard_all(self):
        for command in ("deallocate all", "discard all"):
            for extended in (False, True):
                with self.subTest(command, extended=extended):
                    a, b = self.clients(2)
                    for c in (a, b):
                        c.send(P("s", "select 'first'"), B("", "s"), E(), S).collect().check()
                    (a.extended if extended else a.run)(command).check()
                    self.assertEqual(a.send(P("s", "select 'second'"), B("", "s"), E(), S).collect().check().value, "second")
                    self.assertEqual(b.send(B("", "s"), E(), S).collect().check().value, "first")
                    b.close(), a.close()

    def test_deallocate_of_a_name(self):
        a, b = self.clients(2)
        for c in (a, b):
            c.send(P("s", "select 'shared'"), B("", "s"), E(), S).collect().check()
        a.sql("begin; create temp table kept (n int) on commit drop")
        reply = a.run("deallocate s")
        self.assertEqual((reply.tags, reply.status), (["DEALLOCATE"], "T"))
        a.sql("insert into kept values (1)")
        self.assertEqual(a.one("select count(*) from kept"), "1")
        a.sql("commit")
        self.assertEqual(a.send(P("s", "select 'mine'"), B("", "s"), E(), S).collect().check().value, "mine")
        self.assertEqual(b.send(B("", "s"), E(), S).collect().check().value, "shared")
        a.sql("deallocate s")
        self.assert_unknown(a, B("", "s"), E())
        self.assertEqual(b.send(B("", "s"), E(), S).collect().check().value, "shared")

    def test_deallocate_of_a_name_in_statement_mode(self):
        c = self.client(database="stmt")
        for turn in range(3):
            c.send(P("s", f"select {turn}"), B("", "s"), E(), S)
            self.assertEqual(c.collect().check().value, str(turn))
            c.sql("deallocate s")

    def test_a_new_client_prepares_for_a_table_as_it_is_now(self):
        c = self.client()
        for number, change in enumerate(("alter table {} add b int", "drop table {0}; create table {0} (a text, b int)",
                                         "begin; alter table {} add b int; commit")):
            with self.subTest(change):
                table = f"changing{number}"
                c.sql(f"create table {table} (a int)")
                c.send(P("old", f"select * from {table}"), D("S", "old"), B("", "old"), E(), S).collect().check()
                self.client().sql(change.format(table))
                for _ in range(2):
                    new = self.client()
                    self.assertEqual(new.send(P("s", f"select * from {table}"), B("", "s"), E(), S).collect().check().types, "12CZ")
                c.send(close("S", "old"), S).collect().check()
        c.sql("drop table changing0, changing1, changing2")

    def test_a_new_client_prepares_for_a_type_as_it_is_now(self):
        owner = self.client()
        for definition, value in (("(a int, b text)", "(1,x)"), ("enum ('a')", "a")):
            owner.sql(f"create type changing as {definition}")
            for _ in range(3):
                c = self.client()
                self.assertEqual(c.send(P("s", "select $1::changing"), B("", "s", [value]), E(), S).collect().check().value, value)
                owner.sql(f"drop type changing; create type changing as {definition}")
            owner.sql("drop type changing")

    def test_literals_are_read_under_the_settings_of_each_client(self):
        text = "select extract(month from '02/03/2020'::date), extract(epoch from '2020-01-01 00:00'::timestamptz), length('a\\\\b')"
        settings = [{"DateStyle": "ISO, MDY", "TimeZone": "UTC"}, {"DateStyle": "ISO, DMY", "TimeZone": "Asia/Tokyo"}, {"standard_conforming_strings": "off"}]
        clients = [self.client(**kw) for kw in settings]
        directs = [self.pg.connect("app", self.weir.dbname, **kw) for kw in settings]
        expected = [d.send(P("s", text), B("", "s"), E(), S).collect().check().rows for d in directs]
        self.assertEqual(len(set(map(tuple, expected))), 3)
        for c, rows in zip(clients, expected):
            self.assertEqual(c.send(P("s", text), B("", "s"), E(), S).collect().check().rows, rows)
        for c, rows in list(zip(clients, expected)) * 2:
            self.assertEqual(c.send(B("", "s"), E(), S).collect().check().rows, rows)
        for c, d in zip(clients, directs):  # what is parsed stays as it was read, until it is parsed again
            for connection in (c, d):
                connection.sql("set datestyle = 'ISO, YMD'; set timezone = 'America/New_York'")
            for messages in ([B("", "s"), E(), S], [close("S", "s"), P("s", text.replace("02/03/2020", "2020/03/04")), B("", "s"), E(), S]):
                self.assertEqual(c.send(*messages).collect().check().rows, d.send(*messages).collect().check().rows)
        for connection in clients + directs:
            connection.close()

    def test_a_setting_that_changes_while_something_is_parsed(self):
        # What the server tells of it comes at the end of the batch: nobody else is given what was parsed in between.
        text = "select extract(month from '02/03/2020'::date)"
        for n in range(3):
            a, b = self.client(DateStyle="ISO, MDY"), self.client(DateStyle="ISO, MDY")
            a.send(one("set datestyle = 'ISO, DMY'"), P("s", text), B("", "s"), E(), S)
            a.collect().check()
            self.assertEqual(b.send(P("s", text), B("", "s"), E(), S).collect().check().value, "2")
            a.close(), b.close()

    def test_a_setting_that_changes_and_changes_back_in_a_transaction(self):
        # What was parsed in between is called on the server as if it had been read under the first setting.
        text = "select extract(month from '02/03/2020'::date)"
        c = self.client(DateStyle="ISO, MDY")
        c.sql("begin")
        self.assertEqual(c.send(one("set datestyle = 'ISO, DMY'"), P("s", text), B("", "s"), E(), S).collect().check().rows[-1], ("3",))
        c.sql("set datestyle = 'ISO, MDY'")
        self.assertEqual(c.send(P("t", text), B("", "t"), E(), S).collect().check().value, "2")
        self.assertEqual(c.send(B("", "s"), E(), S).collect().check().value, "3")
        c.sql("commit")

    def test_a_setting_that_goes_by_before_anything_is_prepared(self):
        text = "select extract(month from '02/03/2020'::date)"
        self.start(default_pool_size=1)
        c = self.client(DateStyle="ISO, MDY")
        c.sql("begin")
        set_first, parsed = c.send(query("set datestyle = 'ISO, DMY'"), P("s", text), B("", "s"), E(), S).collect_many(2)
        set_first.check()
        self.assertEqual(parsed.check().value, "3")
        c.sql("set datestyle = 'ISO, MDY'")
        self.assertEqual(c.send(P("t", text), B("", "t"), E(), S).collect().check().value, "2")
        c.sql("commit")

    def test_a_temporary_table_hides_another(self):
        c = self.client()
        c.sql("create table hidden (a text); insert into hidden values ('permanent')")
        ask = lambda c: c.send(P("s", "select a from hidden"), B("", "s"), E(), S).collect().check().rows
        self.assertEqual(ask(c), [("permanent",)])
        for end in ("commit", "rollback"):
            other = self.client()
            other.sql("begin; create temp table hidden (a text) on commit drop; insert into hidden values ('temporary')")
            self.assertEqual(ask(other), [("temporary",)])
            other.sql(end)
            self.assertEqual(ask(self.client()), [("permanent",)])
        c.sql("drop table hidden")

    def test_a_table_whose_creation_was_undone(self):
        for columns in ("a int", "a text, b int", "a int"):
            c = self.client()
            c.sql(f"begin; create table undone ({columns})")
            self.assertEqual(c.send(P("s", "select * from undone"), B("", "s"), E(), S).collect().check().types, "12CZ")
            c.sql("rollback")

    def test_a_change_that_is_not_committed_yet(self):
        self.start(default_pool_size=2)
        changer, before, after = self.clients(3)
        ask = lambda c: c.send(P("s", "select $1::changing"), B("", "s", ["a"]), E(), S).collect().check().value
        changer.sql("create type changing as enum ('a')")
        changer.sql("begin; drop type changing; create type changing as enum ('a', 'b')")
        self.assertEqual(ask(before), "a")  # for the type that the other server still sees
        changer.sql("commit")
        changer.sql("begin")  # takes the server that it had
        self.assertEqual(ask(after), "a")
        changer.sql("commit; drop type changing")

    def test_a_change_that_nobody_told_of(self):
        # Past the pooler: whoever prepared before is told by the server, and prepares again, in the same transaction if need be.
        direct = self.pg.connect("app", self.weir.dbname)
        self.addCleanup(direct.close)
        direct.sql("create table untold (a int)")
        self.addCleanup(lambda: self.pg.connect("app", self.weir.dbname).sql("drop table untold"))
        a, b = self.clients(2)
        a.send(P("s", "select * from untold"), B("", "s"), E(), S).collect().check()
        direct.sql("alter table untold add b int")
        b.sql("begin; savepoint before")
        self.assert_error(b.send(P("s", "select * from untold"), B("", "s"), E(), S).collect(), "0A000")
        b.sql("rollback to before")
        self.assertEqual(b.send(P("t", "select * from untold"), B("", "t"), E(), S).collect().check().types, "12CZ")
        b.sql("commit")
        for c in (a, b):
            self.assertEqual(c.send(B("", "s"), E(), S).collect().check().types, "2CZ")

    def test_a_server_whose_statements_are_the_clients_is_kept(self):
        for settings in ({"max_prepared_statements": 0}, {"pool_mode": "session"}):
            with self.subTest(**settings):
                self.start(default_pool_size=1, **settings)
                c = self.client()
                c.sql("drop table if exists kept; create table kept (a int)")
                c.send(P("s", "select * from kept"), P("t", "select 'still'"), S).collect().check()
                pid = c.one("select pg_backend_pid()")
                c.sql("alter table kept add b int")
                self.assert_error(c.send(B("", "s"), E(), S).collect(), "0A000")
                self.assertEqual(c.one("select pg_backend_pid()"), pid)
                self.assertEqual(c.send(B("", "t"), E(), S).collect().check().value, "still")
                c.sql("drop table kept")

    def test_a_skipped_close_in_a_pipeline(self):
        # Whether the Close is skipped is known only when the batch before has ended; the next one is there already.
        c = self.client()
        for _ in range(3):
            c.send(P("s", "select 10 / $1::int"), B("", "s", [0]), E(), close("S", "s"), S, B("", "s", [5]), E(), S, close("S", "s"), S)
            first, second, third = c.collect_many(3)
            self.assert_error(first, "22012")
            self.assertEqual(second.check().value, "2")
            self.assertEqual(third.types, "3Z")

    def test_a_skipped_parse_in_a_pipeline(self):
        c = self.client()
        for _ in range(3):
            c.send(one("select 1/0"), P("s", "select 'first'"), S, P("s", "select 'second'"), B("", "s"), E(), S, close("S", "s"), S)
            first, second, third = c.collect_many(3)
            self.assert_error(first, "22012")
            self.assertEqual(second.check().value, "second")
            self.assertEqual(third.types, "3Z")

    def test_deallocate_inside_a_pipeline(self):
        c = self.client()
        c.send(P("s", "select 'before'"), B("", "s"), E(), S, one("deallocate all"), S, P("s", "select 'after'"), B("", "s"), E(), S)
        replies = c.collect_many(3)
        self.assertEqual([r.check().value for r in (replies[0], replies[2])], ["before", "after"])

    def test_a_skipped_close_behind_a_deallocate_in_a_pipeline(self):
        c = self.client()
        c.send(query("deallocate all"), P("s", "select 'kept'"), S, P("t", "select 1/0"), B("", "t"), E(), close("S", "s"), S, B("", "s"), E(), S)
        self.assertEqual(c.collect_many(4)[3].check().value, "kept")

    def test_statement_names_never_clash_with_those_of_sql(self):
        a, b = self.clients(2)
        a.sql("prepare s as select 'sql'")
        b.send(P("s", "select 'protocol'"), B("", "s"), E(), S)
        self.assertEqual(b.collect().check().value, "protocol")
        a.sql("deallocate s")

    def test_statement_mode(self):
        a, b = self.client(database="stmt"), self.client(database="stmt")
        for c, token in ((a, "a"), (b, "b")):
            c.send(P("s", f"select '{token}', $1"), S).collect().check()
        for n in range(3):
            for c, token in ((a, "a"), (b, "b")):
                self.assertEqual(c.send(B("", "s", [n]), E(), S).collect().check().rows, [(token, str(n))])

    def test_session_mode_leaves_names_alone(self):
        self.start(pool_mode="session")
        c = self.client()
        c.send(P("my name", "select 'untouched'"), S).collect().check()
        self.assertEqual(c.sql("select name from pg_prepared_statements"), [("my name",)])
        self.assert_error(c.send(P("my name", "select 2"), S).collect(), "42P05")
        self.assert_error(c.send(B("", "never"), S).collect(), "26000")

    def test_off(self):
        self.start(default_pool_size=1, max_prepared_statements=0)
        c = self.client()
        c.send(P("my name", "select 'untouched'"), S).collect().check()
        self.assertEqual(c.sql("select name from pg_prepared_statements"), [("my name",)])
        self.assert_error(c.send(P("my name", "select 2"), S).collect(), "42P05")

    @subset("asan")
    def test_long_names_and_long_texts(self):
        a, b = self.clients(2)
        name, text, value = "n" * 70_000, "select '" + "t" * 1_000_000 + "' || $1::text", "v" * 2_000_000
        for c in (a, b):
            for _ in range(2):
                c.send(P(name, text), D("S", name), B("", name, [value]), E(), close("S", name), S)
                reply = c.collect().check()
                self.assertEqual(len(reply.value), 3_000_000)
                self.assertEqual(reply.types, "1tT2DC3Z")
        long_unnamed = a.extended("select length($1::text), '" + "q" * 200_000 + "'", [value]).check().rows[0]
        self.assertEqual((long_unnamed[0], len(long_unnamed[1])), ("2000000", 200_000))

    def test_position_of_an_error_is_in_the_text_of_the_client(self):
        c = self.client()
        text = "select 1,\n 'ü', nosuch"
        for name in ("", "s"):
            error = c.send(P(name, text), S).collect().error
            self.assertEqual((error.code, error.fields["P"]), ("42703", str(text.index("nosuch") + 1)))

    @subset("tsan", "asan")
    def test_many_clients_and_statements_on_few_servers(self):
        self.start(default_pool_size=3, max_prepared_statements=10)
        chance = random.Random(5)
        clients = self.clients(scaled(40, 10))
        known = {}
        for turn in range(scaled(60, 12)):
            asked = []
            for n, c in enumerate(clients):
                k = chance.randrange(20)
                first = (n, k) not in known
                known[n, k] = True
                c.send((P(f"s{k}", f"select {k} * 1000 + $1::int") if first else b""), B("", f"s{k}", [n]), E(), S)
                asked.append(k)
            for n, c in enumerate(clients):
                self.assertEqual(c.collect().check().value, str(asked[n] * 1000 + n))
        servers = self.clients(3)
        for s in servers:
            s.sql("begin")
            self.assertLessEqual(int(s.one("select count(*) from pg_prepared_statements")), 10)


class Pipelines(Case):
    """Batches overlap, and no answer goes to anybody but who asked."""
    settings = {"default_pool_size": 1, "databases": {"app": "{pg}", "stmt": "{pg} pool_mode=statement pool_size=1", "sess": "{pg} pool_mode=session pool_size=2"}}

    @subset("tsan", "asan")
    def test_fifty_syncs_while_another_asks(self):
        for database in ("app", "stmt", "sess"):
            a, b = self.client(database=database), self.client(database=database)
            for turn in range(scaled(20, 4)):
                a.send(*[one("select 'a', $1::int, $2::int", [turn, n]) + S for n in range(50)])
                b.send(query(f"select 'b', {turn}"))
                self.assertEqual(b.collect().check().rows, [("b", str(turn))])
                for n, reply in enumerate(a.collect_many(50)):
                    self.assertEqual(reply.check().rows, [("a", str(turn), str(n))])

    @subset("tsan")
    def test_pipelines_with_errors_while_others_ask(self):
        a, others = self.client(), self.clients(5)
        for turn in range(scaled(20, 4)):
            a.send(*[one("select 10 / $1::int", [n % 3]) + S for n in range(30)])
            for i, o in enumerate(others):
                o.send(one("select $1::int", [turn * 10 + i], name="" if IS_PGBOUNCER else f"t{turn}"), S)
            for i, o in enumerate(others):
                self.assertEqual(o.collect().check().value, str(turn * 10 + i))
            for n, reply in enumerate(a.collect_many(30)):
                if n % 3 == 0:
                    self.assert_error(reply, "22012")
                else:
                    self.assertEqual(reply.check().value, str(10 // (n % 3)))

    def test_queries_in_one_write(self):
        a, b = self.clients(2)
        a.send(*[query(f"select 'a', {n}") for n in range(100)])
        b.send(query("select 'b'"))
        self.assertEqual(b.collect().check().value, "b")
        self.assertEqual([r.check().rows[0] for r in a.collect_many(100)], [("a", str(n)) for n in range(100)])

    @subset("asan")
    def test_a_pipeline_much_larger_than_any_buffer(self):
        c = self.client()
        count, value = 300, "v" * 20_000
        with background(lambda: c.send(*[one("select $1::text, $2::int", [value, n]) + S for n in range(count)])):
            for n, reply in enumerate(c.collect_many(count)):
                self.assertEqual(reply.check().rows[0], (value, str(n)))

    def test_two_hundred_syncs_cost_about_one_round_trip(self):
        with FakeBackend(slow_line(0.05)) as fake:
            self.start(databases={"app": fake.connstr})
            c = self.client()
            c.sql("select 1")
            for named in (False, True):
                name = "s" if named else ""
                first = P(name, "select 1") + S
                c.send(first).collect().check()
                began = time.monotonic()
                c.send(*[(b"" if named else P("", "select 1")) + B("", name) + E() + S for _ in range(200)])
                for reply in c.collect_many(200):
                    self.assertEqual(reply.check().value, "1")
                self.assertLess(time.monotonic() - began, 0.05 * 40 * max(1, SLOW / 2))  # one at a time: 10 s

    def test_flush_answers_without_sync(self):
        c = self.client()
        for name in ("", "s"):
            for _ in range(2):
                c.send(P(name, "select $1::int"), D("S", name), flush())
                self.assertEqual(c.collect(until="T").types, "1tT")
                c.send(B("", name, [4]), D(), flush())
                self.assertEqual(c.collect(until="T").types, "2T")
                c.send(E(), flush())
                self.assertEqual(c.collect(until="C").types, "DC")
                c.send(S)
                self.assertEqual(c.collect().types, "Z")
                if name:
                    c.send(close("S", name), flush())
                    self.assertEqual(c.collect(until="3").types, "3")
                    c.send(S).collect()

    def test_flush_after_an_error(self):
        c, b = self.clients(2)
        c.send(P("", "selec"), flush())
        self.assertEqual(c.collect(until="E").types, "E")
        c.send(B(), E(), flush())
        b.send(query("select 'b'"))
        c.send(S)
        self.assertEqual(c.collect().types, "Z")
        self.assertEqual(b.collect().check().value, "b")
        self.assertEqual(c.one("select 1"), "1")

    def test_a_server_is_kept_until_the_sync(self):
        a, b = self.clients(2)
        a.send(P("", "select pg_backend_pid()"), B(), E(), flush())
        a.collect(until="C")
        b.send(query("select 'b'"))
        self.weir.wait_waiting(1)
        self.assertFalse(b.readable())
        a.send(S).collect()
        self.assertEqual(b.collect().check().value, "b")

    def test_half_closed_behind_a_query(self):
        # An end of input is a client that is gone: whether it still gets its answers is not promised, that its server is freed is.
        for _ in range(5):
            c = self.client()
            c.send(one("select 'last'"), S, query("select 'very last'"))
            c.half_close()
            c.expect_close()
        self.assert_idle()
        self.assert_serves()
