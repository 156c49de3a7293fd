"""A gate between the pooler and one server: a TCP proxy in this process that can be made to misbehave while connections run through it.

    with Gate(server.port) as gate:         # the pooler connects to 127.0.0.1, gate.port
        gate.delay(20, jitter=5)            # ms, each way; delay(0) ends it
        gate.freeze(); gate.thaw()          # takes connections and bytes, passes nothing on
        gate.reset(new=True)                # RST to all that are open and at once to all that come
        gate.refuse(); gate.open()          # the port is closed
        gate.refuse_with("57P03")           # answers each startup packet with this FATAL
        gate.cut_after(100)                 # RST after so many bytes more (how="fin": an orderly end)
        gate.limit(100_000)                 # bytes per second, of all connections together
        gate.clear()                        # no fault any more
        gate.counters()

A fault is in force when the call returns. `way` is "both", TO_SERVER or TO_CLIENT (whose direction is meant); `which` is "all", "new" or "existing"
connections. Faults of a connection (delay, freeze, cut_after) are set for each; reset, refuse, refuse_with and limit belong to the gate.

When the server itself refuses, the pooler sees an accepted connection and then RST. All gates of a process share one thread.
"""
import collections
import errno
import heapq
import itertools
import random
import select
import socket
import struct
import threading
import time

from .wire import GSS_REQUEST, SSL_REQUEST, cstr, msg

TO_SERVER, TO_CLIENT = "to_server", "to_client"
WAYS = (TO_SERVER, TO_CLIENT)
PIECE = 256 * 1024   # of one recv
HELD = 1 << 20       # bytes held in one direction of a connection before it is no longer read
EOF, RST = b"", None  # in a queue
CANCEL = 80877102


class Loop:
    """The thread in which all bytes move; everything below runs there unless said otherwise."""
    shared, users, lock = None, 0, threading.Lock()

    def __init__(self):
        self.poll, self.handlers, self.timers, self.order = select.epoll(), {}, [], itertools.count()
        self.calls, self.stopped, self.failures = collections.deque(), False, []
        self.wake_in, self.wake_out = socket.socketpair()
        self.wake_out.setblocking(False)
        self.watch(self.wake_out, select.EPOLLIN, self._woken)
        self.thread = threading.Thread(target=self._run, name="gates", daemon=True)
        self.thread.start()

    @classmethod
    def take(cls):
        with cls.lock:
            if cls.shared is None:
                cls.shared = cls()
            cls.users += 1
            return cls.shared

    @classmethod
    def give(cls):
        with cls.lock:
            cls.users -= 1
            if cls.users == 0:
                loop, cls.shared = cls.shared, None
                loop.call(loop.stop)
                loop.thread.join()
                loop.close()

    def stop(self):
        self.stopped = True

    def close(self):
        """Behind the thread's end, which may come before stop()'s caller has woken it."""
        self.wake_in.close()
        self.wake_out.close()
        self.poll.close()

    def call(self, work):
        """From any thread: runs `work` in the loop and returns its value."""
        if threading.current_thread() is self.thread:
            return work()
        done, box = threading.Event(), []

        def run():
            try:
                box.append((work(), None))
            except Exception as e:  # noqa: BLE001  (raised in the caller's thread)
                box.append((None, e))
            done.set()
        self.calls.append(run)
        self.wake_in.send(b"x")
        if not done.wait(30):
            raise AssertionError(f"the gates' thread does not answer: {self.failures}")
        value, error = box[0]
        if error:
            raise error
        return value

    def watch(self, sock, mask, handler):
        self.handlers[sock.fileno()] = handler
        self.poll.register(sock.fileno(), mask)

    def change(self, sock, mask):
        self.poll.modify(sock.fileno(), mask)

    def forget(self, sock):
        self.handlers.pop(sock.fileno(), None)
        self.poll.unregister(sock.fileno())

    def at(self, when, work):
        heapq.heappush(self.timers, (when, next(self.order), work))

    def _woken(self, _):
        try:
            while self.wake_out.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _run(self):
        while not self.stopped:
            timeout = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else -1
            for number, events in self.poll.poll(timeout):
                handler = self.handlers.get(number)
                if handler:
                    self._guard(handler, events)
            while self.timers and self.timers[0][0] <= time.monotonic():
                self._guard(heapq.heappop(self.timers)[2])
            while self.calls:
                self.calls.popleft()()

    def _guard(self, work, *args):
        try:
            work(*args)
        except Exception as e:  # noqa: BLE001  (a bug of the gate; Gate.close() shows it)
            self.failures.append(e)


