"""Commands of the console that stop and start the traffic, and SET: what they do, what they answer, and that nothing hangs."""
import threading
import time

from harness import wire
from harness.case import Case, background, beyond_pgbouncer, subset, wait_until
from harness.wire import query

POOLER = "08P01"  # SQLSTATE of what the pooler refuses


class Commands(Case):
    def ask(self, command, **kw):
        c = self.weir.console(**kw)
        self.addCleanup(c.close)
        return c.send(query(command))

    def fails(self, command, text, code=POOLER, console=None):
        with console or self.weir.console() as c:
            self.assert_error(c.run(command), code, text)


@beyond_pgbouncer
class Clients(Commands):
    settings = {"databases": {"app": "{pg}", "other": "{pg}"}}

    def id_of(self, c):
        [row] = [r for r in self.weir.show("clients") if r["port"] == str(c.sock.getsockname()[1])]
        return row["id"]

    @subset("tsan", "asan")
    def test_kill_client(self):
        idle, block, running, other = self.clients(4)
        block.sql("begin")
        running.send(query("select pg_sleep(100)"))
        wait_until(lambda: self.weir.count("state = 'active'") == 1, 30, "the query to run")
        for c in (idle, block, running):
            self.assertEqual(self.weir.admin(f"kill_client {self.id_of(c)}").tags, ["KILL_CLIENT"])
            self.fatal(c, POOLER, "admin forced disconnect")
        wait_until(lambda: self.weir.count("state = 'active'") == 0, 30, "the query to be cancelled")
        self.assertEqual(other.one("select 1"), "1")

    def test_kill_client_that_waits(self):
        self.start(default_pool_size=1)
        holder, waiting = self.clients(2)
        holder.sql("begin")
        waiting.send(query("select 1"))
        self.weir.wait_waiting(1)
        self.weir.admin(f"kill_client {self.id_of(waiting)}")
        self.fatal(waiting, POOLER, "admin forced disconnect")
        holder.sql("commit")
        self.assert_serves()

    def test_kill_client_refused(self):
        self.fails("kill_client", "invalid client pointer supplied")
        self.fails("kill_client abc", "invalid client pointer supplied")
        self.fails("kill_client \"\"\"\"", "invalid client pointer supplied")
        self.fails("kill_client 99999999", "client not found")
        self.fails("kill_client 1", "admin access needed", console=self.weir.console("stats"))
        victim = self.client()
        self.fails(f"kill_client {self.id_of(victim)}", "admin access needed", console=self.weir.console("stats"))
        self.assertEqual(victim.one("select 1"), "1")

    def test_kill_client_of_the_console(self):
        victim = self.weir.console("stats")
        victim.sql("show version")
        self.weir.admin(f"kill_client {self.id_of(victim)}")
        self.fatal(victim, POOLER, "admin forced disconnect")

    def test_ids_grow_by_one(self):
        """One counter for clients and servers: one more for each client that is accepted and each server that is launched."""
        self.start()
        console = self.weir.console()
        self.addCleanup(console.close)

        def ids(what):
            reply = console.run(f"show {what}").check()
            at = [name for name, _ in reply.columns].index("id")
            return {int(row[at]) for row in reply.rows}
        last = max(ids("clients"))
        self.client()  # logs in through a server of its own
        self.assertEqual((max(ids("clients")), ids("servers")), (last + 1, {last + 2}))
        self.client().sql("select 1")  # goes on with that server
        self.assertEqual((max(ids("clients")), ids("servers")), (last + 3, {last + 2}))


class Disable(Commands):
    settings = {"databases": {"app": "{pg}", "other": "{pg}"}}

    def test_disable_and_enable(self):
        inside = self.client()
        self.assertEqual(self.weir.admin("disable app").tags, ["DISABLE"])
        self.assertEqual(self.weir.show("databases", name="app")[0]["disabled"], "1")
        self.assertIn('database "app" is disabled', self.refused().message)
        self.assertEqual(inside.one("select 1"), "1")
        self.assertEqual(self.client(database="other").one("select 1"), "1")
        self.assertEqual(self.weir.admin("enable app").tags, ["ENABLE"])
        self.assertEqual(self.weir.show("databases", name="app")[0]["disabled"], "0")
        self.assert_serves()

    @beyond_pgbouncer
    def test_refused(self):
        self.fails("disable", "a database is required")
        self.fails("enable", "a database is required")
        self.fails("disable nosuch", "no such database: nosuch")
        self.fails("enable nosuch", "no such database: nosuch")
        for verb in ("disable", "enable", "pause", "kill", "reconnect"):
            self.fails(f"{verb} pgbouncer", f"cannot {verb} admin db: pgbouncer")
        self.fails("wait_close pgbouncer", "cannot wait in admin db: pgbouncer")


