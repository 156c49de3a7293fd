"""Replication connections, physical and logical: what is replicated arrives, each client has a server of its own, and none is left over."""
import contextlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time

import psycopg2
import psycopg2.extras

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend, error
from harness.postgres import SECRET, bindir
from harness.util import SLOW, free_port, give_to_postgres, run_as, scaled, tied
from harness.wire import copy_data, copy_done, query

TOOL_TIMEOUT = 120 * SLOW
DATABASES = {"app": "{pg}", "replication": "{pg}"}  # PostgreSQL's tools ask for a database of that name
EPOCH = 946_684_800  # 2000-01-01, from which the protocol counts


def status_update(lsn, reply=False):
    now = int((time.time() - EPOCH) * 1_000_000)
    return copy_data(b"r" + struct.pack("!QQQQB", lsn, lsn, lsn, now, reply))


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


@beyond_pgbouncer
class Replication(Case):
    settings = {"databases": DATABASES, "default_pool_size": 4}

    def stream(self, kind="true", user="repl", **kw):
        c = self.raw()
        c.login(user, "app", replication=kind, **kw)
        return c

    def servers(self, kind=None, database=None):
        rows = self.weir.show("servers")
        return [r for r in rows if (kind is None or r["replication"] == kind) and (database is None or r["database"] == database)]

    def wait_servers(self, count, kind=None, **kw):
        return wait_until(lambda: len(self.servers(kind, **kw)) == count, 30, f"{count} servers of kind {kind}")

    def current_lsn(self):
        return self.pg.one("select pg_current_wal_lsn()")

    def start_streaming(self, c, at=None):
        """START_REPLICATION; gives the position."""
        at = at or c.run("IDENTIFY_SYSTEM").check().rows[0][2]
        c.send(query(f"START_REPLICATION PHYSICAL {at}"))
        kind, body = c.recv()
        self.assertEqual(kind, "W", body)
        return lsn(at)

    def read_until(self, c, wanted):
        """Data of the stream until it contains `wanted`; the last position seen."""
        data, position = b"", 0
        while wanted not in data:
            kind, body = c.recv()
            if kind == "E":
                raise wire.PgError(wire.parse_fields(body))
            self.assertEqual(kind, "d")
            if body[:1] == b"w":
                start, _, _ = struct.unpack_from("!QQQ", body, 1)
                position = start + len(body) - 25
                data = data[-8192:] + body[25:]
            elif body[17]:
                c.send(status_update(position))
        return position

    def write(self, text):
        """Into the WAL, and flushed: that takes a commit. Twice, as the header of a page may stand in the middle of one."""
        self.pg.sql(f"select pg_logical_emit_message(true, 'weir', '{text}, {text}')", database=self.weir.dbname)

    def slot(self, name, plugin="test_decoding"):
        """A logical slot of this pooler's database, dropped at the end."""
        self.pg.sql(f"select pg_create_logical_replication_slot('{name}', '{plugin}')", database=self.weir.dbname)
        self.addCleanup(self.drop_slot, name)
        return name

    def drop_slot(self, name):
        self.pg.sql(f"select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{name}' and active")
        wait_until(lambda: self.pg.one(f"select count(*) from pg_replication_slots where slot_name = '{name}' and active") == "0", 30, "the slot to be free")
        self.pg.sql(f"select pg_drop_replication_slot('{name}') where exists (select from pg_replication_slots where slot_name = '{name}')")

    def assert_none_left(self):
        wait_until(lambda: not self.servers("physical") and not self.servers("logical"), 30, "replication connections to be closed")
        wait_until(lambda: self.pg.one("select count(*) from pg_stat_activity where backend_type = 'walsender'") == "0", 30, "walsenders to be gone")
        self.assert_serves()


