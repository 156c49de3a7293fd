"""Certificates for tests, made by the openssl program, and a client of the bare protocol that speaks TLS."""
import os
import shutil
import ssl
import subprocess
import tempfile

from . import wire
from .util import give_to_postgres


def openssl(*words, cwd=None, stdin=None):
    done = subprocess.run(["openssl", *words], cwd=cwd, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(words)}: {done.stderr}")
    return done.stdout


class Authority:
    """A folder with ca.crt and what it signs: NAME.crt and NAME.key, readable by the poolers."""

    def __init__(self, name="Weir test CA", key="ec"):
        self.dir = tempfile.mkdtemp(prefix="weir-it-tls-")
        os.chmod(self.dir, 0o755)
        self.key_words = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["-newkey", "rsa:2048"],
                          "ed25519": ["-newkey", "ed25519"]}[key]
        openssl("req", "-x509", *self.key_words, "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.crt", cwd=self.dir)
        self._own("ca")
        open(self.path("index.txt"), "w").close()
        with open(self.path("ca.cnf"), "w") as f:
            f.write("[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\ndefault_crl_days = 30\nunique_subject = no\n")
        give_to_postgres(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def _own(self, name):
        give_to_postgres(self.path(f"{name}.key"))
        os.chmod(self.path(f"{name}.key"), 0o600)

    def issue(self, name, cn=None, san=(), days=30):
        """Makes NAME.crt and NAME.key; their paths."""
        openssl("req", *self.key_words, "-nodes", "-subj", f"/CN={cn or name}", "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.dir)
        with open(self.path(f"{name}.ext"), "w") as f:
            f.write("basicConstraints = CA:FALSE\n" + (f"subjectAltName = {','.join(san)}\n" if san else ""))
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
                "-extfile", f"{name}.ext", "-out", f"{name}.crt", cwd=self.dir)
        self._own(name)
        give_to_postgres(self.path(f"{name}.crt"))
        return self.path(f"{name}.crt"), self.path(f"{name}.key")

    def bundle_with_revoked(self, *names):
        """ca-crl.pem: the authority and a list that revokes these."""
        for name in names:
            openssl("ca", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-revoke", f"{name}.crt", cwd=self.dir)
        openssl("ca", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-gencrl", "-out", "crl.pem", cwd=self.dir)
        with open(self.path("ca-crl.pem"), "w") as out:
            for part in ("ca.crt", "crl.pem"):
                with open(self.path(part)) as f:
                    out.write(f.read())
        give_to_postgres(self.path("ca-crl.pem"))
        return self.path("ca-crl.pem")

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def client_context(ca=None, cert=None, key=None, alpn=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca)
    if cert:
        context.load_cert_chain(cert, key)
    if alpn:
        context.set_alpn_protocols([alpn])
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class TlsWire(wire.Wire):
    """Asks for TLS (or begins it at once) and then speaks the protocol inside."""

    def __init__(self, host, port, context=None, direct=False, **kw):
        super().__init__(host, port, **kw)
        context = context or client_context(alpn="postgresql" if direct else None)
        try:
            if not direct:
                self.sock.sendall(wire.SSL_REQUEST)
                answer = self.sock.recv(1)
                if answer != b"S":
                    raise AssertionError(f"the answer to SSLRequest is {answer!r}")
            self.sock = context.wrap_socket(self.sock, server_hostname=host, suppress_ragged_eofs=True)
        except BaseException:
            self.sock.close()
            raise

    def readable(self, seconds=0.0):
        return self.sock.pending() > 0 or super().readable(seconds)