class Reconnect(Commands):
    settings = {"databases": {"app": "{pg}", "other": "{pg}"}}

    @subset("tsan")
    def test_reconnect(self):
        for target in ("", " app"):
            self.start(databases={"app": "{pg}", "other": "{pg}"})
            idle, busy, other = self.client(), self.client(), self.client(database="other")
            busy.sql("begin")
            pid, first, others = busy.server_pid(), idle.server_pid(), other.server_pid()
            self.assertEqual(self.weir.admin(f"reconnect{target}").tags, ["RECONNECT"])
            self.assertEqual(busy.server_pid(), pid, "a transaction keeps its server")
            [row] = [r for r in self.weir.show("servers") if r["remote_pid"] == str(pid)]
            self.assertEqual(row["close_needed"], "1")
            self.assertNotEqual(idle.server_pid(), first)
            self.assertEqual(other.server_pid() == others, bool(target))
            console = self.ask(f"wait_close{target}")
            self.assertFalse(console.readable(0.3), "WAIT_CLOSE answered while an old connection was in use")
            busy.sql("commit")
            self.assertEqual(console.collect().check().tags, ["WAIT_CLOSE"])
            self.assertNotEqual(busy.server_pid(), pid)
            self.assertEqual(self.weir.admin(f"wait_close{target}").tags, ["WAIT_CLOSE"])

    def test_welcome_is_forgotten(self):
        """A new login asks the server again what it says of itself."""
        self.client().sql("select 1")
        self.weir.admin("reconnect")
        wait_until(lambda: self.weir.count() == 0, 30, "the old servers to go")
        self.client()
        self.assertEqual(self.weir.count(), 1)

    def test_refused(self):
        self.fails("reconnect nosuch", "no such database: nosuch")
        self.fails("wait_close nosuch", "no such database: nosuch")

    @beyond_pgbouncer
    def test_a_cancelled_wait_close_ends(self):
        self.start()
        busy = self.client()
        busy.sql("begin")
        self.weir.admin("reconnect")
        console = self.ask("wait_close")
        self.assertFalse(console.readable(0.2))
        console.cancel()
        self.assert_error(console.collect(), "57014")
        busy.sql("commit")


