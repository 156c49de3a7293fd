"""How the process starts and ends: the background, pidfiles, system users, shutdown states, draining, systemd."""
import contextlib
import grp
import os
import pwd
import signal
import socket
import stat
import subprocess
import tempfile
import time

from harness import wire
from harness.case import Case, beyond_pgbouncer, wait_until
from harness.util import give_to_postgres, process_alive, run_as, tied
from harness.weir import BIN, Weir
from harness.wire import query


class Started(Case):
    """A pooler that may not come up: run to its end, or to its background."""

    def made(self, **options):
        w = Weir(self.pg, **options)
        self.addCleanup(w.stop)
        self.weir = w
        return w

    def run_once(self, *flags, as_root=False):
        """Runs the program until it exits by itself; (exit code, standard error)."""
        ran = subprocess.run(tied([BIN, *flags, self.weir.ini_path]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                             timeout=30, cwd=self.weir.dir, **({} if as_root else run_as()))
        return ran.returncode, ran.stderr

    def end_by_pidfile(self, path):
        with contextlib.suppress(OSError, ValueError):
            pid = int(open(path).read())
            os.kill(pid, signal.SIGKILL)


@beyond_pgbouncer
class Background(Started):
    def daemon(self, *flags, **options):
        w = self.made(**options)
        self.pidfile = f"{w.dir}/weir.pid"
        w.options.update(pidfile=self.pidfile, logfile=w.log_path)
        w.write()
        self.addCleanup(self.end_by_pidfile, self.pidfile)
        return self.run_once("-d", *flags)

    def pid(self):
        with open(self.pidfile) as f:
            return int(f.read())

    def test_serves_as_soon_as_the_foreground_has_exited(self):
        code, told = self.daemon()
        self.assertEqual((code, told), (0, ""))
        self.assert_serves()  # no wait: that is the promise
        pid = self.pid()
        self.assertEqual(os.readlink(f"/proc/{pid}/fd/0"), "/dev/null")
        self.assertEqual(os.readlink(f"/proc/{pid}/fd/2"), "/dev/null")
        with open(f"/proc/{pid}/stat") as f:
            session = int(f.read().rsplit(")", 1)[1].split()[3])
        self.assertNotIn(session, (os.getsid(0), pid))
        self.weir.wait_log("process up: ")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not process_alive(pid), 30, "the process in the background to end")
        self.assertFalse(os.path.exists(self.pidfile))
        self.assertFalse(os.path.exists(f"{self.weir.dir}/.s.PGSQL.{self.weir.port}"))

    def test_a_start_that_fails_is_told_in_the_foreground(self):
        with socket.socket() as other:
            w = self.made(unix_socket_dir="", listen_addr="127.0.0.1")
            other.bind(("127.0.0.1", w.port))
            other.listen()
            w.options.update(pidfile=f"{w.dir}/weir.pid")
            w.write()
            code, told = self.run_once("-d")
        self.assertEqual(code, 1)
        self.assertIn(f"FATAL cannot listen on 127.0.0.1:{w.port}: bind(): Address already in use", told)
        self.assertFalse(os.path.exists(f"{w.dir}/weir.pid"))

    def test_needs_a_pidfile(self):
        self.made()
        code, told = self.run_once("-d")
        self.assertEqual(code, 1)
        self.assertIn("FATAL daemon needs pidfile configured", told)

    def test_only_one_runs(self):
        self.assertEqual(self.daemon()[0], 0)
        first = self.pid()
        code, told = self.run_once("-d")
        self.assertEqual(code, 1)
        self.assertIn("FATAL unix socket is in use, cannot continue", told)
        self.weir.options.update(unix_socket_dir="")
        self.weir.write()
        code, told = self.run_once("-d")
        self.assertEqual(code, 1)
        self.assertIn("FATAL pidfile exists, another instance running?", told)
        self.assertEqual(self.pid(), first)
        self.assert_serves()

    def test_pidfiles_of_the_past(self):
        w = self.made()
        path = f"{w.dir}/weir.pid"
        w.options.update(pidfile=path)
        w.write()
        ended = subprocess.Popen(["true"])
        ended.wait()
        with open(path, "w") as f:
            f.write(f"{ended.pid}\n")
        give_to_postgres(path)
        w.start()
        w.wait_log("LOG stale pidfile, removing")
        with open(path) as f:
            self.assertEqual(f.read(), f"{w.pid}\n")
        w.signal(signal.SIGTERM)
        self.assertEqual(w.wait_exit(), 0)
        self.assertFalse(os.path.exists(path))
        with open(path, "w") as f:
            f.write("not a number\n")
        code, told = self.run_once()
        self.assertEqual(code, 1)
        self.assertIn("FATAL pidfile exists, another instance running?", told)
        with open(path) as f:
            self.assertEqual(f.read(), "not a number\n")
        os.unlink(path)


