"""Peers: a cancel request that reaches the wrong process finds the right one."""
import contextlib
import os
import socket
import tempfile
import threading

import psycopg

from harness import wire
from harness.case import beyond_pgbouncer, wait_until
from harness.util import give_to_postgres
from harness.weir import Weir
from harness.wire import query
from test_reuseport import Fleet


class Peers(Fleet):
    def peers(self, count, road=lambda w: f"host={w.socket_dir} port={w.port}", **options):
        """Processes with ports of their own, each the peer of all; number N is the one at N - 1."""
        out = [Weir(self.pg, peer_id=number + 1, **options) for number in range(count)]
        for w in out:
            self.addCleanup(w.stop)
            w.databases = {"app": f"host={self.pg.host} port={self.pg.port} dbname={out[0].dbname}"}
            w.peers = {number + 1: road(peer) for number, peer in enumerate(out)}
            w.write()
            w.start()
        self.weir = out[0]
        return out

    def sleeping(self, count=1):
        wait_until(lambda: self.weir.count("state = 'active' and query like '%pg_sleep%'") == count, 30, f"{count} sleeping servers")

    def send_cancel(self, weir, key):
        """Sends a cancel request and waits until the process has done with it."""
        with wire.Wire(weir.host, weir.port) as w:
            w.send(wire.cancel_packet(key)).expect_close()

    def key_of(self, peer, hops=3):
        return bytes([0, peer & 0xff, peer >> 8, 1, 2, 3, 4, 4 | hops])


@beyond_pgbouncer
class Roads(Peers):
    def assert_any_way(self, fleet):
        sessions = [w.connect(version=(3, 2 * (number % 2))) for number, w in enumerate(fleet)]  # long keys and short ones
        for c in sessions:
            self.addCleanup(c.close)
        for number, c in enumerate(sessions):
            self.assertEqual(c.key[1] | c.key[2] << 8, number + 1)
            self.assertEqual(c.key[7] & 3, 3)
            for w in fleet:
                others = [o for o in sessions if o is not c]
                for each in sessions:
                    each.send(query("select pg_sleep(120)"))
                self.sleeping(len(sessions))
                self.send_cancel(w, c.key)
                self.assert_error(c.collect(), "57014", "canceling statement due to user request")
                self.sleeping(len(others))
                for o in others:
                    self.assertFalse(o.readable(0))
                    o.cancel()
                    self.assert_error(o.collect(), "57014")
        for c in sessions:
            self.assertEqual(c.one("select 'usable'"), "usable")

    def test_over_unix_sockets(self):
        self.assert_any_way(self.peers(3))

    def test_over_tcp(self):
        self.assert_any_way(self.peers(2, lambda w: f"host=127.0.0.1 port={w.port}"))

    def test_by_name(self):
        self.assert_any_way(self.peers(2, lambda w: f"host=localhost port={w.port} pool_size=1"))

    def test_a_wrong_secret_cancels_nothing(self):
        one, two = self.peers(2)
        c = one.connect()
        self.addCleanup(c.close)
        c.send(query("select pg_sleep(120)"))
        self.sleeping()
        for w in (one, two):
            for byte in (0, 3, 4, 5, 6, 7):
                key = bytearray(c.key)
                key[byte] ^= 0x20
                self.send_cancel(w, bytes(key))
        self.sleeping()
        self.assertFalse(c.readable(0))
        self.send_cancel(two, c.key)
        self.assert_error(c.collect(), "57014")

    def test_a_waiting_client_of_another_process(self):
        one, two = self.peers(2, default_pool_size=1)
        busy, waiting = one.connect(), one.connect()
        self.addCleanup(busy.close)
        self.addCleanup(waiting.close)
        busy.sql("begin")
        waiting.send(query("select 1"))
        one.wait_waiting(1)
        self.send_cancel(two, waiting.key)
        self.assert_error(waiting.collect(), "57014", "canceling statement due to user request")

    def test_peers_change_with_a_reload(self):
        one, two = self.peers(2)
        c = two.connect()
        self.addCleanup(c.close)
        del one.peers[2]
        one.reload()
        c.send(query("select pg_sleep(120)"))
        self.sleeping()
        self.send_cancel(one, c.key)
        self.sleeping()
        one.peers[2] = f"host=127.0.0.1 port={two.port}"
        one.reload()
        self.send_cancel(one, c.key)
        self.assert_error(c.collect(), "57014")


