"""Startup parameters and tracked settings: every client sees its own, whichever server it gets."""
import re

from harness import wire
from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.fake_backend import FakeBackend
from harness.weir import IS_PGBOUNCER


class Tracked(Case):
    settings = {"default_pool_size": 1, "databases": {"app": "{pg}", "tokyo": "{pg} timezone=Asia/Tokyo datestyle=German"}}
    FIRST = {"client_encoding": "LATIN1", "DateStyle": "German, DMY", "TimeZone": "Asia/Tokyo", "standard_conforming_strings": "off", "application_name": "first",
             **({} if IS_PGBOUNCER else {"IntervalStyle": "iso_8601"})}
    SECOND = {"client_encoding": "UTF8", "DateStyle": "SQL, MDY", "TimeZone": "America/Lima", "standard_conforming_strings": "on", "application_name": "second",
              **({} if IS_PGBOUNCER else {"IntervalStyle": "sql_standard"})}

    @beyond_pgbouncer
    @subset("tsan", "asan")
    def test_each_client_keeps_its_startup_parameters(self):
        clients = [(self.client(**p), p) for p in (self.FIRST, self.SECOND)]
        plain = self.client()
        for _ in range(3):
            for c, params in clients:
                for name, value in params.items():
                    self.assertEqual(c.one(f"show {name}"), value)
                    self.assertEqual(c.params[name], value)
            self.assertEqual(plain.one("show application_name"), "")
            self.assertEqual(plain.one("show DateStyle"), "ISO, MDY")
        self.assertEqual(self.weir.count(), 1)

    @beyond_pgbouncer
    def test_set_is_told_to_the_client_and_hidden_from_others(self):
        a, b = self.clients(2)
        normal = b.one("show TimeZone")
        for name, value in self.FIRST.items():
            a.sql(f"set {name} to '{value}'" if name != "DateStyle" else f"set {name} to {value}")
            self.assertEqual(a.params[name], value)
            other = b.one(f"show {name}")
            self.assertNotEqual(other, value)
            self.assertEqual(a.one(f"show {name}"), value)
        a.sql("reset TimeZone")
        self.assertEqual(a.one("show TimeZone"), normal)

    @beyond_pgbouncer
    def test_an_extra_parameter_is_hidden_from_others(self):
        # A client that makes its session read-only must not poison the server for those behind it.
        self.start(default_pool_size=1, track_extra_parameters="IntervalStyle,default_transaction_read_only")
        a, b = self.clients(2)
        a.sql("set default_transaction_read_only = on")
        self.assertEqual(b.one("show transaction_read_only"), "off")
        b.sql("create temp table writable(x int)")
        self.assertEqual(a.one("show transaction_read_only"), "on")
        self.assertEqual(self.client().one("show transaction_read_only"), "off")
        self.assertEqual(self.weir.count(), 1)

    def test_set_of_a_prepared_pipeline_counts_too(self):
        a, b = self.clients(2)
        a.send(wire.one("set TimeZone to 'Asia/Tokyo'"), wire.sync(), wire.one("show TimeZone"), wire.sync())
        self.assertEqual([r.check().value for r in a.collect_many(2)][1], "Asia/Tokyo")
        self.assertNotEqual(b.one("show TimeZone"), "Asia/Tokyo")
        self.assertEqual(a.one("show TimeZone"), "Asia/Tokyo")

    def test_a_rolled_back_set_is_forgotten(self):
        a, b = self.clients(2)
        normal = a.one("show TimeZone")
        a.sql("begin")
        a.sql("set TimeZone to 'Asia/Tokyo'")
        self.assertEqual(a.params["TimeZone"], "Asia/Tokyo")
        a.sql("rollback")
        self.assertEqual(a.params["TimeZone"], normal)
        a.sql("begin; set local TimeZone to 'Asia/Tokyo'; commit")
        b.sql("select 1")
        self.assertEqual(a.one("show TimeZone"), normal)

    def test_values_are_quoted(self):
        hostile = ["x'; create table pwned(); --", "\\'; create table pwned(); --", 'a"b', "ü", "\\", "''"]
        for scs in ("on", "off"):
            for value in hostile:
                with self.subTest(value=value, standard_conforming_strings=scs):
                    expected = re.sub("[^ -~]", "?", value.encode().decode("latin1"))  # PostgreSQL keeps printable ASCII only
                    c, other = self.client(application_name=value, standard_conforming_strings=scs), self.client(application_name="other")
                    other.sql("select 1")
                    self.assertEqual(c.one("show application_name").replace("\\xc3\\xbc", "??"), expected)
                    self.assertEqual(c.one("show standard_conforming_strings"), scs)
                    c.close()
        self.assertEqual(self.pg.one("select to_regclass('pwned') is null", database=self.weir.dbname), "t")

    def test_an_impossible_value_hurts_only_its_client(self):
        good = self.client(TimeZone="Asia/Tokyo")
        good.sql("select 1")
        for params in ({"TimeZone": "No/Where"}, {"client_encoding": "KLINGON"}, {"DateStyle": "Stardate"}):
            try:
                bad = self.client(**params)
                bad.send(wire.query("select 1"))
                reply = bad.collect()
            except wire.PgError as e:
                reply = wire.Reply()
                reply.errors.append(e)
            self.assertTrue(reply.errors, params)
            self.assertEqual(good.one("show TimeZone"), "Asia/Tokyo")

    def test_settings_of_the_database_entry(self):
        c = self.client(database="tokyo")
        self.assertEqual(c.one("show TimeZone"), "Asia/Tokyo")
        self.assertTrue(c.one("show DateStyle").startswith("German"))
        mine = self.client(database="tokyo", TimeZone="America/Lima")
        self.assertEqual(mine.one("show TimeZone"), "America/Lima")
        self.assertEqual(c.one("show TimeZone"), "Asia/Tokyo")

    def test_login_tells_what_postgresql_tells(self):
        with self.pg.connect("app", self.weir.dbname) as direct:
            pooled = self.client()
            for name, value in direct.params.items():
                if name != "session_authorization":
                    self.assertEqual(pooled.params.get(name), value, name)

    def test_the_key_of_each_client_is_its_own(self):
        keys = [c.key for c in self.clients(20)]
        self.assertEqual(len(set(keys)), 20)
        self.assertEqual({len(k) for k in keys}, {8})