class Commands(Replication):
    def test_the_same_as_postgresql(self):
        """Each command answers through the pooler what it answers directly."""
        direct = self.pg.connect("repl", self.weir.dbname, replication="true")
        self.addCleanup(direct.close)
        c = self.stream()
        self.assertEqual({k: v for k, v in c.params.items()}, direct.params)
        for command in ("IDENTIFY_SYSTEM", "SHOW wal_segment_size", "SHOW data_directory_mode", "TIMELINE_HISTORY 1", "IDENTIFY_SYSTEM; IDENTIFY_SYSTEM", "nonsense", "select 1", "",
                        "START_REPLICATION SLOT nosuch PHYSICAL 0/0", "CREATE_REPLICATION_SLOT phys_a PHYSICAL", "READ_REPLICATION_SLOT phys_a", "CREATE_REPLICATION_SLOT phys_a PHYSICAL",
                        "DROP_REPLICATION_SLOT phys_a", "DROP_REPLICATION_SLOT phys_a", "START_REPLICATION PHYSICAL FF/0", "BASE_BACKUP (LABEL 'x', NONSENSE)"):
            with self.subTest(command):
                ours = c.run(command)
                if command == "CREATE_REPLICATION_SLOT phys_a PHYSICAL" and not ours.errors:
                    self.assertTrue(direct.run(command).errors)  # it is there now
                    continue
                if command == "DROP_REPLICATION_SLOT phys_a" and not ours.errors:
                    self.assertTrue(direct.run(command).errors)
                    continue
                theirs = direct.run(command)
                self.assertEqual(ours.types, theirs.types)
                self.assertEqual(str(ours.error), str(theirs.error))
                if "IDENTIFY" not in command:
                    self.assertEqual([m for m in ours.messages if m[0] != "E"], [m for m in theirs.messages if m[0] != "E"])

    def test_base_backup_has_several_result_sets(self):
        c = self.stream()
        reply = c.run("BASE_BACKUP (LABEL 'weir', CHECKPOINT 'fast', MANIFEST 'yes')").check()
        self.assertRegex(reply.types, "^TDCTD+CHd+cTDCCZ$|^TDCTD+CHd+cC?TDCC?Z$")
        self.assertGreater(len(reply.copied), 1_000_000)
        self.assertEqual(c.run("IDENTIFY_SYSTEM").check().rows[0][1], "1")

    def test_logical_speaks_sql_too(self):
        c = self.stream("database")
        self.assertEqual(c.one("select current_database()"), self.weir.dbname)
        self.assertEqual(c.run("CREATE_REPLICATION_SLOT mixed LOGICAL test_decoding NOEXPORT_SNAPSHOT").check().rows[0][0], "mixed")
        self.addCleanup(self.drop_slot, "mixed")
        c.sql("set synchronous_commit = on")  # only what is on the disk is decoded
        c.sql("create table mixed (a int)")
        c.sql("insert into mixed values (1)")
        self.assertEqual(c.one("select count(*) from pg_logical_slot_get_changes('mixed', null, null) where data like '%INSERT%'"), "1")
        self.assertEqual(c.run("DROP_REPLICATION_SLOT mixed").check().tags, ["DROP_REPLICATION_SLOT"])

    def test_a_snapshot_that_is_exported(self):
        c = self.stream("database")
        row = c.run("CREATE_REPLICATION_SLOT exported TEMPORARY LOGICAL test_decoding EXPORT_SNAPSHOT").check().rows[0]
        with self.pg.connect(database=self.weir.dbname) as direct:
            direct.sql(f"begin isolation level repeatable read; set transaction snapshot '{row[2]}'")
            self.assertEqual(direct.one("select 1"), "1")

    def test_words_of_the_parameter(self):
        for word, kind in (("1", "physical"), ("on", "physical"), ("YES", "physical"), ("t", "physical"), ("database", "logical"), ("0", "none"), ("off", "none"), ("no", "none")):
            with self.subTest(word):
                c = self.stream(word)
                row = [r for r in self.weir.show("clients") if r["user"] == "repl"]
                self.assertEqual([r["replication"] for r in row], [kind])
                self.assertEqual(c.run("SHOW wal_segment_size" if kind == "physical" else "select 1").check().types, "TDCZ")
                c.close()
                wait_until(lambda: not [r for r in self.weir.show("clients") if r["user"] == "repl"], 30, "the client to be gone")
        e = self.refused(user="repl", replication="maybe")
        self.assertEqual((e.severity, e.code, e.message), ("FATAL", "22023", 'invalid value for parameter "replication": "maybe"'))


