"""Query insight: SHOW QUERIES, SHOW SLOW and the slow-query log, against what was really asked, in every way that a client can ask."""
import re

from harness import wire
from harness.case import Case, background, subset, wait_until
from harness.util import SLOW


class InsightCase(Case):
    def queries(self, like=""):
        return [r for r in self.weir.show("queries") if like in r["query"]]

    def query(self, text):
        rows = [r for r in self.weir.show("queries") if r["query"] == text]
        self.assertEqual(len(rows), 1, f"rows of {text!r} among {[r['query'] for r in self.weir.show('queries')]}")
        return rows[0]

    def calls(self):
        return {r["query"]: int(r["calls"]) for r in self.weir.show("queries")}

    def totals(self):
        return {r["name"]: int(r["value"]) for r in self.weir.show("query_totals")}


@subset("tsan", "asan")
class Digests(InsightCase):
    """What is counted as one query, and what is told of it. An answer that a client has is in the next SHOW."""

    def test_literals_are_masked_and_do_not_tell_queries_apart(self):
        self.start()
        c = self.client()
        c.sql("create table shop(id int, name text)")
        for i in range(5):
            c.sql(f"insert into shop values ({i}, 'secret {i}')")
        c.sql("select * from shop where id in (1, 2, 3) -- hidden")
        c.sql("SELECT *  FROM shop WHERE id IN (4)")
        self.assertEqual(self.query("insert into shop values (?, ?)")["calls"], "5")
        self.assertEqual(self.query("insert into shop values (?, ?)")["rows"], "5")
        found = self.query("SELECT * FROM shop WHERE id IN (?)")  # the latest spelling
        self.assertEqual((found["calls"], found["rows"], found["database"], found["user"]), ("2", "4", "app", "app"))
        self.assertRegex(found["digest"], "^[0-9a-f]{16}$")
        for row in self.weir.show("queries"):
            self.assertNotIn("secret", str(row))
            self.assertNotIn("hidden", str(row))

    def test_literals_that_no_parser_knows_of_are_masked_too(self):
        self.start()
        c = self.client()
        c.sql("set application_name = 'hush1'")
        c.sql("do $$ begin perform 'hush2'; end $$")
        c.sql("notify news, 'hush3'")
        c.sql("select e'a\\'hush4'")
        self.assert_error(c.run("select 'hush5' frm x y z"), "42601")
        self.assert_error(c.run("create role r password 'hush6' bogus"), "42601")
        self.assertNotIn("hush", str(self.weir.show("queries")))
        self.assertEqual(self.query("select ? frm x y z")["last_error"], "42601")

    def test_strings_that_are_not_standard_are_not_shown_at_all(self):
        self.start(pool_mode="session")
        c = self.client()
        c.sql("set standard_conforming_strings = off")
        c.sql("select 'a\\' hush '")
        self.assertNotIn("hush", str(self.weir.show("queries")))
        self.assertEqual(len(self.queries("(select ...: not shown")), 1)

    def test_figures_of_a_query_are_what_was_sent_and_got(self):
        self.start()
        c = self.client()
        sql = "select generate_series(1, 7), repeat('x', 1000)"
        c.sql(sql)
        row = self.query("select generate_series(?, ?), repeat(?, ?)")
        self.assertEqual((row["calls"], row["errors"], row["rows"]), ("1", "0", "7"))
        self.assertEqual(int(row["bytes_in"]), len(sql) + 6)
        self.assertGreater(int(row["bytes_out"]), 7000)
        self.assertLess(int(row["bytes_out"]), 7400)
        stats = next(r for r in self.weir.show("stats") if r["database"] == "app")
        self.assertLessEqual(int(row["total_us"]), int(stats["total_query_time"]))
        self.assertLessEqual(int(row["p50_us"]), int(row["max_us"]))

    def test_errors_are_counted_with_their_sqlstate(self):
        self.start()
        c = self.client()
        self.assert_error(c.run("select 1/0"), "22012")
        self.assert_error(c.run("select 2/0"), "22012")
        row = self.query("select ?/?")
        self.assertEqual((row["calls"], row["errors"], row["last_error"]), ("2", "2", "22012"))

    def test_a_query_whose_client_goes_away_is_an_error(self):
        self.start()
        c = self.client()
        c.send(wire.query("select pg_sleep(600)"))
        self.weir.wait_pool(cl_active=1)
        c.drop()
        row = wait_until(lambda: self.queries("pg_sleep"), 30, "the query that was given up")[0]
        self.assertEqual((row["calls"], row["errors"], row["query"]), ("1", "1", "select pg_sleep(?)"))

    def test_users_and_databases_are_told_apart_and_all_is_forgotten_by_reset(self):
        self.start()
        self.client().sql("select 1")
        self.client(user="app2").sql("select 2")
        self.assertEqual({(r["user"], r["calls"]) for r in self.queries("select ?")}, {("app", "1"), ("app2", "1")})
        self.weir.admin("reset queries")
        self.assertEqual(self.weir.show("queries"), [])
        self.assertEqual(self.totals()["queries"], 0)
        self.client().sql("select 1")
        self.assertEqual(self.query("select ?")["calls"], "1")