class Startup(Case):
    settings = {"ignore_startup_parameters": "extra_float_digits,geqo"}

    def test_unsupported_parameter(self):
        e = self.refused(statement_timeout="1s")
        self.assertEqual((e.severity, e.code), ("FATAL", "08P01"))
        self.assertIn("unsupported startup parameter: statement_timeout", e.message)

    def test_ignored_parameters(self):
        c = self.client(extra_float_digits="3", geqo="off")
        self.assertEqual(c.one("show geqo"), "on")

    @beyond_pgbouncer
    def test_replication_off_is_a_normal_client(self):
        self.assertEqual(self.client(replication="false").one("select 1"), "1")

    @beyond_pgbouncer
    def test_options(self):
        for options, name, value in (("-c TimeZone=Asia/Tokyo", "TimeZone", "Asia/Tokyo"), ("-cTimeZone=Asia/Tokyo", "TimeZone", "Asia/Tokyo"),
                                     ("--TimeZone=Asia/Tokyo", "TimeZone", "Asia/Tokyo"), (r"-c application_name=a\ b", "application_name", "a b"),
                                     (r"-c application_name=a\\b", "application_name", r"a\b"), ("-c DateStyle=SQL,DMY", "DateStyle", "SQL, DMY"),
                                     ("-c application_name=a+b", "application_name", "a+b"), ("-c application_name=a%20b", "application_name", "a%20b"),
                                     ("  -c   TimeZone=Asia/Tokyo   --application_name=x ", "application_name", "x"),
                                     ("-c TimeZone=Asia/Tokyo -c geqo=off", "TimeZone", "Asia/Tokyo")):
            with self.subTest(options):
                with self.weir.connect(options=options) as c:
                    self.assertEqual(c.one(f"show {name}"), value)

    @beyond_pgbouncer
    def test_options_that_are_refused(self):
        for options, text in (("-c enable_seqscan=off", "unsupported startup parameter in options: enable_seqscan"),
                              ("-x", "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed"),
                              ("-c", "unsupported options startup parameter"), ("-c TimeZone", "unsupported options startup parameter")):
            with self.subTest(options):
                self.assertIn(text, self.refused(options=options).message)

    @beyond_pgbouncer
    def test_options_ignored_as_a_whole(self):
        self.start(ignore_startup_parameters="options")
        c = self.client(options="-c enable_seqscan=off -c TimeZone=Asia/Tokyo")
        self.assertEqual((c.one("show TimeZone"), c.one("show enable_seqscan")), ("Asia/Tokyo", "on"))

    @beyond_pgbouncer
    def test_other_text_in_options_is_refused_where_they_are_ignored(self):
        self.start(ignore_startup_parameters="options")
        for options in ("-c TimeZone=Asia/Tokyo -x", "-c TimeZone=Asia/Tokyo nonsense", "-c TimeZone=Asia/Tokyo -c"):
            self.assertIn("unsupported options startup parameter", self.refused(options=options).message)

    @beyond_pgbouncer
    def test_long_startup_packets(self):
        """Longer than any buffer, and longer than PostgreSQL takes them: what is in them reaches it by SET."""
        self.start(ignore_startup_parameters="options,padding")
        for size in (3_000, 4_096, 9_900, 12_000, 60_000):
            with self.subTest(size):
                count = size // 24
                c = self.client(options="-c geqo_threshold=12345 " * count + "-c TimeZone=Asia/Tokyo", padding="p" * 100)
                self.assertEqual(c.one("show TimeZone"), "Asia/Tokyo")
        e = self.refused(options="-c a=" + "x" * 70_000)
        self.assertIn("invalid length of startup packet", e.message)

    @beyond_pgbouncer
    def test_a_startup_packet_in_pieces(self):
        self.start(ignore_startup_parameters="options")
        packet = wire.startup_packet({"user": "app", "database": "app", "options": "-c geqo_threshold=12345 " * 1000 + "-c TimeZone=Asia/Tokyo"})
        c = self.raw()
        for at in range(0, len(packet), 1000):
            c.send(packet[at:at + 1000])
        c.authenticate("app", None)
        self.assertEqual(c.one("show TimeZone"), "Asia/Tokyo")

    def test_protocol_2_is_refused(self):
        c = self.raw().send(wire.startup_packet({"user": "app", "database": "app"}, (2, 0)))
        self.fatal(c, "08P01", "old V2 protocol not supported")

    @beyond_pgbouncer
    def test_no_terminator(self):
        body = b"\0\3\0\0user\0app\0database\0app\0"  # the zero that ends the list is missing
        c = self.raw().send((len(body) + 4).to_bytes(4, "big") + body)
        error = self.fatal(c, "08P01")
        self.assertEqual(error.message, "invalid startup packet layout: expected terminator as last byte")

    def test_application_name_add_host(self):
        self.start(application_name_add_host=1)
        c = self.client(application_name="myapp")
        host, port = c.sock.getsockname()
        self.assertEqual(c.one("show application_name"), f"myapp - {host}:{port}")
        v6 = self.client(application_name="six", host="::1")
        self.assertTrue(v6.one("show application_name").startswith("six - [::1]:"))
        self.assertTrue(self.client(application_name="u", host=self.weir.socket_dir).one("show application_name").startswith("u - unix"))


