"""Goal: the Debian package is in order, and what it holds works: the unit file's restrictions leave Weir all that it
needs, manual pages and samples are right. Method: lintian, the parts of the .deb one by one, and its program started
as the unit says, traced, in front of a real PostgreSQL. Needs WEIR_DEB, the package."""
import gzip
import os
import re
import signal
import subprocess
import tempfile
import unittest
import urllib.request

import service
from harness import postgres, util

DEB = os.environ["WEIR_DEB"]
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, **more)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="weir-package-")
        os.chmod(cls.root, 0o755)
        cls.addClassCleanup(service.remove_tree, cls.root)
        subprocess.run(["dpkg-deb", "-R", DEB, cls.root], check=True)
        cls.unit = service.Unit(f"{cls.root}/lib/systemd/system/weir.service")

    def path(self, name):
        return f"{self.root}{name}"

    def control(self, field):
        return run("dpkg-deb", "-f", DEB, field, check=True).stdout.strip()

    def test_lintian_finds_nothing(self):
        # A package that is not for Debian's archive closes no bug there.
        done = run("lintian", "--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs", DEB)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_depends_on_the_libraries_that_the_program_needs(self):
        depends = self.control("Depends")
        for library in ("libc6", "libssl3", "libuv1", "libpq5", "libldap-2.5-0", "libpam0g", "libcurl4", "passwd"):
            self.assertRegex(depends, rf"(^|, ){re.escape(library)}\b")
        self.assertNotRegex(depends, r"adduser|-dev\b")

    def test_owners_and_modes(self):
        listed = run("dpkg-deb", "-c", DEB, check=True).stdout.splitlines()
        self.assertTrue(all(line.split()[1] == "root/root" for line in listed))
        modes = {line.split()[5].lstrip("."): line.split()[0] for line in listed}
        self.assertEqual(modes["/usr/sbin/weir"], "-rwxr-xr-x")
        executable = [name for name, mode in modes.items() if mode[0] == "-" and "x" in mode]
        self.assertEqual(executable, ["/usr/sbin/weir"])

    def test_configuration_is_conffiles(self):
        with open(self.path("/DEBIAN/conffiles")) as lines:
            self.assertEqual(sorted(lines.read().split()),
                             ["/etc/logrotate.d/weir", "/etc/weir/userlist.txt", "/etc/weir/weir.ini"])

    def test_changelog_is_of_this_version(self):
        with gzip.open(self.path("/usr/share/doc/weir/changelog.Debian.gz"), "rt") as lines:
            self.assertIn(f"({self.control('Version')})", lines.readline())
        self.assertIn(self.control("Version").split("-")[0], run(self.path("/usr/sbin/weir"), "--version").stdout)

    def test_manual_pages_render_without_a_warning(self):
        for page in ("man1/weir.1.gz", "man5/weir.ini.5.gz"):
            done = run("man", "--warnings", "-E", "UTF-8", "-l", self.path(f"/usr/share/man/{page}"),
                       env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
            self.assertEqual(done.stderr, "")
            self.assertIn("SEE ALSO", done.stdout)

    def test_logrotate_takes_its_file(self):
        if not os.path.exists("/usr/sbin/logrotate"):
            self.fail("logrotate is not installed")
        # As it will be: the account is that of the installed package.
        with open(self.path("/etc/logrotate.d/weir")) as lines:
            text = lines.read().replace("weir adm", "root root").replace("/var/log/weir", self.path("/var/log/weir"))
        with open(self.path("/logrotate"), "w") as out:
            out.write(text)
        done = run("/usr/sbin/logrotate", "--debug", "--state", self.path("/state"), self.path("/logrotate"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("error", done.stderr)

    def test_unit_files_are_valid_and_closed(self):
        folder = self.path("/units")
        os.mkdir(folder)
        for name in ("weir.service", "weir.socket"):
            with open(self.path(f"/lib/systemd/system/{name}")) as lines, open(f"{folder}/{name}", "w") as out:
                out.write(lines.read().replace("/usr/sbin/weir", self.path("/usr/sbin/weir")))
        for name in ("weir.service", "weir.socket"):
            done = run("systemd-analyze", "--man=no", "verify", f"{folder}/{name}")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=20",
                   self.path("/lib/systemd/system/weir.service"))
        self.assertEqual(done.returncode, 0, done.stdout[-400:])

    def test_cmake_installs_program_pages_units_and_samples_and_no_configuration(self):
        with tempfile.TemporaryDirectory(prefix="weir-prefix-") as prefix:
            subprocess.run(["cmake", "--install", os.environ["WEIR_BUILD"], "--prefix", prefix], check=True, capture_output=True)
            found = {os.path.relpath(os.path.join(folder, name), prefix) for folder, _, names in os.walk(prefix) for name in names}
            self.assertLessEqual({"bin/weir", "share/man/man1/weir.1", "share/man/man5/weir.ini.5", "lib/systemd/system/weir.service",
                                  "share/doc/weir/examples/weir.ini", "share/doc/weir/examples/kubernetes/deployment.yml"}, found)
            self.assertEqual([name for name in found if name.startswith(("etc/", "usr/", "var/"))], [])
            self.assertIn("Weir", run(f"{prefix}/bin/weir", "--version", check=True).stdout)

    def test_every_drop_in_starts_a_program_that_is_there(self):
        for name in ("pgbouncer.conf", "takeover.conf"):
            with open(self.path(f"/usr/share/doc/weir/examples/{name}")) as lines:
                self.assertIn("/usr/sbin/weir", lines.read())

    def test_scripts_of_the_package_are_sound(self):
        for name in ("postinst", "prerm", "postrm"):
            done = run("sh", "-n", self.path(f"/DEBIAN/{name}"))
            self.assertEqual(done.stderr, "")

    def test_weir_needs_nothing_that_the_unit_forbids(self):
        cluster = postgres.Cluster().create()
        self.addCleanup(cluster.stop)
        port, metrics = util.free_port(), util.free_port()
        user = (os.stat(cluster.data).st_uid, os.stat(cluster.data).st_gid)
        files = tempfile.mkdtemp(prefix="weir-package-files-")
        self.addCleanup(service.remove_tree, files)
        with open(f"{files}/users", "w") as out:
            out.write('"u_scram_su" "s3cret"\n')
        with open(f"{files}/weir.ini", "w") as out:
            out.write(f"[databases]\n* = host=127.0.0.1 port={cluster.port}\n"
                      f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {files}\n"
                      f"logfile = {files}/weir.log\npidfile = {files}/weir.pid\n"
                      f"auth_file = {files}/users\nauth_type = scram-sha-256\nadmin_users = u_scram_su\n"
                      f"pool_mode = transaction\n[weir]\nmetrics_listen = {metrics}\n")
        util.give_to_postgres(files)
        for name in os.listdir(files):
            os.chown(f"{files}/{name}", *user)
        traced = f"{files}/trace"
        weir = service.Service(self.root, self.unit, user, chroot=False, strace=traced)
        self.addCleanup(weir.close)
        weir.start(f"{files}/weir.ini")
        environment = {**os.environ, "PGPASSWORD": "s3cret"}
        base = ["psql", "-X", "-At", "-h", "localhost", "-p", str(port), "-U", "u_scram_su"]
        answer = run(*base, "-d", "postgres", "-c", "select 6 * 7", env=environment)
        self.assertEqual(answer.stdout, "42\n", answer.stderr + weir.text())
        shown = run(*base, "-d", "pgbouncer", "-c", "show pools", "-c", "reload", "-c", "show mem", "-c", "show config", env=environment)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/healthz", timeout=60) as healthy:
            self.assertEqual(healthy.status, 200)
        self.assertEqual(weir.stop(signal.SIGINT), 0)
        names, both = service.traced_calls(traced)
        self.assertGreater(len(names), 30)  # it was traced
        self.assertEqual(names - self.unit.allowed_system_calls(), set())
        self.assertEqual(both, [])  # MemoryDenyWriteExecute=
        with open(traced, errors="replace") as lines:
            families = set(re.findall(r"\bsocket\((AF_[A-Z0-9]+)", lines.read()))
        self.assertLessEqual(families, set(self.unit.service["RestrictAddressFamilies"].split()))


if __name__ == "__main__":
    unittest.main()
