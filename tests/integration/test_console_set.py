"""SET on the console: any option that a RELOAD may change, at once, until the next RELOAD."""
import time

from harness.case import Case, beyond_pgbouncer, subset, wait_until
from harness.wire import query


class Set(Case):
    def value(self, key):
        return self.weir.show("config", key=key)[0]["value"]

    def set(self, key, value, tag=None):
        self.assertEqual(self.weir.admin(f"set {key} = {value}").tags, [tag or f"SET {key}={value}"])


class Values(Set):
    settings = {}

    @subset("tsan")
    def test_at_once_and_until_reload(self):
        self.start(default_pool_size=1)
        a, b = self.clients(2)
        a.sql("begin")
        b.send(query("begin"))
        self.weir.wait_waiting(1)
        self.set("default_pool_size", 2)
        b.collect().check()
        self.assertEqual(self.value("default_pool_size"), "2")
        a.sql("commit")
        b.sql("commit")
        self.weir.admin("reload")
        self.assertEqual(self.value("default_pool_size"), "1")

    def test_forms(self):
        self.start()
        for text, tag, key, value in (("set query_timeout = 7", "SET query_timeout=7", "query_timeout", "7"),
                                      ("SET query_timeout TO 8;", "SET query_timeout=8", "query_timeout", "8"),
                                      ("set query_timeout='9'", "SET query_timeout=9", "query_timeout", "9"),
                                      ("set server_reset_query = 'select ''x'''", "SET server_reset_query=select 'x'", "server_reset_query", "select 'x'"),
                                      ("set server_check_query = ''", "SET server_check_query=", "server_check_query", ""),
                                      ('set "query_timeout" = 0', "SET query_timeout=0", "query_timeout", "0")):
            with self.subTest(text):
                self.assertEqual(self.weir.admin(text).tags, [tag])
                self.assertEqual(self.value(key), value)

    def test_refused(self):
        self.start()
        with self.weir.console() as c:
            for text in ("set bogus = 1", "set pool_mode = often", "set default_pool_size = 'many'", "set server_lifetime = '-1'", "set admin_users"):
                with self.subTest(text):
                    reply = c.run(text)
                    self.assertEqual(len(reply.errors), 1, reply)
                    if "=" in text:
                        self.assertEqual((reply.error.code, reply.error.message), ("08P01", "SET failed"))
            self.assertEqual(c.run("show version").check().tags, ["SHOW"])
        with self.weir.console("stats") as c:
            self.assert_error(c.run("set default_pool_size = 7"), "08P01", "admin access needed")
            self.assertEqual(c.run("set client_encoding = 'UTF8'").check().tags, ["SET"])

    @beyond_pgbouncer
    def test_the_detail_says_why(self):
        with self.weir.console() as c:
            self.assertIn("often", c.run("set pool_mode = often").error.fields["D"])

    def test_not_changeable(self):
        """An option that needs a restart: the answer is as for others, the value stays."""
        self.start()
        self.set("listen_port", 7)
        self.assertEqual(self.value("listen_port"), str(self.weir.port))
        self.assert_serves()

    def test_ignored_settings(self):
        self.start()
        with self.weir.console() as c:
            for name in ("client_encoding", "default_transaction_isolation", "standard_conforming_strings", "datestyle", "timezone"):
                reply = c.run(f"set {name} = 'x'").check()
                self.assertEqual((reply.tags, [n.message for n in reply.notices]), (["SET"], ["SET ignored"]))

    @beyond_pgbouncer
    def test_extra_float_digits(self):
        with self.weir.console() as c:
            self.assertEqual([n.message for n in c.run("set extra_float_digits = 3").check().notices], ["SET ignored"])
            self.assertEqual(c.run("show extra_float_digits").check().rows, [("2",)])

    def test_every_changeable_option_takes_its_own_value(self):
        self.start()
        with self.weir.console() as c:
            reply = c.run("show config")
            for key, value, default, changeable in reply.rows:
                if changeable != "yes" or value is None or key in ("auth_file", "logfile"):
                    continue
                with self.subTest(key):
                    text = (value or "").replace("'", "''")
                    self.assertEqual(c.run(f"set {key} = '{text}'").check().tags, [f"SET {key}={value}"])
            after = c.run("show config")
            self.assertEqual(after.rows, reply.rows)
        self.assert_serves()