class Economy(Case):
    """Settings are sent to a server only when they differ, as seen by a scripted server."""

    def test_no_set_when_nothing_differs(self):
        seen = []

        def script(peer):
            peer.startup()
            peer.login_ok(TimeZone="Asia/Tokyo", DateStyle="ISO, MDY")

            def answer(sql):
                seen.append(sql)
            peer.serve(answer)
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr}, default_pool_size=1)
            a, b = self.client(), self.client(TimeZone="Asia/Tokyo")
            for _ in range(5):
                a.sql("select 1")
                b.sql("select 1")
            self.assertEqual(seen, ["select 1"] * 10)
            c = self.client(TimeZone="America/Lima")
            c.sql("select 2")
            self.assertEqual(len(seen), 12)
            self.assertRegex(seen[-2], r"(?i)^set .*timezone.*America/Lima")

    @beyond_pgbouncer
    def test_a_server_upgrade_is_seen_by_new_clients(self):
        version = ["15.0"]

        def script(peer):
            peer.startup()
            peer.login_ok(server_version=version[0])
            peer.serve(lambda sql: None if "bye" not in sql else b"")
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr}, default_pool_size=1, server_lifetime=1)
            self.assertEqual(self.client().params["server_version"], "15.0")
            version[0] = "16.0"

            def upgraded():
                with self.weir.connect() as c:
                    c.sql("select 1")
                with self.weir.connect() as c:
                    return c.params["server_version"] == "16.0"
            wait_until(upgraded, 30, "the new version in the welcome", interval=0.2)

    @beyond_pgbouncer
    def test_a_server_upgrade_is_told_to_clients_that_stay(self):
        version = ["15.0"]

        def script(peer):
            peer.startup()
            peer.login_ok(server_version=version[0])
            peer.serve()
        with FakeBackend(script) as fake:
            self.start(databases={"app": fake.connstr}, default_pool_size=1, server_lifetime=1)
            c = self.client()
            self.assertEqual(c.params["server_version"], "15.0")
            version[0] = "16.0"

            def told():
                c.sql("select 1")
                return c.params["server_version"] == "16.0"
            wait_until(told, 30, "the new version to be told", interval=0.2)
            told_times = []
            for _ in range(3):
                reply = c.run("select 1").check()
                told_times += [m for m in reply.messages if m[0] == "S"]
            self.assertLessEqual(len(told_times), 0, "told again and again")