class Stream(Replication):
    @subset("tsan", "asan")
    def test_wal_comes_and_answers_go(self):
        c = self.stream(application_name="weir_stream")
        at = self.start_streaming(c)
        for n in range(3):
            self.write(f"hello number {n}")
            at = self.read_until(c, f"hello number {n}".encode())
            c.send(status_update(at, reply=True))

            def is_confirmed():
                row = self.pg.sql("select flush_lsn from pg_stat_replication where application_name = 'weir_stream'")
                return row and row[0][0] and lsn(row[0][0]) >= at
            wait_until(is_confirmed, 30, "the position to be confirmed")
        c.close()
        self.assert_none_left()

    def test_ended_by_the_client_and_begun_anew(self):
        c = self.stream()
        for _ in range(3):
            self.start_streaming(c)
            c.send(copy_done())
            reply = c.collect()
            self.assertRegex(reply.types, "^d*cC+Z$")
            self.assertEqual(c.run("IDENTIFY_SYSTEM").check().rows[0][1], "1")
        c.close()
        self.assert_none_left()

    def test_the_server_asks_for_an_answer(self):
        """Keepalives go both ways while nothing happens, and a silent client is ended by the server's own timeout."""
        c = self.stream(options="-c wal_sender_timeout=2s")
        self.start_streaming(c)
        seen = 0
        while seen < 2:
            kind, body = c.recv()
            if kind == "d" and body[:1] == b"k" and body[17]:
                seen += 1
                c.send(status_update(lsn(self.current_lsn())))
        reply = c.expect_close()
        self.assertTrue(reply.closed)
        self.assert_none_left()

    def test_a_message_out_of_place(self):
        c = self.stream()
        self.start_streaming(c)
        c.send(query("select 1"))
        self.fatal(c, "08P01", "unexpected message type while replicating")
        self.assert_none_left()

    @subset("asan")
    def test_a_slow_client_does_not_fill_memory(self):
        """The client does not read: the server is stopped, and all arrives when it does."""
        c = self.raw(rcvbuf=4096)
        c.login("repl", "app", replication="true")
        self.start_streaming(c)
        before = self.weir.rss_kb()
        count = scaled(400, 100)
        self.pg.sql(f"select pg_logical_emit_message(false, 'weir', repeat('x', 100000)) from generate_series(1, {count})", database=self.weir.dbname)
        self.write("the end of it all")
        self.assertEqual(self.weir.connect().one("select 1"), "1")
        self.assertLess(self.weir.rss_kb() - before, 8_192 if SLOW == 1 else 200_000)
        self.read_until(c, b"the end of it all")
        c.close()
        self.assert_none_left()

    def test_many_answers_while_the_server_sends(self):
        """Both directions full at once. The answers have an end: a walsender that finds ever more of them sends nothing."""
        c = self.stream()
        at = self.start_streaming(c)
        done = threading.Event()

        def answer():
            for _ in range(1000):
                if not done.is_set():
                    c.send(*[status_update(at) for _ in range(200)])
        t = threading.Thread(target=answer, daemon=True)
        t.start()
        self.pg.sql("select pg_logical_emit_message(false, 'weir', repeat('y', 100000)) from generate_series(1, 200)", database=self.weir.dbname)
        self.write("both ways")
        self.read_until(c, b"both ways")
        done.set()
        t.join(30)
        c.close()
        self.assert_none_left()

    def test_timeouts_are_not_for_streams(self):
        self.start(databases=DATABASES, query_timeout=1, transaction_timeout=1, idle_transaction_timeout=1, client_idle_timeout=1,
                   weir={"leak_hold_cancel": 1, "leak_session_idle_close": 1, "leak_pin": 1, "leak_idle_transaction_kill": 1, "leak_buffer_close": 1})
        slot = self.slot("patient")
        physical, logical = self.stream(), self.stream("database")
        self.start_streaming(physical)
        logical.send(query(f"START_REPLICATION SLOT {slot} LOGICAL 0/0"))
        self.assertEqual(logical.recv()[0], "W")
        time.sleep(3)  # nothing must happen
        self.pg.sql("create table patient (a int); insert into patient values (4711)", database=self.weir.dbname)
        self.read_until(logical, b"4711")
        self.read_until(physical, b"patient")
        for c in (physical, logical):
            c.close()
        self.assert_none_left()

    def test_limits_hold_for_queries_of_a_logical_connection(self):
        self.start(databases=DATABASES, query_timeout=1)
        c = self.stream("database")
        c.send(query("select pg_sleep(60)"))
        self.fatal(c, "08P01", "query timeout")
        self.assert_none_left()


class Parameters(Replication):
    def test_what_the_client_says_reaches_the_server(self):
        c = self.stream("database", application_name="its name", client_encoding="LATIN1", DateStyle="German, DMY", TimeZone="Asia/Tokyo",
                        options=r"-c work_mem=7MB --enable-seqscan=off -c search_path=a\,\ b")
        for name, value in (("application_name", "its name"), ("client_encoding", "LATIN1"), ("DateStyle", "German, DMY"), ("TimeZone", "Asia/Tokyo"), ("work_mem", "7MB"),
                            ("enable_seqscan", "off"), ("search_path", "a, b")):
            self.assertEqual(c.one(f"show {name}"), value)
            self.assertEqual(c.params.get(name, value), value)
        self.assertEqual(self.client().one("show work_mem"), "4MB")
        self.assertEqual(self.client().one("show application_name"), "")

    def test_any_text_of_options_goes(self):
        c = self.stream("database", options="-cwork_mem=6MB -e")
        self.assertEqual((c.one("show work_mem"), c.one("show DateStyle")), ("6MB", "ISO, DMY"))

    def test_they_leave_no_trace_in_the_welcome_of_others(self):
        self.start(databases=DATABASES)
        self.stream("database", TimeZone="Asia/Tokyo").one("select 1")
        for _ in range(2):
            c = self.client(user="repl")
            self.assertNotEqual(c.params["TimeZone"], "Asia/Tokyo")
            self.assertEqual(c.one("show TimeZone"), c.params["TimeZone"])

    def test_application_name_add_host(self):
        self.start(databases=DATABASES, application_name_add_host=1)
        c = self.stream(application_name="standby1")
        host, port = c.sock.getsockname()
        self.assertEqual(self.pg.one("select application_name from pg_stat_activity where backend_type = 'walsender'"), f"standby1 - {host}:{port}")

    def test_connect_query_is_for_sql(self):
        self.start(databases={"app": "{pg} connect_query='set work_mem to 3000'"})
        self.assertEqual(self.stream("database").one("show work_mem"), "3000kB")
        self.assertEqual(self.stream().run("IDENTIFY_SYSTEM").check().types, "TDCZ")

    def test_unsupported_parameters_are_told_as_to_others(self):
        self.assertIn("unsupported startup parameter: work_mem", self.refused(user="repl", replication="true", work_mem="1MB").message)