class Side:
    """One socket of a connection, with what epoll is asked of it."""
    __slots__ = ("sock", "mask", "link", "reads", "writes", "connecting", "gone")

    def __init__(self, sock, link, connecting=False):
        self.sock, self.link, self.mask, self.connecting, self.gone = sock, link, 0, connecting, False

    def update(self):
        if self.gone:
            return
        mask = (select.EPOLLIN if self.reads.wants_input() else 0) | (select.EPOLLOUT if self.connecting or self.writes.blocked else 0)
        if mask != self.mask:
            loop = self.link.gate.loop
            if not self.mask:
                loop.watch(self.sock, mask, self.event)
            elif not mask:  # epoll would report the peer's end for ever
                loop.forget(self.sock)
            else:
                loop.change(self.sock, mask)
            self.mask = mask

    def event(self, events):
        if self.connecting and events & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP):
            if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.link.gate.failed += 1
                self.link.reset()
                return
            self.connecting = False
            self.writes.pump()
            self.update()
            return
        if events & select.EPOLLOUT:
            self.writes.blocked = False
            self.writes.pump()
            self.update()
        if not self.gone and events & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP):
            if self.reads.wants_input():
                self.reads.input()
            elif events & select.EPOLLERR:
                self.link.lost(self)

    def close(self, rst=False):
        if self.gone:
            return
        if self.mask:
            self.link.gate.loop.forget(self.sock)
        self.mask, self.gone = 0, True
        if rst:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Pipe:
    """One direction of one connection."""
    __slots__ = ("link", "way", "source", "sink", "queue", "held", "ended", "done", "blocked", "delay", "jitter", "frozen", "left", "how", "last_due", "timer")

    def __init__(self, link, way, source, sink, faults):
        self.link, self.way, self.source, self.sink = link, way, source, sink
        self.queue, self.held, self.last_due, self.timer = collections.deque(), 0, 0.0, None
        self.ended = self.done = self.blocked = False  # the source sent its end; the end was passed on; the sink takes no more for now
        self.delay, self.jitter, self.frozen, self.left, self.how = faults["delay"], faults["jitter"], faults["frozen"], faults["left"], faults["how"]

    def wants_input(self):
        return not self.ended and self.held < HELD

    def input(self):
        try:
            data = self.source.sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            self.link.lost(self.source)
            return
        if data:
            if self.way == TO_CLIENT:
                if self.link.head is not None:
                    self.link.watch_login(data)
            elif self.link.head is not None and data[:8] in (SSL_REQUEST, GSS_REQUEST):
                self.link.asked += 1
            if not self.queue and not self.delay and not self.frozen and self.left is None and not self.link.gate.rates[self.way] and not self.sink.connecting:
                data = self.send(data)  # the short way
                if not data:
                    return
        else:
            self.ended = True
            if self.way == TO_SERVER:
                self.link.client_ended()
        now = time.monotonic()
        self.last_due = max(self.last_due, now + self.delay + random.random() * self.jitter) if self.delay or self.jitter else self.last_due
        self.queue.append((self.last_due, data))
        self.held += len(data)
        self.pump()
        self.source.update()

    def send(self, data):
        """Passes on what the sink takes and returns the rest."""
        if self.sink.gone:
            return EOF
        try:
            sent = self.sink.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.link.lost(self.sink)
            return EOF
        self.link.gate.bytes[self.way] += sent
        if sent < len(data):
            self.blocked = True
            self.sink.update()
            return data[sent:]
        return EOF

    def later(self, when):
        if self.timer is None or when < self.timer:
            self.timer = when
            self.link.gate.loop.at(when, self.timed)

    def timed(self):
        self.timer = None
        self.pump()

    def pump(self):
        """Passes on what may go now."""
        gate = self.link.gate
        while self.queue and not self.frozen and not self.blocked and not self.sink.connecting and not self.link.ended:
            due, data = self.queue[0]
            now = time.monotonic()
            if due > now:
                return self.later(due)
            if data is RST:
                return self.link.reset()
            if data == EOF:
                self.queue.popleft()
                self.done = True
                return self.link.half_closed(self)
            rate = gate.rates[self.way]
            if rate:
                if gate.next_free[self.way] > now:
                    return self.later(gate.next_free[self.way])
                data = data[:max(1, int(rate * 0.01))]
                gate.next_free[self.way] = max(gate.next_free[self.way], now) + len(data) / rate
            if self.left is not None:
                data = data[:self.left]
            rest = self.send(data) if data else EOF
            passed = len(data) - len(rest)
            if self.link.ended:
                return None
            whole = self.queue[0][1]
            self.held -= passed
            if passed == len(whole):
                self.queue.popleft()
            else:
                self.queue[0] = (due, whole[passed:])
            if self.left is not None:
                self.left -= passed
                if self.left == 0:
                    gate.cut += 1
                    return self.link.reset() if self.how == "rst" else self.link.finish()
            self.source.update()
        return None