@beyond_pgbouncer
class Identity(Started):
    def test_user_that_is_not_there(self):
        self.made()
        code, told = self.run_once("-u", "nosuchuser")
        self.assertEqual(code, 1)
        self.assertIn("FATAL could not find user 'nosuchuser' to switch to", told)

    def test_user_that_we_may_not_become(self):
        self.made()
        code, told = self.run_once("-u", "root" if os.getuid() else "daemon")
        self.assertEqual(code, 1)
        self.assertIn("FATAL failed to assume identity of user", told)

    def test_own_user(self):
        name = pwd.getpwuid(run_as().get("user", os.getuid())).pw_name
        w = self.made(user=name)
        w.start()
        self.assert_serves()
        self.assertEqual(w.show("config", key="user")[0]["value"], name)

    def test_root_becomes_another_or_refuses(self):
        w = self.made()
        # Somebody else than root has nothing to give away: for them the option is another user's name.
        if os.getuid() != 0:
            return self.assertEqual(self.run_once("--user=root")[0], 1)
        code, told = self.run_once(as_root=True)
        self.assertEqual(code, 1)
        self.assertIn("FATAL Weir should not run as root", told)
        w.options.update(pidfile=f"{w.dir}/weir.pid")
        w.write()
        self.addCleanup(self.end_by_pidfile, f"{w.dir}/weir.pid")
        code, told = self.run_once("-d", "-u", "postgres", as_root=True)
        self.assertEqual((code, told), (0, ""))
        self.assert_serves()
        with open(f"{w.dir}/weir.pid") as f:
            pid = int(f.read())
        entry = pwd.getpwnam("postgres")
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.split(":\t", 1) for line in f if ":\t" in line)
        self.assertEqual(set(status["Uid"].split()), {str(entry.pw_uid)})
        self.assertEqual(set(status["Gid"].split()), {str(entry.pw_gid)})
        self.assertEqual(set(map(int, status["Groups"].split())), set(os.getgrouplist("postgres", entry.pw_gid)))
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not process_alive(pid), 30, "the pooler to end")

    def test_the_unix_socket(self):
        entry = pwd.getpwuid(run_as().get("user", os.getuid()))
        w = self.made(unix_socket_mode="0750", unix_socket_group=grp.getgrgid(entry.pw_gid).gr_name)
        w.start()
        found = os.stat(f"{w.dir}/.s.PGSQL.{w.port}")
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o750)
        self.assertEqual(found.st_gid, entry.pw_gid)
        w.signal(signal.SIGTERM)
        w.wait_exit()
        w.options.update(unix_socket_group="nosuchgroup")
        w.write()
        code, told = self.run_once()
        self.assertEqual(code, 1)
        self.assertIn("FATAL could not find group 'nosuchgroup'", told)

    def test_addresses_that_cannot_be_had(self):
        w = self.made(listen_addr="127.0.0.1,192.0.2.1")
        w.start()
        w.wait_log(f"WARNING cannot listen on 192.0.2.1:{w.port}: bind(): Cannot assign requested address")
        w.signal(signal.SIGTERM)
        w.wait_exit()
        w.options.update(listen_addr="192.0.2.1")
        w.write()
        code, told = self.run_once()
        self.assertEqual(code, 1)
        self.assertIn("FATAL cannot listen on 192.0.2.1", told)

    def test_open_files(self):
        w = self.made()
        w.start(before=("prlimit", "--nofile=200:4000"))
        w.wait_log("kernel file descriptor limit: 4000 (hard: 4000); max_client_conn: 2000, max expected fd use: ")
        self.assertNotIn("max_client_conn is more", w.log())
        w.signal(signal.SIGTERM)
        w.wait_exit()
        w.start(before=("prlimit", "--nofile=200:1000"))
        w.wait_log("WARNING max_client_conn is more than the file descriptor limit allows")

    def test_verbose_and_conffile(self):
        w = self.made()
        w.start("-vv")
        self.assertEqual(w.show("config", key="verbose")[0]["value"], "2")
        self.assertEqual(w.show("config", key="conffile")[0]["value"], w.ini_path)
        other = f"{w.dir}/other.ini"
        with open(other, "w") as f:
            f.write(w.ini().replace("default_pool_size = 5", "default_pool_size = 6"))
        give_to_postgres(other)
        w.reload(conffile=other)  # from now on
        self.assertEqual(w.show("config", key="default_pool_size")[0]["value"], "5")
        w.admin("reload")
        self.assertEqual(w.show("config", key="default_pool_size")[0]["value"], "6")
        self.assertEqual(w.show("config", key="verbose")[0]["value"], "2")