class Pool(Replication):
    def test_never_shared_and_never_kept(self):
        pids = set()
        for n in range(4):
            c = self.stream("database")
            pids.add(c.server_pid())
            c.close()
        self.assertEqual(len(pids), 4)
        self.assert_none_left()
        self.weir.wait_log("closing because: replication client was closed", 4)

    def test_an_idle_one_makes_room(self):
        self.start(databases=DATABASES, default_pool_size=2)
        a, b = self.in_transactions(2, user="repl")
        for c in (a, b):
            c.sql("commit")
        self.assertEqual(len(self.servers()), 2)
        c = self.stream()
        c.run("IDENTIFY_SYSTEM").check()
        self.weir.wait_log("closing because: evicted")
        kinds = sorted(r["replication"] for r in self.servers())
        self.assertEqual(kinds, ["none", "physical"])
        self.assertEqual(a.one("select 1"), "1")
        c.close()
        self.assert_none_left()

    def test_waits_for_room_and_takes_it(self):
        self.start(databases=DATABASES, default_pool_size=2)
        a, b = self.in_transactions(2, user="repl")
        c = self.raw().send(wire.startup_packet({"user": "repl", "database": "app", "replication": "true"}))
        self.weir.wait_waiting(1, user="repl")
        self.assertFalse(c.readable(0.3))
        a.sql("commit")
        c.authenticate("repl", None)
        c.run("IDENTIFY_SYSTEM").check()
        b.sql("commit")
        self.assertEqual(a.one("select 1"), "1")
        self.assertEqual(len(self.servers()), 2)
        # Two of two are busy with streams: others wait until one ends.
        d = self.stream()
        a.send(query("select 2"))
        self.weir.wait_waiting(1, user="repl")
        d.close()
        self.assertEqual(a.collect().check().value, "2")
        c.close()
        self.assert_none_left()

    def test_a_wait_that_is_given_up(self):
        self.start(databases=DATABASES, default_pool_size=1, query_wait_timeout=1)
        a = self.client(user="repl")
        a.sql("begin")
        c = self.raw().send(wire.startup_packet({"user": "repl", "database": "app", "replication": "true"}))
        self.fatal(c, "08P01", "query_wait_timeout")
        d = self.raw().send(wire.startup_packet({"user": "repl", "database": "app", "replication": "true"}))
        self.weir.wait_waiting(1, user="repl")
        d.reset()
        self.weir.wait_waiting(0, user="repl")
        a.sql("commit")
        self.assertEqual(a.one("select 1"), "1")
        self.stream().run("IDENTIFY_SYSTEM").check()

    def test_max_db_connections(self):
        self.start(databases={"app": "{pg} max_db_connections=2"}, default_pool_size=2)
        a, b = self.client(user="app"), self.client(user="app2")
        for c in (a, b):
            c.sql("select 1")
        c = self.stream()
        c.run("IDENTIFY_SYSTEM").check()
        self.assertLessEqual(self.pg.count(self.weir.dbname), 1)
        self.assertEqual((a.one("select 1"), b.one("select 1")), ("1", "1"))
        c.close()
        self.assert_none_left()

    @subset("tsan")
    def test_many_come_and_go(self):
        """More of them than there is room for, with others in between; no server is lost or left."""
        self.start(databases=DATABASES, default_pool_size=3)
        failures = []

        def work(n):
            try:
                for _ in range(scaled(12, 5)):
                    c = wire.Wire(self.weir.host, self.weir.port)
                    c.login("repl", "app", **({"replication": ("true", "database")[n % 2]} if n % 3 else {}))
                    if n % 3 == 0:
                        assert c.one("select 1") == "1"
                    elif n % 2:
                        assert c.one(f"select {n}") == str(n)
                    else:
                        c.run("IDENTIFY_SYSTEM").check()
                    c.close() if n % 4 else c.reset()
            except Exception as e:  # noqa: BLE001
                failures.append(e)
        threads = [threading.Thread(target=work, args=[n], daemon=True) for n in range(9)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60 * SLOW)
        self.assertEqual(failures, [])
        self.assert_none_left()
        self.assertLessEqual(len([r for r in self.servers() if r["user"] == "repl"]), 3)

    def test_session_of_its_own_in_each_pool_mode(self):
        for mode in ("session", "transaction", "statement"):
            self.start(databases=DATABASES, pool_mode=mode)
            c = self.stream("database")
            c.sql("create temp table t (a int)")
            c.sql("begin")
            c.sql("insert into t values (1)")
            c.sql("commit")
            self.assertEqual(c.one("select a from t"), "1")
            c.close()
            self.assert_none_left()

    def test_login_failed(self):
        for kind in ("true", "database"):
            e = self.refused(user="app", replication=kind)
            self.assertEqual((e.severity, e.code, e.message), ("FATAL", "08P01", "login failed"))
            self.assertIn("must be superuser or replication role to start walsender", e.fields["D"])
        self.assertEqual(self.client().one("select 1"), "1")  # others are not held back by that
        self.assert_none_left()

    def test_the_server_is_down(self):
        port = free_port()
        self.start(databases={"app": f"host=127.0.0.1 port={port} dbname=app"})
        e = self.refused(user="repl", replication="true")
        self.assertEqual((e.severity, e.code), ("FATAL", "08P01"))
        self.assertIn("connect failed", e.message)

    def test_a_client_that_goes_during_the_login(self):
        def script(peer):
            peer.startup()
            peer.recv()  # never answers
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr})
            c = self.raw().send(wire.startup_packet({"user": "repl", "database": "app", "replication": "true"}))
            wait_until(lambda: fake.accepted == 1, 30, "the server to be connected to")
            c.reset()
            wait_until(lambda: not self.servers(), 30, "the server to be closed")

    def test_a_server_that_refuses_later(self):
        def script(peer):
            peer.startup()
            peer.send(error("too many walsenders", "53300", "FATAL"))
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr})
            e = self.refused(user="repl", replication="database")
            self.assertEqual((e.message, e.fields["D"]), ("login failed", "53300: too many walsenders"))

    def test_scram(self):
        self.start(databases=DATABASES, auth_type="scram-sha-256", userlist={"u_scram_repl": SECRET, "admin": "admin", "repl": ""})
        c = self.raw().login("u_scram_repl", "app", SECRET, replication="true")
        self.assertEqual(c.run("IDENTIFY_SYSTEM").check().types, "TDCZ")
        with self.assertRaises(wire.PgError):
            self.raw().login("u_scram_repl", "app", "wrong", replication="true")


