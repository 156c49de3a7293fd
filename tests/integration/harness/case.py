"""Base class of the tests: one cluster for the run, a pooler for the class or for the test, connections that clean up."""
import contextlib
import os
import threading
import unittest
import zlib

from . import replication, wire
from .postgres import Cluster
from .util import wait_until  # noqa: F401  (re-exported for the tests)
from .weir import FOLDS, IS_PGBOUNCER, Weir

_cluster = _replicated = None


def cluster():
    global _cluster
    if _cluster is None:
        _cluster = Cluster().create()
    return _cluster


def replicated():
    """A primary and two replicas, shared by the classes that ask for them with `make_cluster`; each test leaves them healed."""
    global _replicated
    if _replicated is None:
        _replicated = replication.Cluster().create()
    return _replicated


def stop_clusters():
    global _cluster, _replicated
    try:
        if _replicated:
            _replicated.stop()
    finally:
        if _cluster:
            _cluster.stop()
        _cluster = _replicated = None


def subset(*names):
    """Marks a test or class as part of the shorter runs `tsan` and/or `asan` (run_all.py --subset)."""
    def mark(thing):
        thing.subsets = names
        return thing
    return mark


def beyond_pgbouncer(thing):
    """A test of something that PgBouncer 1.18 does not have or gets wrong."""
    return unittest.skipIf(IS_PGBOUNCER, "not in PgBouncer 1.18")(thing)


def vary_threads(name):
    """In one half of the tests all workers are driven by one thread, in the other each by its own; which half is the name's choice. Races need threads:
    under the sanitizer that looks for them it is a quarter."""
    FOLDS["workers"] = int(zlib.crc32(name.encode()) % (4 if os.environ.get("TSAN_OPTIONS") else 2) == 0)


class Case(unittest.TestCase):
    """`settings` (arguments of Weir) start a pooler for the class, reachable as self.weir; None starts none."""
    settings = None
    make_cluster = staticmethod(cluster)

    @classmethod
    def setUpClass(cls):
        cls.pg = cls.make_cluster()
        cls.weir = None
        if cls.settings is not None:
            vary_threads(cls.__qualname__)
            cls.weir = Weir(cls.pg, **cls.settings)
            cls.addClassCleanup(cls.weir.stop)
            cls.weir.start()

    def start(self, **arguments):
        """A pooler for this test alone; it becomes self.weir."""
        vary_threads(self.id())
        w = Weir(self.pg, **arguments)
        self.addCleanup(w.stop)
        self.weir = w.start()
        return w

    def client(self, user="app", database="app", **kw):
        c = self.weir.connect(user, database, **kw)
        self.addCleanup(c.close)
        return c

    def clients(self, count, **kw):
        return [self.client(**kw) for _ in range(count)]

    def in_transactions(self, count, **kw):
        """Clients of which each has a server."""
        clients = self.clients(count, **kw)
        for c in clients:
            c.sql("begin")
        return clients

    def raw(self, host=None, **kw):
        c = wire.Wire(host or self.weir.host, self.weir.port, **kw)
        self.addCleanup(c.drop)
        return c

    def refused(self, **kw):
        """The error with which a login is refused."""
        with self.assertRaises(wire.PgError) as caught:
            self.weir.connect(**kw).close()
        return caught.exception

    def fatal(self, connection, code=None, text=None):
        """Asserts that the connection gets a FATAL error and is closed; returns the error."""
        reply = connection.expect_close()
        self.assertTrue(reply.errors, f"closed without an error: {reply}")
        error = reply.errors[-1]
        self.assertEqual(error.severity, "FATAL", error)
        if code:
            self.assertRegex(error.code, f"^({code})$", error)
        if text:
            self.assertIn(text, error.message)
        return error

    def assert_error(self, reply, code, text=None):
        self.assertEqual(len(reply.errors), 1, reply)
        self.assertEqual(reply.error.code, code, reply.error)
        if text:
            self.assertIn(text, reply.error.message)

    def assert_serves(self, **kw):
        """The pooler still answers a new client."""
        with self.weir.connect(**kw) as c:
            self.assertEqual(c.one("select 40 + 2"), "42")

    def assert_idle(self, timeout=30, **kw):
        """No server is in use and nobody waits."""
        self.weir.wait_pool(timeout, sv_active=0, cl_waiting=0, sv_login=0, sv_tested=0, sv_being_canceled=0, **kw)


@contextlib.contextmanager
def background(target, *args):
    """Runs `target` in a thread, re-raising what it raised when the block ends."""
    failure = []

    def run():
        try:
            target(*args)
        except BaseException as e:  # noqa: BLE001  (handed to the test's thread)
            failure.append(e)
    t = threading.Thread(target=run, daemon=True)
    t.start()
    try:
        yield t
    finally:
        t.join(wire.TIMEOUT * 2)
    if t.is_alive():
        raise AssertionError("a helper thread did not end")
    if failure:
        raise failure[0]