@beyond_pgbouncer
class Shutdown(Case):
    def tcp_is_refused(self):
        try:
            with socket.create_connection((self.weir.host, self.weir.port), 5):
                return False
        except ConnectionRefusedError:
            return True

    def assert_console_alone_is_served(self):
        wait_until(self.tcp_is_refused, 30, "the TCP socket to close")
        path = f"{self.weir.dir}/.s.PGSQL.{self.weir.port}"
        self.assertTrue(os.path.exists(path))
        self.assertEqual(self.refused(host=self.weir.socket_dir).message, "pooler is shutting down")
        with self.weir.console(host=self.weir.socket_dir) as c:
            self.assertTrue(c.sql("show version"))
            self.assertIn("pooler is shutting down", c.run("resume").error.message)
        return path

    def test_term(self):
        self.start()
        c = self.client()
        self.assertEqual(c.one("select 1"), "1")
        self.weir.signal(signal.SIGTERM)
        path = self.assert_console_alone_is_served()
        self.assertEqual(c.one("select 'served'"), "served")
        for number, word in ((signal.SIGUSR1, "SIGUSR1"), (signal.SIGUSR2, "SIGUSR2")):
            self.weir.signal(number)
            self.weir.wait_log(f"got {word} while shutting down, ignoring")
        self.assertEqual(c.one("select 'still'"), "still")
        c.close()
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertFalse(os.path.exists(path))
        self.weir.wait_log("LOG got SIGTERM, shutting down, waiting for all clients disconnect")

    def test_int(self):
        self.start(default_pool_size=1)
        busy, waiting = self.clients(2)
        busy.sql("begin")
        waiting.send(query("select 1"))
        self.weir.wait_waiting(1)
        self.weir.signal(signal.SIGINT)
        self.fatal(waiting, text="server shutting down")
        path = self.assert_console_alone_is_served()
        self.assertEqual(busy.one("select 'served'"), "served")
        busy.sql("commit")
        self.assertEqual(self.weir.wait_exit(), 0)
        self.assertFalse(os.path.exists(path))
        self.weir.wait_log("LOG got SIGINT, shutting down, waiting for all servers connections to be released")
        self.weir.wait_log("LOG server connections dropped, exiting")

    def test_the_second_signal(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGQUIT)):
            with self.subTest(first=first, second=second):
                self.start()
                c = self.client()
                c.sql("begin")
                self.weir.signal(first)
                wait_until(self.tcp_is_refused, 30, "the TCP socket to close")
                self.assertTrue(self.weir.alive())
                self.weir.signal(second)
                self.assertEqual(self.weir.wait_exit(), 0)
                self.assertFalse(os.path.exists(f"{self.weir.dir}/.s.PGSQL.{self.weir.port}"))

    def test_console_that_lingers_does_not_keep_the_process(self):
        self.start()
        console = self.weir.console(host=self.weir.socket_dir)
        self.addCleanup(console.close)
        self.weir.signal(signal.SIGTERM)
        self.assertEqual(self.weir.wait_exit(), 0)