@beyond_pgbouncer
class SharedPort(Peers):
    def test_drivers_cancel_through_whoever_answers(self):
        """Three processes on one port: where the driver's cancel lands is for the kernel to say."""
        fleet = self.fleet(3)
        for number, w in enumerate(fleet):
            w.options["peer_id"] = number + 1
            w.peers = {other + 1: f"host={o.socket_dir} port={o.port}" for other, o in enumerate(fleet)}
            w.reload()
        self.weir = fleet[0]
        for turn in range(20):
            with psycopg.connect(f"host=127.0.0.1 port={fleet[0].port} user=app dbname=app", autocommit=True) as c:
                if turn % 4 == 0:
                    self.assertEqual(c.execute("select 40 + 2").fetchone(), (42,))
                timer = threading.Thread(target=lambda conn=c: (self.sleeping(), conn.cancel()))
                timer.start()
                with self.assertRaises(psycopg.errors.QueryCanceled):
                    c.execute("select pg_sleep(120)")
                timer.join()


@beyond_pgbouncer
class Trouble(Peers):
    def test_a_loop_ends(self):
        one, two = self.peers(2)
        one.peers[9], two.peers[9] = one.peers[2], one.peers[1]
        one.reload()
        two.reload()
        self.send_cancel(one, self.key_of(9))
        wait_until(lambda: "cancel request for peer 9 has been passed on too often" in two.log(), 30, "the end of the loop")
        self.assertNotIn("too often", one.log())  # three hops: to two, to one, to two
        self.send_cancel(two, self.key_of(9, hops=0))
        self.assert_serves()

    def test_nobody_there(self):
        one, = self.peers(1)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            one.peers.update({5: f"host=127.0.0.1 port={closed.getsockname()[1]}", 6: f"host={one.dir}/nothing", 7: "host=no.such.name.invalid"})
            one.reload()
            for peer in (5, 6, 7, 8):
                self.send_cancel(one, self.key_of(peer))
        one.wait_log("cancel request for peer 5 was not passed on: connect failed: Connection refused")
        self.assert_serves()

    def fake(self):
        folder = tempfile.mkdtemp(prefix="weir-peer-")
        give_to_postgres(folder)
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(f"{folder}/.s.PGSQL.6432")
        os.chmod(f"{folder}/.s.PGSQL.6432", 0o777)
        listening.listen()
        listening.settimeout(20)
        return folder, listening

    def ask(self, weir, key):
        w = wire.Wire(weir.host, weir.port)
        self.addCleanup(w.drop)
        return w.send(wire.cancel_packet(key))

    def test_at_most_pool_size_at_a_time(self):
        one, = self.peers(1)
        folder, listening = self.fake()
        one.peers[2] = f"host={folder} pool_size=1"
        one.reload()
        self.assertEqual(one.show("peers", peer_id="2"), [{"peer_id": "2", "host": folder, "port": "6432", "pool_size": "1"}])
        asked = [self.ask(one, self.key_of(2, hops)) for hops in (3, 2, 1)]
        seen = []
        for _ in asked:
            with contextlib.closing(listening.accept()[0]) as conn:
                conn.settimeout(20)
                seen.append(conn.recv(1000))
                left = len(asked) - len(seen)
                wait_until(lambda n=left: one.show("peer_pools", peer_id="2") == [{"peer_id": "2", "cl_active_cancel_req": "1", "cl_waiting_cancel_req": str(n),
                                                                                  "sv_active_cancel": "1", "sv_login": "0"}], 30, f"{left} requests that wait")
                listening.settimeout(0.3)
                with self.assertRaises(TimeoutError):
                    listening.accept()
                listening.settimeout(20)
        for w in asked:
            self.assertTrue(w.expect_close().closed)
        # In any order: the workers pass them to the one that speaks with this peer.
        self.assertEqual(sorted(seen), sorted(wire.cancel_packet(self.key_of(2, hops)) for hops in (2, 1, 0)))

    def test_a_peer_that_does_not_end(self):
        one, = self.peers(1, cancel_wait_timeout=0.5)
        folder, listening = self.fake()
        one.peers[2] = f"host={folder}"
        one.reload()
        w = self.ask(one, self.key_of(2))
        with contextlib.closing(listening.accept()[0]) as conn:
            self.assertTrue(w.expect_close().closed)
            conn.settimeout(20)
            self.assertEqual(len(conn.recv(1000)), 16)
            self.assertEqual(conn.recv(1000), b"")
        self.assert_serves()

    def test_shutdown_does_not_wait_for_a_peer(self):
        one, = self.peers(1)
        folder, listening = self.fake()
        one.peers[2] = f"host={folder}"
        one.reload()
        self.ask(one, self.key_of(2))
        with contextlib.closing(listening.accept()[0]):
            one.signal(15)
            self.assertEqual(one.wait_exit(), 0)
