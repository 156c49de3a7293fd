"""Goal: the package on a bare Debian: it installs with what it depends on, its service answers, configuration survives
a reinstallation, and after a purge nothing is left; Debian's pgbouncer hands over its files. Method: debootstrap's smallest tree, in which apt installs the
package and the service's own command is run, with a PostgreSQL and psql outside. Needs WEIR_DEB, root, and the mirror
that this machine's apt uses; takes two minutes and more. WEIR_BARE=FILE.tar keeps the bare tree for the next time."""
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

import service
from harness import postgres, util

DEB = os.environ["WEIR_DEB"]
# What apt and dpkg write for themselves.
BOOKKEEPING = ("/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log/apt", "/var/log/dpkg.log", "/var/log/alternatives.log",
               "/var/lib/systemd/deb-systemd-helper-enabled", "/etc/ld.so.cache", "/proc", "/dev", "/sys", "/tmp", "/etc/passwd-",
               "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/run/", "/var/lib/pam",
               "/usr/share/doc", "/weir")


def mirror():
    """(address, release) of Debian's main archive, as apt of this machine knows it."""
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT) $(ORIGIN)", "Created-By: Packages"],
                          capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        site, release, component, origin = (line.split() + [""])[:4]
        if component == "main" and origin == "Debian" and "-" not in release:
            return site, release
    raise AssertionError("apt knows no main archive of Debian: " + text)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="weir-bare-")
        cls.addClassCleanup(service.remove_tree, cls.dir)
        os.chmod(cls.dir, 0o755)
        cls.root = f"{cls.dir}/root"
        kept = os.environ.get("WEIR_BARE", "")
        if kept and os.path.exists(kept):
            os.mkdir(cls.root)
            subprocess.run(["tar", "-xf", kept, "-C", cls.root], check=True)
        else:
            site, release = mirror()
            done = subprocess.run(["debootstrap", "--variant=minbase", release, cls.root, site], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr
            if kept:
                subprocess.run(["tar", "-cf", kept, "-C", cls.root, "."], check=True)
        shutil.copy(DEB, f"{cls.root}/weir.deb")
        cls.cluster = postgres.Cluster().create()
        cls.addClassCleanup(cls.cluster.stop)

    def inside(self, *command, check=True):
        done = subprocess.run(["chroot", self.root, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8",
                                   **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}})
        if check:
            self.assertEqual(done.returncode, 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def apt(self, *arguments):
        return self.inside("apt-get", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Debug::NoLocking=1", *arguments)

    def files(self):
        found = set()
        for folder, folders, names in os.walk(self.root):
            for name in folders + names:
                path = os.path.join(folder, name)[len(self.root):]
                if not path.startswith(BOOKKEEPING):
                    found.add(path)
        return found

    def account(self):
        with open(f"{self.root}/etc/passwd") as lines:
            for line in lines:
                fields = line.split(":")
                if fields[0] == "weir":
                    return int(fields[2]), int(fields[3]), fields[6].strip()
        return None

    def mode(self, path):
        status = os.stat(self.root + path)
        return status.st_uid, status.st_gid, oct(status.st_mode & 0o7777)

    def configure(self):
        """As an operator would, in the installed files: mode and owner stay."""
        self.port = util.free_port()
        path = f"{self.root}/etc/weir/weir.ini"
        with open(path) as lines:
            text = lines.read()
        text = text.replace("* = host=127.0.0.1 port=5432", f"* = host=127.0.0.1 port={self.cluster.port}")
        text = text.replace(";listen_port = 6432", f"listen_port = {self.port}")
        self.metrics_port = util.free_port()
        text += f"metrics_listen = {self.metrics_port}\nmetrics_tls_cert_file = /etc/weir/cert\nmetrics_tls_key_file = /etc/weir/key\n"
        with open(path, "w") as out:
            out.write(text)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", f"{self.root}/etc/weir/key", "-out", f"{self.root}/etc/weir/cert"], check=True, capture_output=True)
        os.chown(f"{self.root}/etc/weir/key", 0, self.account()[1])
        os.chmod(f"{self.root}/etc/weir/key", 0o640)
        with open(f"{self.root}/etc/weir/userlist.txt", "a") as out:
            out.write('"u_scram" "s3cret"\n')

    def orders_of_upgrade(self, exec_reload):
        """What systemd would be told of weir.service when the package is installed again, as it would be by a newer one."""
        self.assertFalse(os.path.exists(f"{self.root}/usr/bin/systemctl"))  # the smallest Debian has no systemd
        os.makedirs(f"{self.root}/run/systemd/system")
        with open(f"{self.root}/usr/bin/systemctl", "w") as out:
            out.write(f"#!/bin/sh\necho \"$*\" >> /run/systemd/orders\ncase \"$*\" in\n"
                      f"*is-enabled*) echo enabled ;;\n*ExecReload*) echo 'ExecReload={{ argv[]={exec_reload} ; }}' ;;\nesac\n")
        os.chmod(f"{self.root}/usr/bin/systemctl", 0o755)
        try:
            self.apt("install", "--reinstall", "--no-install-recommends", "/weir.deb")
            with open(f"{self.root}/run/systemd/orders") as lines:
                orders = [line.split() for line in lines]
        finally:
            os.unlink(f"{self.root}/usr/bin/systemctl")
            service.remove_tree(f"{self.root}/run/systemd")
        return [words[-2] for words in orders if words[-1] == "weir.service" and words[-2] in ("start", "stop", "restart", "reload")]

    def test_from_installation_to_purge(self):
        self.apt("update")
        before = self.files()
        self.apt("install", "--no-install-recommends", "/weir.deb")
        uid, gid, shell = self.account()
        self.assertEqual(shell, "/usr/sbin/nologin")
        self.assertEqual(self.mode("/etc/weir/weir.ini"), (0, gid, "0o640"))
        self.assertEqual(self.mode("/etc/weir/userlist.txt"), (0, gid, "0o640"))
        self.assertEqual(self.mode("/var/log/weir")[0], uid)
        self.assertTrue(os.path.islink(f"{self.root}/etc/systemd/system/multi-user.target.wants/weir.service"))

        self.configure()
        unit = service.Unit(f"{self.root}/lib/systemd/system/weir.service")
        weir = service.Service(self.root, unit, (uid, gid), chroot=True)
        self.addCleanup(weir.close)
        weir.start()
        for host in ("127.0.0.1", f"{self.root}/run/weir"):
            answer = subprocess.run(["psql", "-X", "-At", "-h", host, "-p", str(self.port), "-U", "u_scram", "-d", "postgres",
                                     "-c", "select 6 * 7"], capture_output=True, text=True, env={**os.environ, "PGPASSWORD": "s3cret"})
            self.assertEqual(answer.stdout, "42\n", answer.stderr + weir.text())
        # With no OpenSSL but the library that the package depends on.
        trusting = ssl.create_default_context(cafile=f"{self.root}/etc/weir/cert")
        trusting.check_hostname = False
        with urllib.request.urlopen(f"https://127.0.0.1:{self.metrics_port}/healthz", context=trusting, timeout=30) as answer:
            self.assertEqual(answer.status, 200)
        self.assertEqual(weir.stop(signal.SIGINT), 0)
        for made in (weir.log, f"{self.root}/etc/weir/cert", f"{self.root}/etc/weir/key"):
            os.unlink(made)

        # An upgrade keeps what was edited; a restart, unless a reload is one that nobody notices.
        self.assertEqual(self.orders_of_upgrade("/bin/kill -HUP $MAINPID"), ["restart"])
        self.assertEqual(self.orders_of_upgrade("/usr/sbin/weir -R -d /etc/weir/weir.ini"), ["reload"])
        with open(f"{self.root}/etc/weir/weir.ini") as lines:
            self.assertIn(f"listen_port = {self.port}", lines.read())
        self.assertEqual(self.mode("/etc/weir/weir.ini"), (0, gid, "0o640"))

        self.apt("remove", "weir")
        self.assertFalse(os.path.exists(f"{self.root}/usr/sbin/weir"))
        self.assertTrue(os.path.exists(f"{self.root}/etc/weir/weir.ini"))
        self.apt("purge", "weir")
        self.apt("autoremove", "--purge")
        for name in ("passwd", "shadow", "group", "gshadow"):
            with open(f"{self.root}/etc/{name}") as lines:
                self.assertNotRegex(lines.read(), r"\bweir\b", name)
        self.assertEqual(self.files() - before, set())
        self.assertEqual(before - self.files(), set())
        self.assertFalse(os.path.exists(f"{self.root}/run/weir"))

    def test_the_files_of_pgbouncer_serve_with_the_drop_in(self):
        self.apt("update")
        self.apt("install", "--no-install-recommends", "/weir.deb", "pgbouncer")
        unit = service.Unit(f"{self.root}/lib/systemd/system/weir.service")
        unit.add(f"{self.root}/usr/share/doc/weir/examples/pgbouncer.conf")
        with open(f"{self.root}/etc/passwd") as lines:
            found = next(line.split(":") for line in lines if line.startswith(unit.service["User"] + ":"))
        user = int(found[2]), int(found[3])
        port = util.free_port()
        path = f"{self.root}/etc/pgbouncer/pgbouncer.ini"
        with open(path) as lines:
            text = lines.read()
        text = text.replace("[databases]\n", f"[databases]\n* = host=127.0.0.1 port={self.cluster.port}\n", 1)
        text, changed = re.subn(r"(?m)^;?listen_port = 6432$", f"listen_port = {port}", text)
        self.assertEqual(changed, 1)
        with open(path, "w") as out:
            out.write(text)
        with open(f"{self.root}/etc/pgbouncer/userlist.txt", "w") as out:
            out.write('"u_scram" "s3cret"\n')
        # What postgresql-common makes at boot.
        self.inside("install", "-d", "-o", "postgres", "-g", "postgres", "-m", "2775", "/run/postgresql")
        weir = service.Service(self.root, unit, user, chroot=True)
        self.addCleanup(weir.close)
        weir.start()
        for host in ("127.0.0.1", f"{self.root}/run/postgresql"):
            answer = subprocess.run(["psql", "-X", "-At", "-h", host, "-p", str(port), "-U", "u_scram", "-d", "postgres", "-c", "select 6 * 7"],
                                    capture_output=True, text=True, env={**os.environ, "PGPASSWORD": "s3cret"})
            self.assertEqual(answer.stdout, "42\n", answer.stderr + weir.text())
        with open(f"{self.root}/var/log/postgresql/pgbouncer.log") as lines:  # READY=1 comes after that line was queued
            self.assertEqual(weir.stop(signal.SIGINT), 0)
            self.assertIn("process up", lines.read())


if __name__ == "__main__":
    unittest.main()