class Link:
    """A connection through the gate."""

    def __init__(self, gate, client):
        self.gate, self.ended, self.client_open = gate, False, True
        self.head, self.asked = bytearray(), 0  # of what the server says until it is ready for queries; then None
        server = socket.socket(socket.AF_INET)
        server.setblocking(False)
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client, self.server = Side(client, self), Side(server, self, connecting=True)
        self.up = Pipe(self, TO_SERVER, self.client, self.server, gate.faults[TO_SERVER])
        self.down = Pipe(self, TO_CLIENT, self.server, self.client, gate.faults[TO_CLIENT])
        self.client.reads = self.server.writes = self.up
        self.server.reads = self.client.writes = self.down
        self.pipes = {TO_SERVER: self.up, TO_CLIENT: self.down}
        gate.logging_in += 1
        gate.most_logins = max(gate.most_logins, gate.logging_in)
        error = server.connect_ex((gate.host, gate.to_port))
        if error not in (0, errno.EINPROGRESS):
            gate.failed += 1
            self.reset()
            return
        self.client.update()
        self.server.update()

    def watch_login(self, data):
        """A login is over with the first ReadyForQuery."""
        self.head += data
        while self.asked and self.head[:1] == b"N":
            del self.head[:1]
            self.asked -= 1
        at = 0
        while not self.asked and len(self.head) - at >= 5:
            (length,) = struct.unpack_from("!i", self.head, at + 1)
            if self.head[at] == ord("Z") or not 4 <= length < 100_000:
                return self.login_over()
            at += 1 + length
            if at > len(self.head):
                at -= 1 + length
                break
        del self.head[:at]
        return None

    def login_over(self):
        if self.head is not None:
            self.head = None
            self.gate.logging_in -= 1

    def client_ended(self):
        if self.client_open:
            self.client_open = False
            self.gate.now_open -= 1

    def half_closed(self, pipe):
        if self.up.done and self.down.done:
            self.finish()
            return
        try:
            pipe.sink.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.lost(pipe.sink)
            return
        pipe.sink.update()

    def lost(self, side):
        """One side was reset. The other is told, unless that direction is frozen."""
        pipe = side.reads
        if not pipe.frozen:
            self.reset()
            return
        if side is self.client:
            self.client_ended()
        side.close(rst=True)
        pipe.ended = True
        pipe.queue.append((0.0, RST))

    def reset(self):
        self.finish(rst=True)

    def finish(self, rst=False):
        if self.ended:
            return
        self.ended = True
        self.client_ended()
        self.login_over()
        self.client.close(rst)
        self.server.close(rst)
        for pipe in (self.up, self.down):
            pipe.queue.clear()
        self.gate.closed += 1
        self.gate.links.discard(self)


class Refusal:
    """A connection that gets nothing but an error."""

    def __init__(self, gate, sock, answer):
        self.gate, self.sock, self.answer, self.buffer = gate, sock, answer, b""
        gate.loop.watch(sock, select.EPOLLIN, self.event)
        gate.links.add(self)

    def event(self, _):
        try:
            data = self.sock.recv(65536)
            self.buffer += data
            while len(self.buffer) >= 8:
                length, code = struct.unpack_from("!ii", self.buffer)
                if self.buffer[:8] in (SSL_REQUEST, GSS_REQUEST):
                    self.buffer = self.buffer[8:]
                    self.sock.send(b"N")
                    continue
                if len(self.buffer) >= length:
                    if code != CANCEL:
                        self.sock.send(self.answer)
                    data = b""
                break
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.finish()

    def finish(self, rst=False):
        self.gate.loop.forget(self.sock)
        self.gate.links.discard(self)
        self.sock.close()

    reset = finish