class Orders(Replication):
    """RELOAD, KILL, PAUSE with streams under way."""

    def test_a_changed_database_ends_them_at_once(self):
        self.start(databases=DATABASES)
        c, idle = self.stream(), self.stream("database")
        self.start_streaming(c)
        self.weir.databases["app"] = "{pg} connect_query='select 1'"
        self.weir.write()
        self.weir.reload()
        for one in (c, idle):
            self.fatal(one, "08P01|08006", "database configuration changed")
        self.assert_none_left()

    def test_reconnect(self):
        """RECONNECT ends streams at once, too: they never come back by themselves. Others go on."""
        self.start(databases=DATABASES)
        c, other = self.stream(), self.client()
        self.start_streaming(c)
        self.assertEqual(other.one("select 1"), "1")
        self.weir.admin("reconnect app")
        self.fatal(c, "08P01|08006", "database configuration changed")
        self.assertEqual(other.one("select 2"), "2")
        self.weir.admin("wait_close app")
        self.assert_none_left()

    def test_kill(self):
        self.start(databases=DATABASES)
        c = self.stream()
        self.start_streaming(c)
        self.weir.admin("kill app")
        reply = c.expect_close()
        self.assertIn("database removed", str(reply.errors))
        self.weir.admin("resume app")
        self.assert_none_left()

    def test_pause_waits_for_them(self):
        self.start(databases=DATABASES)
        c = self.stream()
        self.start_streaming(c)
        a = self.weir.connect("admin", "pgbouncer")
        self.addCleanup(a.close)
        a.send(query("pause app"))
        self.assertFalse(a.readable(0.5))
        d = self.raw().send(wire.startup_packet({"user": "repl", "database": "app", "replication": "true"}))
        self.assertFalse(d.readable(0.3))
        self.write("still streaming")
        self.read_until(c, b"still streaming")
        c.close()
        self.assertEqual(a.collect().check().tags, ["PAUSE"])
        a.run("resume app").check()
        d.authenticate("repl", None)
        d.run("IDENTIFY_SYSTEM").check()
        d.close()
        self.assert_none_left()

    def test_stop_waits_for_clients(self):
        w = self.start(databases=DATABASES)
        c = self.stream()
        self.start_streaming(c)
        w.proc.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        self.write("not over yet")
        self.read_until(c, b"not over yet")
        c.close()
        w.proc.wait(30)