@beyond_pgbouncer
class Drain(Case):
    def drain(self, seconds, **options):
        self.start(weir={"workers": 2, "shutdown_drain": "transaction", "shutdown_drain_time": seconds}, **options)

    def assert_sent_away(self, client):
        error = self.fatal(client, code="57P01")
        self.assertEqual(error.message, "terminating connection because the pooler is shutting down")

    def test_idle_clients_leave_and_the_process_ends(self):
        self.drain(0.5)
        clients = self.clients(20)
        for c in clients:
            self.assertEqual(c.one("select 1"), "1")
        self.weir.signal(signal.SIGTERM)
        for c in clients:
            self.assert_sent_away(c)
        self.assertEqual(self.weir.wait_exit(), 0)

    def test_transactions_end_first(self):
        self.drain(0.1)
        idle, busy = self.clients(2)
        idle.sql("select 1")
        busy.sql("begin")
        self.weir.signal(signal.SIGTERM)
        self.assert_sent_away(idle)
        for n in range(20):
            self.assertEqual(busy.one(f"select {n}"), str(n))
        busy.send(query("commit"))
        reply = busy.expect_close()
        self.assertEqual(reply.tags, ["COMMIT"])
        self.assertEqual([e.code for e in reply.errors], ["57P01"])
        self.assertEqual(self.weir.wait_exit(), 0)

    def test_busy_clients_leave_between_transactions(self):
        self.drain(0.2)
        c = self.client()
        self.weir.signal(signal.SIGTERM)
        answers = 0
        with contextlib.suppress(wire.Closed, OSError):
            while True:
                reply = c.run(f"select {answers}")
                if reply.errors:
                    self.assertEqual(reply.error.code, "57P01")
                    break
                self.assertEqual(reply.value, str(answers))
                answers += 1
        self.assertEqual(self.weir.wait_exit(), 0)

    def test_spread_over_the_time(self):
        self.drain(3)
        clients = self.clients(40)
        for c in clients:
            c.sql("select 1")
        self.weir.signal(signal.SIGTERM)
        began, gone = time.monotonic(), []

        def all_gone():
            for c in clients:
                if c not in [g for g, _ in gone] and c.readable(0):
                    gone.append((c, time.monotonic() - began))
            return len(gone) == len(clients)
        wait_until(all_gone, 30, "all clients to be sent away")
        times = sorted(at for _, at in gone)
        # Whatever else the machine does, they do not leave early: by a third of the time about a third has.
        self.assertLess(len([t for t in times if t < 1.0]), 25)
        self.assertGreater(times[-1], 2.0)
        self.assertEqual(self.weir.wait_exit(), 0)

    def test_session_pooling_is_left_alone(self):
        self.drain(0.1, pool_mode="session")
        c = self.client()
        c.sql("select 1")
        self.weir.signal(signal.SIGTERM)
        self.assertFalse(c.readable(0.6))
        self.assertEqual(c.one("select 2"), "2")
        c.close()
        self.assertEqual(self.weir.wait_exit(), 0)


