"""The status page, as HTML without a browser: it is whole without scripts, says what is wrong, escapes what others say, and goes on.
tests/support/look_at_page looks at it with a real browser."""
import contextlib
import html.parser
import re
import signal

from harness.case import beyond_pgbouncer, wait_until
from harness.gate import Gate
from harness.util import free_port
from harness.wire import query
from test_http import Http

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)>"'&"""


class Page(html.parser.HTMLParser):
    """The page's elements and what stands in each section; fails on markup that does not close."""

    def __init__(self, text):
        super().__init__()
        self.source, self.open, self.tags, self.texts, self.tables, self.problems = text, [], [], {}, [], []
        self.feed(text)
        self.close()
        self.texts = {name: " ".join(text.split()) for name, text in self.texts.items()}
        if self.open:
            self.problems.append(f"left open: {self.open}")

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag not in VOID:
            self.open.append((tag, attrs.get("id")))
        if tag == "table":
            self.tables.append([])
        if tag in ("caption", "th") and self.tables:
            self.tables[-1].append((tag, attrs))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        for _, name in self.open:
            if name:
                self.texts[name] = self.texts.get(name, "") + data + " "


@beyond_pgbouncer
class Status(Http):
    def setUp(self):
        self.http_port = free_port()

    def up(self, weir=None, **more):
        self.start(weir={"metrics_listen": self.http_port, **(weir or {})}, **more)

    def page(self, **kw):
        answer = self.assert_status(200, "/", **kw)
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
        page = Page(answer.body)
        self.assertEqual(page.problems, [])
        return page

    def wait_page(self, section, text):
        try:
            return wait_until(lambda: (p := self.page()) and text in p.texts.get(section, "") and p, 30, "the page")
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {section}: {self.page().texts.get(section)}") from None

    def test_all_is_well(self):
        self.up()
        self.assert_serves()
        page = self.page()
        self.assertIn("All is well.", page.texts["wrong"])
        self.assertIn("well", page.texts["status"])
        self.assertRegex(page.texts["pools"], r"app\s+app\s")
        self.assertIn("Nobody waits.", page.texts["waiting"])
        self.assertIn("transactions / s", page.texts["hour"])

    def test_it_is_made_for_everybody(self):
        """Without scripts, on a phone, for who cannot see it; nothing comes from elsewhere."""
        self.up()
        self.assert_serves()
        answer = self.get("/")
        page = Page(answer.body)
        self.assertIn(("meta", {"http-equiv": "refresh", "content": "5"}), page.tags)
        self.assertIn(("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}), page.tags)
        self.assertIn("prefers-color-scheme:dark", answer.body)
        self.assertTrue(page.tables)
        for table in page.tables:
            self.assertEqual(table[0][0], "caption")
            self.assertEqual({a.get("scope") for tag, a in table if tag == "th"}, {"col", "row"})
        policy = answer.headers["Content-Security-Policy"]
        nonce = re.search(r"script-src 'nonce-([^']+)'", policy).group(1)
        self.assertNotIn("unsafe", policy)
        inline = [attrs for tag, attrs in page.tags if tag in ("script", "style")]
        self.assertEqual(inline, [{"nonce": nonce}] * 2)
        self.assertNotEqual(nonce, re.search(r"script-src 'nonce-([^']+)'", self.get("/").headers["Content-Security-Policy"]).group(1))
        for tag, attrs in page.tags:
            self.assertNotIn("style", attrs, tag)  # the policy would refuse it
            self.assertEqual([a for a in attrs if a.startswith("on")], [], tag)
            self.assertNotRegex(f"{attrs.get('src', '')}{attrs.get('href', '')}", "//")
        self.assertEqual(self.get("/icon.svg").headers["Content-Type"], "image/svg+xml")
        self.assertEqual(self.get("/", method="HEAD").body, "")

    def test_names_of_others_are_no_markup(self):
        self.up(weir={"leak_idle_transaction": 0.5}, databases={"app": "{pg} pool_size=1"})
        first = self.client(application_name=HOSTILE)
        first.run("begin").check()
        first.run("select 'a literal of nobody''s business'").check()
        second = self.client(application_name=HOSTILE)
        second.send(query("select 'a literal of nobody''s business'"))
        self.wait_page("leaks", "L1")
        page = self.wait_page("waiting", HOSTILE)
        self.assertNotIn("<script>alert", page.source)
        self.assertNotIn("<img", page.source)
        self.assertNotIn("business", page.source)
        tags = [tag for tag, _ in page.tags]
        self.assertEqual((tags.count("b"), tags.count("img")), (tags.count("figure"), 0))  # our own, of the figures
        self.wait_page("wrong", "1 client waits for a server, the longest for")
        first.run("commit").check()

    def test_it_needs_the_token(self):
        self.up(weir={"metrics_token": "t0ken"})
        self.assert_status(401, "/")
        self.assert_status(401, "/icon.svg")
        self.assertNotIn("t0ken", self.page(token="t0ken").source)

    def test_trouble(self):
        gate = Gate(self.pg.port)
        self.addCleanup(gate.close)
        self.up(databases={"app": f"host=127.0.0.1 port={gate.port} dbname={{dbname}}", "other": "{pg}"}, query_wait_timeout=1)
        gate.refuse()
        with contextlib.suppress(Exception):
            self.client().run("select 1")
        page = self.wait_page("wrong", "database app no server connection, the last login failed (SQLSTATE 08006)")
        self.assertIn("not well", page.texts["status"])
        gate.open()
        wait_until(lambda: self.get("/readyz").status == 200, 30, "the server to be found again")
        self.wait_page("wrong", "All is well.")
        self.weir.admin("pause other")
        self.wait_page("wrong", "database other paused (PAUSE)")
        self.weir.admin("resume other")
        self.assert_serves()

    def test_backends(self):
        gates = [Gate(self.pg.port) for _ in range(2)]
        for gate in gates:
            self.addCleanup(gate.close)
        self.up(weir={"probe_interval": 0.3, "probe_interval_fast": 0.2, "probe_timeout": 0.1, "ejection_probes": 2},
                backends={f"pg{i}": f"host=127.0.0.1 port={gate.port}" for i, gate in enumerate(gates)}, databases={"app": "backends=pg0,pg1 dbname={dbname}"})
        self.wait_page("backends", "UP")
        self.weir.admin("drain pg1")
        self.wait_page("wrong", "backend pg1 DRAINING")
        self.wait_page("events", "DRAINING")
        self.weir.admin("enable backend pg1")
        wait_until(lambda: "DRAINING" not in self.page().texts["wrong"], 30, "the order to be undone")
        self.assert_serves()

    def test_data_move(self):
        """A sample every ten seconds: figures, and the lines of the last hour."""
        self.up()
        before = self.page().texts["when"]
        wait_until(lambda: self.page().texts["when"] != before, 30, "time to go on")
        with self.client() as c:
            def drawn():
                for _ in range(20):
                    c.run("select 1").check()
                return re.search(r'aria-label="transactions / s: the last hour, at most [1-9]', self.get("/").body)
            wait_until(drawn, 60, "a line to be drawn")

    def test_while_the_process_ends(self):
        self.up()
        held = self.client()
        held.run("begin").check()
        self.weir.signal(signal.SIGTERM)
        self.wait_page("wrong", "shutting down")
        held.close()
        self.assertEqual(self.weir.wait_exit(), 0)