class Faults(Replication):
    def walsender(self):
        rows = self.pg.sql("select pid from pg_stat_activity where backend_type = 'walsender'")
        self.assertEqual(len(rows), 1, rows)
        return int(rows[0][0])

    def test_the_walsender_is_terminated(self):
        c = self.stream()
        self.start_streaming(c)
        self.pg.sql(f"select pg_terminate_backend({self.walsender()})")
        reply = c.expect_close()
        self.assertEqual(reply.errors[-1].code, "57P01")
        self.assert_none_left()

    def test_the_walsender_is_killed(self):
        c = self.stream()
        self.start_streaming(c)
        self.pg.kill_backend(self.walsender())
        self.assertTrue(c.expect_close().closed)
        self.assert_none_left()

    @subset("tsan", "asan")
    def test_the_client_is_killed(self):
        for go in ("reset", "drop"):
            c = self.stream()
            self.start_streaming(c)
            getattr(c, go)()
            self.assert_none_left()

    def test_the_client_goes_during_a_base_backup(self):
        c = self.stream()
        c.send(query("BASE_BACKUP (LABEL 'gone', CHECKPOINT 'fast', MAX_RATE 64)"))
        while c.recv()[0] != "d":
            pass
        c.reset()
        self.assert_none_left()

    def test_a_cancelled_stream(self):
        """PostgreSQL ends the command; the connection goes on."""
        c = self.stream()
        self.start_streaming(c)
        c.cancel()
        reply = c.collect()
        self.assertEqual(reply.errors[-1].code, "57014")
        self.assertEqual(c.run("IDENTIFY_SYSTEM").check().types, "TDCZ")

    def test_the_primary_dies_in_mid_stream(self):
        c = self.stream()
        self.start_streaming(c)
        self.pg.kill_hard()
        try:
            self.assertTrue(c.expect_close().closed)
        finally:
            self.pg.start()
        self.assert_none_left()
        d = self.stream()
        self.start_streaming(d)
        self.write("after the crash")
        self.read_until(d, b"after the crash")