class Pause(Commands):
    settings = {}

    def start(self, **options):
        super().start(**{"databases": {"app": "{pg}", "other": "{pg}"}, **options})

    def test_errors(self):
        self.start()
        self.fails("resume", "pooler is not paused/suspended")
        self.fails("resume app", "database app is not paused")
        self.fails("resume nosuch", "no such database: nosuch")
        self.fails("pause nosuch", "no such database: nosuch")
        self.weir.admin("pause")
        self.fails("pause", "already suspended/paused")
        self.fails("pause app", "already suspended/paused")
        self.fails("suspend", "already suspended/paused")
        self.weir.admin("resume")
        self.weir.admin("pause app")
        self.weir.admin("pause app")  # once more is no mistake
        self.fails("suspend", "cannot suspend with paused databases")
        self.weir.admin("resume app")

    @beyond_pgbouncer
    def test_state(self):
        self.start()
        state = lambda: {r["key"]: r["value"] for r in self.weir.show("state")}  # noqa: E731
        self.assertEqual(state(), {"active": "yes", "paused": "no", "suspended": "no"})
        self.weir.admin("pause")
        self.assertEqual(state(), {"active": "no", "paused": "yes", "suspended": "no"})
        self.assertEqual({r["name"]: r["paused"] for r in self.weir.show("databases")}, {"app": "0", "other": "0", "pgbouncer": "0"})
        self.weir.admin("resume")
        self.weir.admin("pause app")
        self.assertEqual(state(), {"active": "yes", "paused": "no", "suspended": "no"})
        self.assertEqual({r["name"]: r["paused"] for r in self.weir.show("databases")}, {"app": "1", "other": "0", "pgbouncer": "0"})
        self.weir.admin("resume app")

    def test_a_database_that_comes_while_paused_waits(self):
        self.start(databases={"app": "{pg}", "*": "{server} dbname={dbname}"})
        self.client().sql("select 1")
        self.weir.admin("pause")
        raw = self.raw().send(wire.startup_packet({"user": "app", "database": "new"}))
        time.sleep(0.3)
        self.assertEqual(self.weir.count(), 0, "a server was opened while all was paused")
        self.weir.admin("resume")
        raw.authenticate("app", None)
        self.assertEqual(raw.one("select 1"), "1")

    @beyond_pgbouncer
    @subset("tsan")
    def test_resume_ends_a_pause_that_waits(self):
        """Somebody else's RESUME: the PAUSE is answered with an error, it does not wait for ever."""
        for target in ("", " app"):
            self.start()
            busy = self.client()
            busy.sql("begin")
            console = self.ask(f"pause{target}")
            self.assertFalse(console.readable(0.2))
            self.weir.admin(f"resume{target}")
            self.assert_error(console.collect(), "57014", "PAUSE was ended by RESUME")
            self.assertEqual(console.run("show version").check().tags, ["SHOW"])
            busy.sql("commit")
            self.assert_serves()

    @beyond_pgbouncer
    def test_many_at_once(self):
        """PAUSE and RESUME from many consoles at the same time: every one is answered, and traffic goes on in the end."""
        self.start()
        stop, done = threading.Event(), []

        def traffic():
            with self.weir.connect() as c:
                while not stop.is_set():
                    self.assertEqual(c.one("select 1"), "1")
                    done.append(1)

        def operator(word):
            with self.weir.console() as c:
                for _ in range(40):
                    reply = c.run(word)
                    self.assertEqual(len(reply.tags) + len(reply.errors), 1, reply)
        with background(traffic), background(traffic):
            try:
                with background(operator, "pause"), background(operator, "resume"), background(operator, "pause"), background(operator, "resume"):
                    pass
                with self.weir.console() as c:
                    c.run("resume")
                before = len(done)
                wait_until(lambda: len(done) > before + 10, 30, "traffic to go on")
            finally:
                stop.set()

    @beyond_pgbouncer
    def test_session_pooling_says_what_it_waits_for(self):
        """In session pooling PAUSE waits until clients leave; whoever waits is told so, and may KILL them or cancel."""
        self.start(pool_mode="session")
        c = self.client()
        c.sql("select 1")
        console = self.ask("pause app")
        kind, body = console.recv()
        self.assertEqual(kind, "N")
        notice = wire.parse_fields(body)
        self.assertIn("PAUSE waits for 1 server connections that are in use", notice["M"])
        self.assertIn("app/app: 1, until their clients disconnect (session pooling)", notice["D"])
        self.weir.admin("kill app")
        self.assertEqual(console.collect().check().tags, ["PAUSE"])
        self.fatal(c)
        self.weir.admin("resume app")
        self.assert_serves()

    def test_session_pooling_ends_with_the_client(self):
        self.start(pool_mode="session")
        c = self.client()
        c.sql("select 1")
        console = self.ask("pause")
        self.assertFalse(console.readable(0.3))
        c.close()
        self.assertEqual(console.collect().check().tags, ["PAUSE"])
        self.weir.admin("resume")

    def test_pause_stays_when_its_client_goes(self):
        self.start()
        self.weir.admin("pause")
        c = self.client_while_paused()
        self.assertFalse(c.readable(0.3))
        self.weir.admin("resume")
        c.authenticate("app", None)

    def client_while_paused(self):
        return self.raw().send(wire.startup_packet({"user": "app", "database": "app"}))

    @beyond_pgbouncer
    def test_kill_of_all_and_resume_of_all(self):
        self.start()
        a, o = self.client(), self.client(database="other")
        self.assertEqual(self.weir.admin("kill").tags, ["KILL"])
        self.fatal(a, POOLER, "database removed")
        self.fatal(o, POOLER, "database removed")
        self.assertEqual({r["name"]: r["paused"] for r in self.weir.show("databases")}, {"app": "1", "other": "1", "pgbouncer": "0"})
        self.assertEqual(self.weir.admin("resume").tags, ["RESUME"])
        self.assert_serves()
        self.assert_serves(database="other")

    def test_kill_of_one_and_resume_of_one(self):
        self.start()
        self.client().sql("select 1")
        self.weir.admin("kill app")
        self.fails("resume other", "database other is not paused")
        self.fails("resume", "pooler is not paused/suspended")
        self.assertEqual(self.weir.admin("resume app").tags, ["RESUME"])
        self.assert_serves()

    @beyond_pgbouncer
    def test_kill_while_paused(self):
        self.start()
        busy = self.client()
        busy.sql("begin")
        console = self.ask("pause")
        self.assertFalse(console.readable(0.2))
        self.weir.admin("kill")
        self.assertEqual(console.collect().check().tags, ["PAUSE"])
        self.weir.admin("resume")
        self.assert_serves()

    @beyond_pgbouncer
    def test_resume_while_waiting_for_clients(self):
        """Clients that are paused could not leave: RESUME is for them, also in a shutdown."""
        self.start()
        c = self.client()
        c.sql("select 1")
        with self.weir.console() as console:
            console.sql("pause")
            c.send(query("select 'late'"))
            self.weir.wait_waiting(1)
            self.assertEqual(console.run("shutdown wait_for_clients").check().tags, ["SHUTDOWN"])
            self.assertEqual(console.run("resume").check().tags, ["RESUME"])
            self.assertEqual(c.collect().check().value, "late")
            self.assert_error(console.run("resume"), POOLER, "pooler is shutting down")
        c.close()
        self.assertEqual(self.weir.wait_exit(), 0)

    @beyond_pgbouncer
    def test_no_resume_while_waiting_for_servers(self):
        self.start()
        busy = self.client()
        busy.sql("begin")
        with self.weir.console() as console:
            self.assertEqual(console.run("shutdown wait_for_servers").check().tags, ["SHUTDOWN"])
            self.assert_error(console.run("resume"), POOLER, "pooler is shutting down")
            busy.send(query("commit"))
            self.assertEqual(self.weir.wait_exit(), 0)

    def test_log(self):
        self.start()
        for command in ("pause", "resume", "pause app", "resume app", "reload", "reconnect", "wait_close app", "kill app", "resume app", "disable app", "enable app", "suspend"):
            self.weir.admin(command)
        log = self.weir.wait_log("SUSPEND command issued")
        for text in ("PAUSE command issued", "RESUME command issued", "PAUSE 'app' command issued", "RESUME 'app' command issued", "RELOAD command issued",
                     "RECONNECT command issued", "WAIT_CLOSE 'app' command issued", "KILL 'app' command issued", "DISABLE 'app' command issued",
                     "ENABLE 'app' command issued", "SUSPEND command issued"):
            self.assertEqual(log.count(text), 2 if text == "RESUME 'app' command issued" else 1, text)