class Gate:
    """`port` is where the pooler connects to; the server is at host:to_port."""

    def __init__(self, to_port, host="127.0.0.1"):
        self.host, self.to_port = host, int(to_port)
        # Bound and never listening: it keeps the port ours while refuse() has the listener closed.
        self.keeper = socket.socket()
        self.keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.keeper.bind(("127.0.0.1", 0))
        self.port = self.keeper.getsockname()[1]
        self.links, self.listener, self.loop = set(), None, Loop.take()
        self.opened = self.closed = self.now_open = self.most_open = self.failed = self.refused = self.cut = self.logging_in = self.most_logins = 0
        self.bytes = dict.fromkeys(WAYS, 0)
        self._no_faults()
        self.loop.call(self._listen)

    def _no_faults(self):
        self.faults = {way: {"delay": 0.0, "jitter": 0.0, "frozen": False, "left": None, "how": "rst"} for way in WAYS}
        self.rates, self.next_free = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0.0)
        self.reset_new, self.answer = False, None

    # -- connections
    def _listen(self):
        if self.listener:
            return
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(1024)
        self.listener.setblocking(False)
        self.loop.watch(self.listener, select.EPOLLIN, self._accept)

    def _unlisten(self):
        if self.listener:
            self.loop.forget(self.listener)
            self.listener.close()
            self.listener = None

    def _accept(self, _):
        while self.listener:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.opened += 1
            if self.reset_new:
                self.refused += 1
                self.closed += 1
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
                continue
            sock.setblocking(False)
            if self.answer:
                self.refused += 1
                self.closed += 1
                Refusal(self, sock, self.answer)
                continue
            self.now_open += 1
            self.most_open = max(self.most_open, self.now_open)
            link = Link(self, sock)
            if not link.ended:
                self.links.add(link)

    def _running(self):
        return [link for link in self.links if isinstance(link, Link)]

    def _set(self, way, which, **values):
        ways = WAYS if way == "both" else (way,)
        if way != "both" and way not in WAYS or which not in ("all", "new", "existing"):
            raise ValueError(f"{way!r} {which!r}")

        def change():
            for w in ways:
                if which != "existing":
                    self.faults[w].update(values)
                if which != "new":
                    for link in self._running():
                        for name, value in values.items():
                            setattr(link.pipes[w], name, value)
                        link.pipes[w].pump()
        self.loop.call(change)

    # -- faults
    def delay(self, ms, jitter=0, way="both", which="all"):
        """Each piece of data arrives `ms` and up to `jitter` ms more later, in order."""
        self._set(way, which, delay=ms / 1000, jitter=jitter / 1000)

    def freeze(self, way="both", which="all"):
        self._set(way, which, frozen=True)

    def thaw(self, way="both", which="all"):
        """What was held goes on, also the end of connections that ended meanwhile."""
        self._set(way, which, frozen=False)

    def cut_after(self, count, way=TO_CLIENT, which="all", how="rst"):
        """A connection ends once so many bytes more have passed; None ends the fault."""
        self._set(way, which, left=count, how=how)

    def reset(self, existing=True, new=False):
        """RST: to the connections that are open, and (until clear()) to each that comes."""
        def change():
            self.reset_new = new
            if existing:
                for link in list(self.links):
                    link.reset()
        self.loop.call(change)

    def refuse(self):
        self.loop.call(self._unlisten)

    def open(self):
        self.loop.call(self._listen)

    def refuse_with(self, code, message="the database system is not accepting connections", severity="FATAL"):
        """New connections get this error as answer to their startup packet; None ends that."""
        fields = {"S": severity, "V": severity, "C": code, "M": message}
        answer = msg("E", b"".join(k.encode() + cstr(v) for k, v in fields.items()) + b"\0") if code else None
        self.loop.call(lambda: setattr(self, "answer", answer))

    def limit(self, bytes_per_second, way="both"):
        """Shared by all connections; 0 ends it."""
        def change():
            for w in WAYS if way == "both" else (way,):
                self.rates[w] = bytes_per_second
            for link in self._running():
                link.up.pump()
                link.down.pump()
        self.loop.call(change)

    def clear(self):
        """Ends all faults; what was held goes on."""
        def change():
            self._no_faults()
            self._listen()
        self.loop.call(change)
        self._set("both", "existing", **self.faults[TO_CLIENT])
        self.limit(0)

    def point_to(self, port):
        """New connections go to another server, as behind a moved address."""
        self.to_port = int(port)

    # -- what happened
    def counters(self):
        """opened: accepted; refused: of these by reset(new=True) or refuse_with; failed: the server could not be reached; cut: by cut_after;
        open: the client's side is still there; most_open; logging_in: not yet ready for queries; most_logins: at one time; bytes each way."""
        def read():
            return {"opened": self.opened, "closed": self.closed, "open": self.now_open, "most_open": self.most_open, "refused": self.refused,
                    "failed": self.failed, "cut": self.cut, "logging_in": self.logging_in, "most_logins": self.most_logins, **self.bytes}
        return self.loop.call(read)

    def forget_peaks(self):
        """most_open and most_logins begin anew."""
        def change():
            self.most_open, self.most_logins = self.now_open, self.logging_in
        self.loop.call(change)

    def close(self):
        if self.keeper is None:
            return

        def end():
            self._unlisten()
            for link in list(self.links):
                link.reset()
            return list(self.loop.failures)
        try:
            failures = self.loop.call(end)
        finally:
            self.keeper.close()
            self.keeper = None
            Loop.give()
        if failures:
            raise failures[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