class Tools(Replication):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weir-it-tools-")
        give_to_postgres(self.folder)
        self.addCleanup(shutil.rmtree, self.folder, True)

    def tool(self, name, *args, user="repl", port=None, secret=None):
        env = {**os.environ, **({"PGPASSWORD": secret} if secret else {})}
        return subprocess.run([f"{bindir()}/{name}", "-h", self.weir.host, "-p", str(port or self.weir.port), "-U", user, "-w", *args],
                              capture_output=True, text=True, timeout=TOOL_TIMEOUT, env=env, cwd=self.folder, **run_as())

    def check(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    @contextlib.contextmanager
    def running(self, name, *args):
        p = subprocess.Popen(tied([f"{bindir()}/{name}", "-h", self.weir.host, "-p", str(self.weir.port), "-U", "repl", "-w", *args]), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, cwd=self.folder, **run_as())
        try:
            yield p
        finally:
            if p.poll() is None:
                p.kill()
            p.communicate()

    def test_pg_basebackup(self):
        """A backup taken through the pooler, with the WAL by a second connection, verifies, starts, and has the data."""
        self.pg.sql("create table if not exists backed_up as select n, md5(n::text) from generate_series(1, 5000) n", database=self.weir.dbname)
        sum_of = "select md5(string_agg(t::text, ',' order by n)) from backed_up t"
        expected = self.pg.one(sum_of, database=self.weir.dbname)
        data = f"{self.folder}/data"
        self.check(self.tool("pg_basebackup", "-D", data, "-X", "stream", "-c", "fast"))
        self.weir.wait_log(f"replication/repl@127.0.0.1:{self.pg.port} new connection to server", 2)
        verified = subprocess.run([f"{bindir()}/pg_verifybackup", data], capture_output=True, text=True, cwd=self.folder, **run_as())
        self.assertEqual(verified.returncode, 0, verified.stderr)
        port = free_port()
        with open(f"{data}/postgresql.auto.conf", "a") as f:
            f.write(f"port = {port}\nunix_socket_directories = '{self.folder}'\nlisten_addresses = ''\n")
        log = open(f"{self.folder}/log", "wb")
        server = subprocess.Popen(tied([f"{bindir()}/postgres", "-D", data], "QUIT"), stdout=log, stderr=log, cwd=self.folder, **run_as())
        log.close()
        try:
            def rows():
                with contextlib.suppress(OSError, wire.Closed, wire.PgError):
                    with wire.Wire(self.folder, port).login("postgres", self.weir.dbname) as c:
                        return c.sql(sum_of)
                return None
            self.assertEqual(wait_until(rows, 60, "the restored server to answer")[0][0], expected)
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)
        self.assert_none_left()

    def test_pg_basebackup_as_tar_with_scram(self):
        self.start(databases=DATABASES, auth_type="scram-sha-256", userlist={"u_scram_repl": SECRET, "admin": "admin", "app": ""})
        self.check(self.tool("pg_basebackup", "-D", "tar", "-Ft", "-z", "-X", "fetch", "-c", "fast", user="u_scram_repl", secret=SECRET))
        self.assertIn("base.tar.gz", os.listdir(f"{self.folder}/tar"))

    def test_pg_receivewal(self):
        self.check(self.tool("pg_receivewal", "--create-slot", "--slot", "receiver"))
        self.addCleanup(self.drop_slot, "receiver")
        os.mkdir(f"{self.folder}/wal")
        give_to_postgres(f"{self.folder}/wal")
        with self.running("pg_receivewal", "-D", "wal", "--slot", "receiver", "--synchronous") as p:
            wait_until(lambda: self.pg.one("select active from pg_replication_slots where slot_name = 'receiver'") == "t", 30, "the slot to be in use")
            self.write("into the archive")
            self.pg.sql("select pg_switch_wal()")
            wait_until(lambda: any(not f.endswith(".partial") for f in os.listdir(f"{self.folder}/wal")), 60, "a whole segment")
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.wait(60), 0)
        segment = next(f for f in sorted(os.listdir(f"{self.folder}/wal")) if not f.endswith(".partial"))
        with open(f"{self.folder}/wal/{segment}", "rb") as f:
            self.assertIn(b"into the archive", f.read())
        self.check(self.tool("pg_receivewal", "--drop-slot", "--slot", "receiver"))
        self.assert_none_left()

    def test_pg_recvlogical(self):
        self.check(self.tool("pg_recvlogical", "-d", "app", "--slot", "decoded", "--create-slot", "-P", "test_decoding"))
        self.addCleanup(self.drop_slot, "decoded")
        self.pg.sql("create table if not exists decoded (a int, b text)", database=self.weir.dbname)
        with self.running("pg_recvlogical", "-d", "app", "--slot", "decoded", "--start", "-f", "changes", "-F", "0") as p:
            wait_until(lambda: self.pg.one("select active from pg_replication_slots where slot_name = 'decoded'") == "t", 30, "the slot to be in use")
            with self.weir.connect() as c:
                self.assertEqual(c.one("select 1"), "1")
            self.pg.sql("insert into decoded values (1, 'one'), (2, repeat('z', 300000))", database=self.weir.dbname)

            def is_there():
                with open(f"{self.folder}/changes") as f:
                    text = f.read()
                return "a[integer]:1 b[text]:'one'" in text and "z" * 300000 in text and text.rstrip().splitlines()[-1].startswith("COMMIT")
            wait_until(is_there, 60, "the changes to arrive")
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.wait(60), 0)
        self.check(self.tool("pg_recvlogical", "-d", "app", "--slot", "decoded", "--drop-slot"))
        self.assert_none_left()

    def test_psql(self):
        done = subprocess.run([f"{bindir()}/psql", "-XAtq", self.weir.dsn("repl", replication="database"), "-c", "IDENTIFY_SYSTEM", "-c", "select 40 + 2", "-c", r"\conninfo"],
                              capture_output=True, text=True, timeout=TOOL_TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("42", done.stdout.splitlines())
        self.assertRegex(done.stdout, rf"\|{self.weir.dbname}\n")
        done = subprocess.run([f"{bindir()}/psql", "-XAtq", self.weir.dsn("repl", replication="true"), "-c", "IDENTIFY_SYSTEM"], capture_output=True, text=True, timeout=TOOL_TIMEOUT)
        self.assertEqual((done.returncode, done.stdout.count("|")), (0, 3), done.stderr)

    def test_psycopg2(self):
        connection = psycopg2.connect(self.weir.dsn("repl"), connection_factory=psycopg2.extras.LogicalReplicationConnection)
        self.addCleanup(connection.close)
        cursor = connection.cursor()
        cursor.create_replication_slot("psycopg", output_plugin="test_decoding")
        self.addCleanup(self.drop_slot, "psycopg")
        cursor.start_replication(slot_name="psycopg", decode=True)
        self.pg.sql("create table if not exists psy (a int)", database=self.weir.dbname)
        self.pg.sql("insert into psy select generate_series(1, 500)", database=self.weir.dbname)
        got = []

        def consume(message):
            got.append(message.payload)
            message.cursor.send_feedback(flush_lsn=message.data_start)
            if sum("INSERT" in g for g in got) == 500:
                raise psycopg2.extras.StopReplication()
        with self.assertRaises(psycopg2.extras.StopReplication):
            cursor.consume_stream(consume)
        self.assertEqual([g for g in got if "INSERT" in g][-1], "table public.psy: INSERT: a[integer]:500")
        connection.close()
        self.assert_none_left()

    def test_psycopg2_physical(self):
        connection = psycopg2.connect(self.weir.dsn("repl"), connection_factory=psycopg2.extras.PhysicalReplicationConnection)
        cursor = connection.cursor()
        cursor.execute("IDENTIFY_SYSTEM")
        start = cursor.fetchone()[2]
        cursor.start_replication(start_lsn=start)
        self.write("physical psycopg")
        data = b""
        deadline = time.monotonic() + 30 * SLOW
        while b"physical psycopg" not in data and time.monotonic() < deadline:
            message = cursor.read_message()
            if message is None:
                cursor.send_feedback()
                time.sleep(0.01)
            else:
                data += message.payload
        self.assertIn(b"physical psycopg", data)
        connection.close()
        self.assert_none_left()


class Followers(Replication):
    """Servers that replicate through the pooler for as long as they live."""
    settings = {"databases": {"*": "{server}"}, "default_pool_size": 4}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weir-it-follow-")
        give_to_postgres(self.folder)
        self.addCleanup(shutil.rmtree, self.folder, True)

    @contextlib.contextmanager
    def standby(self):
        """A hot standby whose primary_conninfo leads to the pooler; gives a function that asks it."""
        data, port = f"{self.folder}/data", free_port()
        subprocess.run([f"{bindir()}/pg_basebackup", "-h", self.weir.host, "-p", str(self.weir.port), "-U", "repl", "-w", "-D", data, "-X", "stream", "-c", "fast", "-R"],
                       check=True, capture_output=True, timeout=TOOL_TIMEOUT, cwd=self.folder, **run_as())
        with open(f"{data}/postgresql.auto.conf", "a") as f:
            f.write(f"port = {port}\nunix_socket_directories = '{self.folder}'\nlisten_addresses = ''\nwal_retrieve_retry_interval = '100ms'\n")
        log = open(f"{self.folder}/log", "wb")
        server = subprocess.Popen(tied([f"{bindir()}/postgres", "-D", data], "QUIT"), stdout=log, stderr=log, cwd=self.folder, **run_as())
        log.close()

        def ask(sql, database):
            with contextlib.suppress(OSError, wire.Closed, wire.PgError):
                with wire.Wire(self.folder, port).login("postgres", database) as c:
                    return c.one(sql)
            return None
        try:
            yield ask
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)

    def test_a_standby(self):
        """It follows through the pooler, also after the pooler was restarted, and its connection killed."""
        name = self.weir.dbname
        self.pg.sql("create table if not exists followed (n int)", database=name)
        with self.standby() as ask:
            def follows(n):
                self.pg.sql(f"insert into followed values ({n})", database=name)
                wait_until(lambda: ask(f"select count(*) from followed where n = {n}", name) == "1", 60, f"row {n} on the standby")
            follows(1)
            self.assertEqual([(r["replication"], r["state"], r["application_name"]) for r in self.servers("physical")], [("physical", "active", "walreceiver")])
            self.pg.sql("select pg_terminate_backend(pid) from pg_stat_replication")
            follows(2)
            self.weir.admin("kill replication")
            self.weir.admin("resume replication")
            follows(3)
            self.weir.signal(signal.SIGQUIT)
            self.weir.wait_exit()
            self.pg.sql("insert into followed values (4)", database=name)
            self.weir.start()
            follows(5)
            self.assertEqual(ask("select count(*) from followed", name), "5")
        self.assert_none_left_but_normal()

    def test_a_subscription(self):
        """Logical replication of PostgreSQL itself, its first copy of the table included, with publisher behind the pooler."""
        source = self.weir.dbname
        target = self.pg.take_database()
        self.addCleanup(self.pg.give_database, target)
        self.pg.sql("create table if not exists published (n int primary key, t text)", database=source)
        self.pg.sql("insert into published select n, repeat('t', 500) from generate_series(1, 2000) n", database=source)
        self.pg.sql("grant select on published to repl", database=source)
        self.pg.sql("create publication everything for table published", database=source)
        self.addCleanup(lambda: self.pg.sql("drop publication if exists everything", database=source))
        self.slot("subscribed", "pgoutput")  # made first: publisher and subscriber are one cluster
        self.pg.sql("create table published (n int primary key, t text)", database=target)
        self.pg.sql(f"create subscription s connection 'host={self.weir.host} port={self.weir.port} user=repl dbname={source}' publication everything "
                    "with (create_slot = false, slot_name = subscribed)", database=target)
        try:
            count = "select count(*) || ',' || coalesce(sum(length(t)), 0) from published"
            wait_until(lambda: self.pg.one(count, database=target) == "2000,1000000", 60, "the first copy")
            for n in range(3001, 3004):
                self.pg.sql(f"insert into published values ({n}, 'late')", database=source)
                wait_until(lambda: self.pg.one(f"select count(*) from published where n = {n}", database=target) == "1", 60, f"row {n}")
                self.assertEqual({r["replication"] for r in self.servers(database=source)} - {"none"}, {"logical"})
                self.pg.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'subscribed' and active")
        finally:
            self.pg.sql("alter subscription s disable; alter subscription s set (slot_name = none)", database=target)
            self.pg.sql("drop subscription s", database=target)
        self.assert_none_left_but_normal()

    def assert_none_left_but_normal(self):
        wait_until(lambda: not self.servers("physical") and not self.servers("logical"), 30, "replication connections to be closed")
        self.assertEqual(self.weir.connect("app", self.weir.dbname).one("select 1"), "1")