class Effects(Set):
    settings = {}

    def test_query_timeout(self):
        self.start()
        c = self.client()
        c.sql("select 1")
        self.set("query_timeout", 1)
        c.send(query("select pg_sleep(60)"))
        self.fatal(c, text="query timeout")

    def test_admin_users(self):
        self.start()
        self.assertIn("not allowed", self.refused(user="app", database="pgbouncer").message)
        self.set("admin_users", "'admin,app'", tag="SET admin_users=admin,app")
        with self.weir.console("app") as c:
            self.assertEqual(c.run("set admin_users = 'admin'").check().tags, ["SET admin_users=admin"])
        self.assertIn("not allowed", self.refused(user="app", database="pgbouncer").message)

    def test_max_client_conn(self):
        self.start()
        self.client()
        self.set("max_client_conn", 1)
        self.assertIn("max_client_conn", self.refused().message)
        self.set("max_client_conn", 100)
        self.assert_serves()

    def test_pool_mode(self):
        """Of sessions that begin from now on."""
        self.start()
        self.set("pool_mode", "session")
        c = self.client()
        c.sql("select 1")
        self.assertEqual(self.weir.pool()["pool_mode"], "session")
        time.sleep(0.1)
        self.assertEqual(self.weir.pool()["sv_active"], 1)

    @beyond_pgbouncer
    def test_logfile(self):
        self.start()
        path = f"{self.weir.dir}/other.log"
        self.set("logfile", f"'{path}'", tag=f"SET logfile={path}")

        def text():
            try:
                with open(path) as f:
                    return f.read()
            except FileNotFoundError:
                return ""
        self.client().sql("select 1")
        wait_until(lambda: "login attempt" in text(), 30, "the new log")

    @beyond_pgbouncer
    def test_auth_file(self):
        self.start(auth_type="md5", userlist={"admin": "a", "app": "b"})
        with open(f"{self.weir.dir}/new.txt", "w") as f:
            f.write('"admin" "a"\n"app2" "c"\n')
        with self.weir.console(secret="a") as c:
            c.run(f"set auth_file = '{self.weir.dir}/new.txt'").check()
            self.assertEqual(self.client(user="app2", secret="c").one("select 1"), "1")
            self.assertEqual(self.refused(user="app", secret="b").severity, "FATAL")
            c.run("reload").check()
        self.assertEqual(self.client(user="app", secret="b").one("select 1"), "1")

    @beyond_pgbouncer
    def test_auth_type_and_its_rules(self):
        self.start(auth_type="trust", userlist={"admin": "a", "app": "b"})
        with open(f"{self.weir.dir}/hba.conf", "w") as f:
            f.write("host all admin 127.0.0.1/32 trust\nhost all app 127.0.0.1/32 reject\n")
        with self.weir.console() as c:
            self.assert_error(c.run("set auth_hba_file = '/nonexistent'; set auth_type = hba"), "08P01", "SET failed")
            self.client().sql("select 1")
            c.run(f"set auth_hba_file = '{self.weir.dir}/hba.conf'").check()
            c.run("set auth_type = hba").check()
            self.assertEqual(self.refused().severity, "FATAL")
            self.assertTrue(self.weir.admin("show version").rows)
            c.run("reload").check()
        self.assertEqual(self.client().one("select 1"), "1")

    @beyond_pgbouncer
    def test_conffile(self):
        """The file that the next RELOAD reads."""
        self.start()
        path = f"{self.weir.dir}/other.ini"
        with open(path, "w") as f:
            f.write(self.weir.ini().replace("default_pool_size = 5", "default_pool_size = 3"))
        self.set("conffile", f"'{path}'", tag=f"SET conffile={path}")
        self.assertEqual(self.value("default_pool_size"), "5")
        self.weir.admin("reload")
        self.assertEqual(self.value("default_pool_size"), "3")

    @beyond_pgbouncer
    def test_no_password_is_logged(self):
        self.start()
        self.weir.admin("set probe_password = 'hushhush'")
        self.assertNotIn("hushhush", self.weir.wait_log("SET 'probe_password' command issued"))


class Reload(Set):
    settings = {}

    @beyond_pgbouncer
    def test_a_bad_file_changes_nothing(self):
        self.start(default_pool_size=4)
        c = self.client()
        c.sql("select 1")
        good = self.weir.ini()
        with open(self.weir.ini_path, "w") as f:
            f.write(good.replace("default_pool_size = 4", "default_pool_size = 9\nnonsense = 1"))
        with self.weir.console() as console:
            reply = console.run("reload")
            self.assertEqual((reply.error.code, reply.error.message), ("F0000", "RELOAD failed, see logs for additional details"))
            self.assertIn("nonsense", reply.error.fields["D"])
        self.weir.wait_log("nonsense")
        self.assertEqual(self.value("default_pool_size"), "4")
        self.assertEqual(c.one("select 1"), "1")
        with open(self.weir.ini_path, "w") as f:
            f.write(good)
        self.assertEqual(self.weir.admin("reload").tags, ["RELOAD"])