@subset("tsan", "asan")
class Protocols(InsightCase):
    def test_a_batch_counts_once_and_goes_by_its_last_statement(self):
        for mode in ("transaction", "session"):
            with self.subTest(mode):
                self.start(pool_mode=mode)
                c = self.client()
                c.send(wire.parse("", "begin"), wire.bind(), wire.execute(), wire.parse("", "select 42"), wire.bind(), wire.execute(), wire.sync())
                c.collect()
                c.sql("commit")
                self.assertEqual(self.calls(), {"select ?": 1, "commit": 1})

    def test_prepared_statements_go_by_their_text_in_every_pool_mode(self):
        for mode in ("transaction", "session"):
            with self.subTest(mode):
                self.start(pool_mode=mode, max_prepared_statements=10)
                for _ in range(2):
                    c = self.client()
                    c.send(wire.parse("s1", "select $1::int"), wire.describe("S", "s1"), wire.sync())
                    c.collect()
                    for i in range(3):
                        c.send(wire.bind("", "s1", [str(i)]), wire.execute(), wire.sync())
                        c.collect()
                    c.close()
                row = self.query("select $1::int")
                self.assertEqual((row["calls"], row["preparations"], row["rows"]), ("6", "2", "6"))

    def test_an_unnamed_statement_is_known_in_later_batches(self):
        for mode in ("transaction", "session"):
            with self.subTest(mode):
                self.start(pool_mode=mode)
                c = self.client()
                c.send(wire.parse("", "select 'once', $1::text"), wire.describe("S", ""), wire.sync())
                c.collect()
                c.send(wire.bind("", "", ["x"]), wire.execute(), wire.sync())
                c.collect()
                row = self.query("select ?, $1::text")
                self.assertEqual((row["calls"], row["preparations"]), ("1", "1"))

    def test_requests_in_flight_at_the_same_time_are_told_apart(self):
        self.start()
        c = self.client()
        c.sql("select 'first'")
        texts = ["select " + "(1 + " * i + "1" + ")" * i for i in range(20)]
        c.send(*(wire.query(t) for t in texts))
        c.collect_many(20)
        calls = self.calls()
        self.assertEqual(sum(calls.values()), 21)
        for t in texts[1:]:
            self.assertEqual(calls[t.replace("1", "?")], 1)

    def test_copy_is_one_query_with_its_data(self):
        self.start()
        c = self.client()
        c.sql("create table items(t text)")
        c.send(wire.query("copy items from stdin"))
        c.collect(until="G")
        data = b"abcdefghi\n" * 1000
        c.send(wire.copy_data(data), wire.copy_done())
        c.collect()
        row = self.query("copy items from stdin")
        self.assertEqual((row["calls"], row["rows"]), ("1", "1000"))
        self.assertGreater(int(row["bytes_in"]), len(data))
        c.sql("copy items to stdout")
        self.assertGreater(int(self.query("copy items to stdout")["bytes_out"]), len(data))

    def test_calls_are_the_queries_of_show_stats(self):
        self.start()
        clients = [self.client() for _ in range(4)]
        for i in range(50):
            for c in clients:
                c.sql(f"select {i}")
                c.extended("select $1::int + 1", ["1"])
        stats = next(r for r in self.weir.show("stats") if r["database"] == "app")
        totals = self.totals()
        self.assertEqual(totals["queries"], int(stats["total_query_count"]))
        self.assertEqual(sum(int(r["calls"]) + int(r["preparations"]) for r in self.weir.show("queries")), totals["queries"])
        self.assertEqual(totals["samples_dropped"], 0)


