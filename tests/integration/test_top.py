"""`weir top`: frames for scripts, and the program in a real terminal (tmux), with keys, sizes, and a console that comes and goes."""
import os
import shutil
import subprocess
import tempfile

from harness.case import Case, wait_until
from harness.util import SLOW


class TopCase(Case):
    def where(self, user="admin"):
        return f"host=127.0.0.1 port={self.weir.port} user={user}"

    def top(self, *arguments, where=None, code=0):
        done = subprocess.run([os.environ["WEIR_BIN"], "top", *arguments, where or self.where()], capture_output=True, text=True, timeout=60 * SLOW,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr


class Once(TopCase):
    def test_each_view_has_its_rows(self):
        self.start()
        c = self.client(application_name="shop")
        for i in range(3):
            c.sql(f"select {i}")
        once = ("--once", "--interval", "0.1")
        queries = self.top(*once, "--view", "queries")
        self.assertIn("[3 Queries]", queries)
        self.assertRegex(queries, r"(?m)^ +\d+ +\d+ +3 .* app +app +select \?$")
        self.assertRegex(self.top(*once), r"(?m)^app +app +\d+ +0 .* transaction$")
        self.assertRegex(self.top(*once, "-v", "2"), r"(?m)^app +app +idle +127\.0\.0\.1 .* shop$")
        self.assertRegex(self.top(*once, "-v", "servers"), r"(?m)^app +app +idle +127\.0\.0\.1 ")
        self.assertIn("nothing", self.top(*once, "-v", "backends"))
        self.assertIn("nothing", self.top(*once, "-v", "slow"))

    def test_lines_are_no_wider_than_asked_for_and_end_in_the_query(self):
        self.start()
        self.client().sql("select " + "(1 + " * 30 + "1" + ")" * 30)
        for width in (80, 200):
            lines = self.top("--once", "-d", "0.1", "-v", "3", "-w", str(width)).splitlines()
            self.assertLessEqual(max(len(line) for line in lines), width)
            self.assertGreater(len(lines[-1]), width - 5)
            self.assertIn("select (?", lines[-1])

    def test_rates_filter_and_order(self):
        self.start()
        c = self.client()
        for i in range(5):
            c.sql("select 'many'")
        c.sql("select 'few' from pg_class limit 1")
        shown = self.top("--once", "-d", "0.1", "-v", "3", "-s", "calls").splitlines()[5:]
        self.assertIn("select ?", shown[0])
        shown = self.top("--once", "-d", "0.1", "-v", "3", "-s", "calls", "-r").splitlines()[5:]
        self.assertIn("pg_class", shown[0])
        shown = self.top("--once", "-d", "0.1", "-v", "3", "-f", "PG_CLASS").splitlines()[5:]
        self.assertEqual(len(shown), 1)

    def test_what_is_wrong_is_said(self):
        self.start()
        self.assertIn("not allowed", self.top("--once", where=self.where("app"), code=1))
        self.assertIn("refused", self.top("--once", where="host=127.0.0.1 port=1", code=1))
        self.assertIn("no view", self.top("--once", "-v", "moon", code=2))
        self.assertIn("no terminal", self.top(code=1))

    def test_those_who_may_only_look_may_look(self):
        self.start()
        self.assertIn("[1 Pools]", self.top("--once", "-d", "0.1", where=self.where("stats")))


class Terminal(TopCase):
    """The program inside tmux, which says what would be on the screen."""

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *arguments], capture_output=True, text=True, check=True).stdout

    def open(self, columns=80, rows=24):
        folder = tempfile.mkdtemp(prefix="weir-top-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.socket = f"{folder}/tmux"
        self.ended = f"{folder}/ended"
        command = f"'{os.environ['WEIR_BIN']}' top -d 0.2 '{self.where()}'; echo code=$? > '{self.ended}'; echo back in the shell; exec cat"
        self.tmux("new-session", "-d", "-s", "t", "-x", str(columns), "-y", str(rows), command)
        self.addCleanup(lambda: self.tmux("kill-server"))

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "t")

    def wait_screen(self, *texts, without=()):
        try:
            wait_until(lambda: (shown := self.screen()) and all(t in shown for t in texts) and not any(t in shown for t in without), 30,
                       f"a screen with {texts}")
        except AssertionError as e:
            raise AssertionError(f"{e}:\n{self.screen()}") from None
        return self.screen()

    def press(self, *keys):
        self.tmux("send-keys", "-t", "t", *keys)

    def wait_ended(self, code):
        wait_until(lambda: os.path.exists(self.ended) and open(self.ended).read() == f"code={code}\n", 30, "the end of the program")
        self.wait_screen("back in the shell", without=("weir top  127",))

    def test_views_keys_and_the_end(self):
        self.start()
        c = self.client()
        c.sql("select 'a' from pg_class limit 1")
        c.sql("select 1")
        self.open()
        shown = self.wait_screen("[1 Pools]", "txn/s", "transaction")
        self.assertLessEqual(max(len(line) for line in shown.splitlines()), 80)
        self.press("3")
        self.wait_screen("[3 Queries]", "select ?", "pg_class")
        self.press("Enter")
        self.wait_screen("digest", "total_us")
        self.press("Enter")
        self.press("/", "C", "L", "A", "S", "S", "Enter")
        self.wait_screen("/CLASS", "pg_class")
        self.assertNotIn("select ?\n", self.screen())
        self.press("Escape")
        self.wait_screen("h help", "select ?\n")
        self.press("h")
        self.wait_screen("Ctrl-C")
        self.press("h")
        self.press("Tab")
        self.wait_screen("[4 Servers]")
        self.press("Left", "Left")
        self.wait_screen("[2 Clients]", "STATE")
        self.press("p")
        self.wait_screen("PAUSED")
        self.press("p")
        self.wait_screen("[2 Clients]", without=("PAUSED",))
        self.press("q")
        self.wait_ended(0)

    def test_it_follows_the_size_of_the_terminal(self):
        self.start()
        self.client().sql("select 1")
        self.open()
        self.wait_screen("[1 Pools]", "transaction")
        self.press("3")
        self.wait_screen("[3 Queries]", "select ?", without=("DATABASE",))
        self.tmux("resize-window", "-t", "t", "-x", "160", "-y", "40")
        self.wait_screen("DATABASE", "USER", "select ?")
        self.tmux("resize-window", "-t", "t", "-x", "20", "-y", "3")
        self.wait_screen("weir top")
        self.tmux("resize-window", "-t", "t", "-x", "80", "-y", "24")
        self.wait_screen("[3 Queries]", "select ?", without=("DATABASE",))
        self.press("C-c")
        self.wait_ended(0)

    def test_a_console_that_goes_away_is_told_and_found_again(self):
        self.start()
        self.open()
        self.wait_screen("[1 Pools]", "txn/s")
        self.weir.signal(2)
        self.weir.wait_exit()
        self.wait_screen("connection lost")
        self.weir.start()
        self.wait_screen("txn/s", without=("connection lost",))
        self.press("q")
        self.wait_ended(0)

    def test_it_can_be_left_while_the_console_does_not_answer(self):
        self.start()
        self.open()
        self.wait_screen("[1 Pools]", "txn/s")
        os.kill(self.weir.pid, 19)
        self.addCleanup(lambda: os.kill(self.weir.pid, 18))
        self.press("q")
        self.wait_ended(0)
