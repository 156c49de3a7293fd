"""The packaged service without systemd: what its unit file says, and a process started as systemd would start it."""
import os
import re
import shutil
import socket
import subprocess

SETTINGS_THAT_ADD = ("SystemCallFilter", "ReadWritePaths", "Documentation")


class Unit:
    """The settings of one unit file, by section; a name that may come several times is a list."""

    def __init__(self, path):
        self.sections = {}
        self.add(path)

    @property
    def service(self):
        return self.sections["Service"]

    def add(self, path):
        """A file of the unit, or a drop-in: what it says goes before; an empty value clears a list."""
        section = None
        with open(path) as lines:
            for line in (line.strip() for line in lines):
                if not line or line[0] in "#;":
                    continue
                if line[0] == "[":
                    section = self.sections.setdefault(line.strip("[]"), {})
                    continue
                name, value = (part.strip() for part in line.split("=", 1))
                if name in SETTINGS_THAT_ADD and not value:
                    section[name] = []
                elif name in SETTINGS_THAT_ADD:
                    section.setdefault(name, []).append(value)
                else:
                    section[name] = value

    def allowed_system_calls(self):
        """Names that SystemCallFilter= lets through, groups resolved by systemd-analyze."""
        allowed = set()
        for line in self.service["SystemCallFilter"]:
            take_out = line.startswith("~")
            names = set().union(*(system_calls(name) for name in line.lstrip("~").split()))
            allowed = allowed - names if take_out else allowed | names
        return allowed


def system_calls(name):
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    found = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word and word[0] != "#":
            found |= system_calls(word)
    return found


class Service:
    """The process of the unit below `root`, an installed tree (chroot: is it a whole system?). `user` is a number pair.
    It is told where to say that it is ready, and start() waits for that."""

    def __init__(self, root, unit, user, chroot, strace=None):
        self.root, self.unit, self.user, self.chroot, self.strace = root, unit, user, chroot, strace
        self.notify = None
        self.process = None
        self.log = os.path.join(root, "weir-test.log")

    def start(self, *arguments):
        """`arguments` instead of those of ExecStart=, with paths from the root."""
        run = os.path.join(self.root, "run", self.unit.service["RuntimeDirectory"])
        os.makedirs(run, exist_ok=True)
        os.chown(run, *self.user)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        inside = "/run/weir-test-notify"
        self.notify.bind(self.root + inside)
        os.chmod(self.root + inside, 0o666)
        self.notify.settimeout(60)
        program, *given = self.unit.service["ExecStart"].split()
        command = ["setpriv", "--no-new-privs", "--pdeathsig", "KILL"]
        if os.geteuid() == 0:
            command += ["--reuid", str(self.user[0]), "--regid", str(self.user[1]), "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
        command.append("--")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": self.root + inside}
        if self.chroot:
            command = ["chroot", self.root, *command, program]
            environment["NOTIFY_SOCKET"] = inside
        else:
            command.append(self.root + program)
        command += arguments or given
        if self.strace:
            command = ["strace", "-f", "-qq", "-o", self.strace, *command]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_ready()

    def wait_ready(self):
        self.notify.settimeout(0.2)
        for _ in range(300):
            if self.process.poll() is not None:
                raise AssertionError("the service has ended: " + self.text())
            try:
                if b"READY=1" in self.notify.recv(4096).split(b"\n"):
                    return
            except socket.timeout:
                pass
        raise AssertionError("the service is not ready after a minute: " + self.text())

    def text(self):
        with open(self.log, errors="replace") as lines:
            return lines.read()

    def main_pid(self):
        """The program's; strace is its parent."""
        if not self.strace:
            return self.process.pid
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return int(children.stdout.split()[0])

    def stop(self, number):
        """Ends it by a signal; gives the exit code."""
        os.kill(self.main_pid(), number)
        code = self.process.wait(60)
        self.close()
        return code

    def close(self):
        if self.process is not None and self.process.poll() is None:
            os.kill(self.main_pid(), 9)
            self.process.wait(60)
        if self.notify is not None:
            os.unlink(self.notify.getsockname())
            self.notify.close()
            self.notify = None


def traced_calls(path):
    """(names of system calls, lines that ask for memory both writable and executable, or make it executable) of a file
    that strace -f wrote, from the last program that was started on."""
    with open(path, errors="replace") as lines:
        all_lines = lines.readlines()
    first = max(i for i, line in enumerate(all_lines) if " execve(" in line and line.rstrip().endswith("= 0"))
    names, both = set(), []
    for line in all_lines[first + 1:]:
        match = re.match(r"\d+ +(?:<\.\.\. )?([a-z0-9_]+)[( ]", line)
        if not match or line.split()[1] in ("+++", "---"):
            continue
        names.add(match.group(1))
        writes_and_runs = "PROT_WRITE" in line and "PROT_EXEC" in line
        if writes_and_runs or (match.group(1) in ("mprotect", "pkey_mprotect") and "PROT_EXEC" in line):
            both.append(line.strip())
    return names, both


def remove_tree(path):
    shutil.rmtree(path, ignore_errors=True)