class Slow(InsightCase):
    def test_a_slow_query_is_listed_and_logged_without_its_literals(self):
        self.start(weir=dict(slow_query_time=0.2, log_slow_queries=1))
        c = self.client(application_name="shop")
        c.sql("select 'quick'")
        c.sql("select pg_sleep(0.3), 'private'")
        rows = self.weir.show("slow")
        self.assertEqual(len(rows), 1)
        row = rows[0]
        self.assertEqual((row["query"], row["application_name"], row["user"], row["database"], row["rows"], row["error"]),
                         ("select pg_sleep(?), ?", "shop", "app", "app", "1", None))
        self.assertGreaterEqual(int(row["duration_us"]), 300_000)
        self.assertEqual(row["client_addr"], "127.0.0.1:%d" % c.sock.getsockname()[1])
        self.assertEqual(row["digest"], self.query("select pg_sleep(?), ?")["digest"])
        self.assertEqual(row["client"], "%#x" % int(self.weir.show("clients", user="app")[0]["ptr"], 16))
        self.weir.wait_log(re.compile(r"LOG C-0x[0-9a-f]+: app/app@127.0.0.1:\d+ slow query: duration=[0-9.]+ ms wait=0.000 ms rows=1 "
                                      rf"server_pid={row['server_pid']} digest={row['digest']} app=\"shop\" query: select pg_sleep\(\?\), \?"))
        self.assertNotIn("private", self.weir.log())

    def test_waiting_for_a_server_is_told_and_is_not_slowness(self):
        self.start(default_pool_size=1, weir=dict(slow_query_time=10 * SLOW))
        holder, other = self.client(), self.client()
        holder.sql("begin")
        with background(lambda: other.sql("select 'waits'")):
            self.weir.wait_waiting(1)
            wait_until(lambda: self.weir.pool()["maxwait_us"] > 200_000 or self.weir.pool()["maxwait"] > 0, 30, "a wait that shows")
            holder.sql("commit")
        row = self.query("select ?")
        self.assertGreater(int(row["wait_us"]), 200_000)
        self.assertGreater(int(row["wait_percent"]), 50)
        self.assertEqual(self.weir.show("slow"), [])

    def test_a_query_that_fails_after_long_is_listed_with_its_error(self):
        self.start(weir=dict(slow_query_time=0.2))
        c = self.client()
        c.sql("set statement_timeout = 400")
        self.assert_error(c.run("select pg_sleep(600)"), "57014")
        self.assertEqual([r["error"] for r in self.weir.show("slow")], ["57014"])


class Bounds(InsightCase):
    def test_what_finds_no_room_is_counted_with_the_others(self):
        self.start(weir=dict(query_digests_max=10))
        c = self.client()
        for i in range(40):
            c.sql("select " + "(1 + " * i + "1" + ")" * i)
        rows = self.weir.show("queries")
        others = [r for r in rows if r["database"] is None]
        self.assertLessEqual(len(rows), 11)
        self.assertEqual(len(others), 1)
        self.assertEqual(others[0]["query"], "(others)")
        self.assertEqual(sum(int(r["calls"]) for r in rows), 40)
        self.assertEqual(self.totals()["digests_evicted"], 40 - len(rows) + 1)

    def test_under_load_one_stands_for_several_and_the_sum_stays(self):
        self.start(weir=dict(query_samples_max=10))
        c = self.client()
        for _ in range(20):
            c.send(*(wire.query("select 1") for _ in range(25)), *(wire.query("select 'a', 'b'") for _ in range(25)))
            c.collect_many(50)
        totals = self.totals()
        self.assertLess(totals["samples"], 1000)
        self.assertLessEqual(totals["queries"], 1000)
        self.assertGreater(totals["queries"], 0)
        self.assertEqual(sum(self.calls().values()), totals["queries"])

    def test_it_is_switched_by_a_reload(self):
        self.start(weir=dict(query_insight=0))
        c = self.client()
        c.sql("select 1")
        self.assertEqual(self.weir.show("queries"), [])
        self.weir.admin("set query_insight = 1")
        wait_until(lambda: c.sql("select 2") is not None and self.queries("select ?"), 30, "insight that has begun")
        self.weir.admin("set query_insight = 0")
        before = None

        def has_ended():
            nonlocal before
            last, before = before, self.calls()
            c.sql("select 3")
            return last == before
        wait_until(has_ended, 30, "insight that has ended")