@beyond_pgbouncer
class Systemd(Case):
    def manager(self):
        """A socket as systemd's for notifications, with a list of what came."""
        folder = tempfile.mkdtemp(prefix="weir-notify-")
        give_to_postgres(folder)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listening.close)
        self.path = f"{folder}/notify"
        listening.bind(self.path)
        os.chmod(self.path, 0o777)
        listening.setblocking(False)
        self.told = []

        def read():
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.told += listening.recv(4096).decode().splitlines()
            return self.told
        self.read = read

    def wait_told(self, text):
        wait_until(lambda: any(line == text or (text.endswith("=") and line.startswith(text)) for line in self.read()), 30, f"{text} (told: {self.told})")

    def started(self, env=None, **options):
        self.manager()
        w = Weir(self.pg, **options)
        self.addCleanup(w.stop)
        self.weir = w
        w.spawn(env={"NOTIFY_SOCKET": self.path, **(env or {})})
        self.wait_told("READY=1")
        return w

    def test_from_ready_to_stopping(self):
        w = self.started()
        self.wait_told("STATUS=clients: 0, of which waiting: 0; servers in use: 0, idle: 0")
        self.assert_serves()  # what READY promises
        self.assertIn(f"MAINPID={w.pid}", self.told)
        self.told.clear()
        w.signal(signal.SIGHUP)
        self.wait_told("READY=1")
        began = self.told.index("RELOADING=1")
        monotonic = next(line for line in self.told if line.startswith("MONOTONIC_USEC="))
        self.assertLess(abs(int(monotonic.split("=")[1]) / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)), 60)
        self.assertLess(began, self.told.index("READY=1"))
        self.told.clear()
        c = self.client()
        c.sql("select 1")
        w.signal(signal.SIGTERM)
        self.wait_told("STOPPING=1")
        self.wait_told("STATUS=shutting down: clients still connected: 1")
        self.assertNotIn("READY=1", self.told)
        c.close()
        self.assertEqual(w.wait_exit(), 0)

    def test_a_reload_that_fails_is_ready_again(self):
        w = self.started()
        self.told.clear()
        with open(w.ini_path, "a") as f:
            f.write("nonsense = 1\n")
        w.signal(signal.SIGHUP)
        self.wait_told("RELOADING=1")
        self.wait_told("READY=1")
        self.assert_serves()

    def test_watchdog(self):
        self.started(env={"WATCHDOG_USEC": "400000"})
        for _ in range(3):
            self.told.clear()
            self.wait_told("WATCHDOG=1")

    def test_watchdog_of_another_process(self):
        self.started(env={"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
        time.sleep(0.5)
        self.assertNotIn("WATCHDOG=1", self.read())

    def test_background_names_its_process(self):
        self.manager()
        w = Weir(self.pg)
        self.addCleanup(w.stop)
        self.weir = w
        pidfile = f"{w.dir}/weir.pid"
        w.options.update(pidfile=pidfile)
        w.write()
        ran = subprocess.run(tied([BIN, "-d", w.ini_path]), env={**os.environ, "NOTIFY_SOCKET": self.path}, timeout=30, **run_as())
        self.assertEqual(ran.returncode, 0)
        with open(pidfile) as f:
            pid = int(f.read())
        self.wait_told(f"MAINPID={pid}")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not process_alive(pid), 30, "the pooler to end")

    def test_socket_activation(self):
        w = Weir(self.pg)
        self.addCleanup(w.stop)
        self.weir = w
        path = f"{w.dir}/passed"
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            unix.bind(path)
            unix.listen()
            os.chmod(path, 0o777)
            inherit = f'exec 3<&{tcp.fileno()} 4<&{unix.fileno()}; LISTEN_FDS=2 LISTEN_PID=$$ exec "$0" "$@"'
            asked = w.port
            w.port = tcp.getsockname()[1]
            w.start(before=("bash", "-c", inherit), pass_fds=(tcp.fileno(), unix.fileno()))
            self.assert_serves()
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
                s.connect(path)
                s.sendall(wire.SSL_REQUEST)
                self.assertEqual(s.recv(1), b"N")
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", asked), 5)
            for text in ("WARNING sockets passed from service manager, cf_listen_addr ignored", "WARNING sockets passed from service manager, cf_unix_socket_dir ignored",
                         "socket passed from service manager (fd 3)"):
                w.wait_log(text)
            w.signal(signal.SIGTERM)
            self.assertEqual(w.wait_exit(), 0)
            # They are the service manager's: the file stays, and who connects meanwhile is served by the next process.
            self.assertTrue(os.path.exists(path))
            with contextlib.closing(socket.create_connection(tcp.getsockname())) as early:
                early.sendall(wire.SSL_REQUEST)
                w.start(before=("bash", "-c", inherit), pass_fds=(tcp.fileno(), unix.fileno()))
                self.assertEqual(early.recv(1), b"N")