class Suspend(Commands):
    settings = {}

    @subset("tsan", "asan")
    def test_nothing_moves(self):
        self.start()
        idle, block = self.clients(2)
        block.sql("begin")
        console = self.weir.console()
        self.addCleanup(console.close)
        self.assertEqual(console.run("suspend").check().tags, ["SUSPEND"])
        idle.send(query("select 'idle'"))
        block.send(query("select 'block'"))
        late = self.raw()  # the kernel takes the connection, nobody answers it
        late.send(wire.startup_packet({"user": "app", "database": "app"}))
        for c in (idle, block, late):
            self.assertFalse(c.readable(0.3), "something moved")
        self.assertEqual(console.run("show pools").check().tags, ["SHOW"])
        self.assert_error(console.run("suspend"), POOLER, "already suspended/paused")
        self.assert_error(console.run("pause"), POOLER, "already suspended/paused")
        self.assert_error(console.run("kill"), POOLER, "already suspended/paused")
        self.assertEqual(console.run("resume").check().tags, ["RESUME"])
        self.assertEqual(idle.collect().check().value, "idle")
        self.assertEqual(block.collect().check().value, "block")
        late.authenticate("app", None)
        self.assertEqual(late.one("select 1"), "1")
        block.sql("commit")

    @beyond_pgbouncer
    def test_state(self):
        self.start()
        console = self.weir.console()
        self.addCleanup(console.close)
        console.sql("suspend")
        self.assertEqual(dict(console.sql("show state")), {"active": "no", "paused": "no", "suspended": "yes"})
        console.sql("resume")
        self.assertEqual(dict(console.sql("show state")), {"active": "yes", "paused": "no", "suspended": "no"})

    def test_a_running_query_is_answered_after_resume(self):
        self.start()
        c = self.client()
        with self.weir.console() as console:
            c.send(query("select pg_sleep(0.3), 'answer'"))
            wait_until(lambda: self.weir.count("state = 'active'") == 1, 30, "the query to run")
            console.sql("suspend")
            self.assertFalse(c.readable(0.6), "the answer went through")
            console.sql("resume")
            self.assertEqual(c.collect().check().rows[0][1], "answer")

    def test_ends_when_the_admin_goes(self):
        self.start()
        c = self.client()
        with self.weir.console() as console:
            console.sql("suspend")
            c.send(query("select 1"))
            self.assertFalse(c.readable(0.3))
        self.assertEqual(c.collect().check().value, "1")
        self.weir.wait_log("admin disappeared when suspended, doing RESUME")
        self.assert_serves()

    @beyond_pgbouncer
    @subset("tsan")
    def test_whoever_cannot_be_flushed_is_closed(self):
        """suspend_timeout: a client that waits for a server that never comes free, and one that does not log in."""
        self.start(default_pool_size=1, suspend_timeout=1)
        holder, waiting = self.clients(2)
        holder.sql("begin")
        waiting.send(query("select 1"))
        self.weir.wait_waiting(1)
        dumb = self.raw().send(wire.SSL_REQUEST)
        self.assertEqual(dumb.recv_exact(1), b"N")
        with self.weir.console() as console:
            before = time.monotonic()
            self.assertEqual(console.run("suspend").check().tags, ["SUSPEND"])
            self.assertGreaterEqual(time.monotonic() - before, 0.9)
            self.fatal(waiting, POOLER, "suspend_timeout")
            self.fatal(dumb, POOLER, "suspend_timeout")
            console.sql("resume")
        self.assertEqual(holder.run("commit").check().tags, ["COMMIT"])
        self.assert_serves()

    @beyond_pgbouncer
    def test_ends_when_the_admin_goes_before_it_is_done(self):
        self.start(default_pool_size=1, suspend_timeout=100)
        holder, waiting = self.clients(2)
        holder.sql("begin")
        waiting.send(query("select 'in the end'"))
        self.weir.wait_waiting(1)
        with self.weir.console() as console:
            console.send(query("suspend"))
            self.assertFalse(console.readable(0.3))
        holder.run("commit").check()
        self.assertEqual(waiting.collect().check().value, "in the end")
        self.assert_serves()

    def test_resume_of_somebody_else(self):
        self.start()
        first, second = self.weir.console(), self.weir.console()
        self.addCleanup(first.close)
        first.sql("suspend")
        first.close()
        c = self.client_that_waits(second)
        self.assertEqual(second.run("resume").check().tags, ["RESUME"])
        second.close()
        c.authenticate("app", None)

    def client_that_waits(self, console):
        """Nobody is accepted as long as one administrator is left."""
        console.sql("show version")
        c = self.raw().send(wire.startup_packet({"user": "app", "database": "app"}))
        self.assertFalse(c.readable(0.3))
        return c

    @subset("tsan")
    def test_under_load(self):
        self.start()
        stop, done = threading.Event(), []

        def work(n):
            with self.weir.connect() as c:
                while not stop.is_set():
                    self.assertEqual(c.one(f"select {n}"), str(n))
                    done.append(n)
        with background(work, 1), background(work, 2), background(work, 3), background(work, 4):
            try:
                with self.weir.console() as console:
                    for _ in range(5):
                        console.sql("suspend")
                        before = len(done)
                        time.sleep(0.1)
                        self.assertLessEqual(len(done) - before, 4, "answers that were on their way, and no more")
                        console.sql("resume")
                        wait_until(lambda: len(done) > before + 8, 30, "work to go on")
            finally:
                stop.set()
