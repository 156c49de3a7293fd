"""A throwaway LDAP directory (OpenLDAP's slapd) on loopback: ou=people is readable for cn=reader alone, ou=public for everybody."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from .util import free_port, give_to_postgres, run_as, stopped, tied, wait_until

BASE = "dc=example,dc=org"
READER, READER_PASSWORD = f"cn=reader,{BASE}", "reads all"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/slapd.pid
argsfile DIR/slapd.args
TLSCACertificateFile DIR/cert.pem
TLSCertificateFile DIR/cert.pem
TLSCertificateKeyFile DIR/key.pem
TLSVerifyClient never
database mdb
suffix "BASE"
directory DIR/data
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=public,BASE" by * read
access to * by dn.exact="cn=reader,BASE" read by * none
"""
HEAD = f"""dn: {BASE}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {READER}
objectClass: person
cn: reader
sn: reader
userPassword: {READER_PASSWORD}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=public,{BASE}
objectClass: organizationalUnit
ou: public

"""


def escape_dn(text):
    return "".join("\\" + c if c in '"+,;<>=\\' else c for c in text)


class Directory:
    """`people` and `public` map user names to passwords; a name is uid, cn and (with @example.org) mail of its entry."""

    def __init__(self, people=None, public=None):
        self.dir = tempfile.mkdtemp(prefix="weir-it-ldap-")
        give_to_postgres(self.dir)
        self.host, self.port, self.tls_port = "127.0.0.1", free_port(), free_port()
        self.proc = None
        for name in ("data",):
            os.mkdir(f"{self.dir}/{name}")
            give_to_postgres(f"{self.dir}/{name}")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", f"{self.dir}/key.pem", "-out", f"{self.dir}/cert.pem"], check=True, capture_output=True)
        self._write("slapd.conf", CONFIG.replace("DIR", self.dir).replace("BASE", BASE))
        self._write("start.ldif", HEAD + "".join(self.entry("people", n, p) for n, p in (people or {}).items())
                    + "".join(self.entry("public", n, p) for n, p in (public or {}).items()))
        for name in ("key.pem", "cert.pem"):
            give_to_postgres(f"{self.dir}/{name}")
        self.cert = f"{self.dir}/cert.pem"
        os.chmod(self.dir, 0o755)
        subprocess.run(["/usr/sbin/slapadd", "-q", "-f", f"{self.dir}/slapd.conf", "-l", f"{self.dir}/start.ldif"], check=True, capture_output=True, **run_as())

    def _write(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)
        give_to_postgres(f.name)

    @staticmethod
    def entry(unit, name, password):
        return (f"dn: uid={escape_dn(name)},ou={unit},{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: x\n"
                f"mail: {name}@example.org\nuserPassword: {password}\n\n")

    def start(self):
        log = open(f"{self.dir}/slapd.log", "ab")
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        self.proc = subprocess.Popen(tied(["/usr/sbin/slapd", "-d", "0", "-f", f"{self.dir}/slapd.conf", "-h", urls]), stdout=log, stderr=log, **run_as())
        log.close()

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        wait_until(listens, 30, "slapd to listen")
        return self

    def freeze(self):
        self.proc.send_signal(signal.SIGSTOP)
        wait_until(lambda: stopped(self.proc.pid), 10, "slapd to stop", interval=0.001)

    def thaw(self):
        self.proc.send_signal(signal.SIGCONT)

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
