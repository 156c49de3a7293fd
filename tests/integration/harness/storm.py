"""A storm of clients that check every answer: run as a program, one process drives many clients.

  python3 -m harness.storm HOST PORT DATABASE USERS CLIENTS SECONDS SEED FIRST_ID

Each query carries its client's id and a sequence number and must get exactly these back. Clients also go away at random: with RST in
any state, in mid-message, without Terminate. Errors of class 08 and 57 are what killed servers cause: the client comes again.
Prints one line of JSON: what was done and every violation. Interrupted (SIGTERM) it stops early and still prints.
"""
import asyncio
import json
import random
import signal
import socket
import struct
import sys
import time

from . import wire
from .util import SLOW
from .weir import IS_PGBOUNCER
from .wire import bind, close, describe, execute, one, parse, query, sync

STARVED = 60 * SLOW  # seconds for one answer


class Lost(Exception):
    """The connection ended; fine in a storm that kills servers."""


class Violation(Exception):
    """Something that must never happen."""


class StormClient:
    def __init__(self, number, storm):
        self.number, self.storm, self.sequence, self.chance = number, storm, 0, random.Random(storm.seed * 1_000_003 + number)
        self.user = storm.users[number % len(storm.users)]
        self.reader = self.writer = None

    # -- connection
    async def connect(self):
        self.names = set()
        self.reader, self.writer = await asyncio.open_connection(self.storm.host, self.storm.port)
        self.writer.write(wire.startup_packet({"user": self.user, "database": self.storm.database, "application_name": f"storm{self.number % 3}"}))
        await self.collect()

    def leave(self, rst):
        if self.writer is None:
            return
        if rst:
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()
        self.writer = None

    async def collect(self, until="Z"):
        reply = wire.Reply()
        try:
            while True:
                head = await self.reader.readexactly(5)
                (length,) = struct.unpack_from("!i", head, 1)
                kind, body = chr(head[0]), await self.reader.readexactly(length - 4)
                reply.add(kind, body)
                if kind in until:
                    return reply
                if kind == "E" and reply.error.severity == "FATAL":
                    if not reply.error.code.startswith(("08", "57")):
                        raise Violation(f"client {self.number} was ended with {reply.error}")
                    raise Lost(str(reply.error))
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            raise Lost(str(e)) from e

    # -- what a client does; each returns (bytes, [expected rows of each ReadyForQuery])
    def token(self):
        self.sequence += 1
        return f"{self.number}:{self.sequence}"

    def simple(self):
        t = self.token()
        return query(f"select '{t}', {self.chance.randint(0, 9)} as n"), [[(t, None)]]

    def unnamed(self):
        t = self.token()
        return one("select $1::text, $2::int", [t, self.sequence]) + sync(), [[(t, str(self.sequence))]]

    def named(self):
        if IS_PGBOUNCER:
            return self.unnamed()
        kind = self.chance.randrange(30)
        t = self.token()
        data = b""
        if kind not in self.names:
            self.names.add(kind)
            data = parse(f"s{kind}", f"select $1::text, {kind}")
        if self.chance.random() < 0.1:
            self.names.discard(kind)
            return data + bind("", f"s{kind}", [t]) + describe() + execute() + close("S", f"s{kind}") + sync(), [[(t, str(kind))]]
        return data + bind("", f"s{kind}", [t]) + execute() + sync(), [[(t, str(kind))]]

    def pipeline(self):
        data, expected = b"", []
        for _ in range(self.chance.randint(2, 12)):
            part, rows = self.chance.choice((self.simple, self.unnamed, self.named, self.failing))()
            data, expected = data + part, expected + rows
        return data, expected

    def failing(self):
        return one("select 1 / $1::int", [0]) + sync(), ["22012"]

    def large(self):
        t = self.token()
        size = self.chance.choice((1000, 20_000, 200_000))
        return query(f"select '{t}', repeat('{self.number % 10}', {size})"), [[(t, str(self.number % 10) * size)]]

    def block(self):
        t = self.token()
        return query(f"begin; select '{t}', 1; insert into storm values ({self.number}, {self.sequence}); rollback"), [[(t, "1")]]

    async def ask(self, data, expected):
        began = time.monotonic()
        self.writer.write(data)
        for rows in expected:
            try:
                reply = await asyncio.wait_for(self.collect(), STARVED)
            except asyncio.TimeoutError:
                raise Violation(f"client {self.number} ({self.user}) had no answer for {STARVED:.0f} s") from None
            self.storm.answers += 1
            if isinstance(rows, str):
                if not reply.errors or reply.error.code != rows:
                    raise Violation(f"client {self.number} wanted error {rows} and got {reply}")
                continue
            if reply.errors:
                if reply.error.code.startswith(("08", "57")):
                    raise Lost(str(reply.error))
                raise Violation(f"client {self.number} wanted {rows} and got {reply.errors}")
            got = [r for r in reply.rows]
            if len(got) != len(rows) or any(g[0] != w[0] or (w[1] is not None and g[1] != w[1]) for g, w in zip(got, rows)):
                raise Violation(f"WRONG ROWS: client {self.number} wanted {str(rows)[:200]} and got {str(got)[:200]}")
        self.storm.longest = max(self.storm.longest, time.monotonic() - began)

    async def transaction(self):
        """Over several round trips, holding its server."""
        for text in ("begin", None, None, "commit" if self.chance.random() < 0.7 else "rollback"):
            if text:
                self.writer.write(query(text))
                reply = await asyncio.wait_for(self.collect(), STARVED)
                if reply.errors:
                    raise Lost(str(reply.error))
            else:
                await self.ask(*self.chance.choice((self.simple, self.unnamed, self.named))())

    async def vanish(self):
        """Goes away in some unpleasant state."""
        how = self.chance.randrange(8)
        if how == 0:
            self.writer.write(query("begin"))
        elif how == 1:
            self.writer.write(query("select pg_sleep(0.5)"))
        elif how == 2:
            self.writer.write(query("select 'half'")[:self.chance.randint(1, 12)])
        elif how == 3:
            self.writer.write(one("select 1") + sync() + one("select 2")[:-3])
        elif how == 4:
            self.writer.write(query("begin"))
            await asyncio.wait_for(self.collect(), STARVED)
        elif how == 5:
            self.writer.write(query("copy storm from stdin") + wire.copy_data(b"1\t2\n"))
        elif how == 6:
            self.writer.write(query("select repeat('x', 1000000) from generate_series(1, 20)"))
        if self.chance.random() < 0.5:
            await asyncio.sleep(self.chance.random() * 0.02)
        self.leave(rst=self.chance.random() < 0.7)
        self.storm.vanished += 1

    async def run(self):
        while not self.storm.over():
            try:
                if self.writer is None:
                    await asyncio.wait_for(self.connect(), STARVED)
                for _ in range(self.chance.randint(1, 40)):
                    if self.storm.over():
                        break
                    what = self.chance.random()
                    if what < 0.12:
                        await self.transaction()
                    else:
                        await self.ask(*self.chance.choices((self.simple, self.unnamed, self.named, self.pipeline, self.failing, self.large, self.block),
                                                            (4, 4, 6, 2, 1, 0.3, 1))[0]())
                    await asyncio.sleep(self.chance.random() * self.storm.pause)
                if not self.storm.over() and self.chance.random() < 0.4:
                    await self.vanish()
            except (Lost, ConnectionError, OSError) as e:
                self.storm.lost += 1
                self.storm.reasons[str(e)[:100]] = self.storm.reasons.get(str(e)[:100], 0) + 1
                self.leave(rst=False)
                await asyncio.sleep(0.05 + self.chance.random() * 0.1)
            except asyncio.TimeoutError:
                self.storm.violations.append(f"client {self.number}: no login or reply for {STARVED:.0f} s")
                self.leave(rst=True)
            except Violation as e:
                self.storm.violations.append(str(e))
                self.leave(rst=True)
        if self.writer is not None:
            self.writer.write(wire.terminate())
            self.leave(rst=False)


class Storm:
    def __init__(self, host, port, database, users, clients, seconds, seed, first):
        self.host, self.port, self.database, self.users = host, int(port), database, users.split(",")
        self.clients, self.seconds, self.seed, self.first = int(clients), float(seconds), int(seed), int(first)
        self.answers = self.lost = self.vanished = 0
        self.longest, self.violations, self.reasons, self.stopped = 0.0, [], {}, False
        self.pause = 0.02

    def over(self):
        return self.stopped or time.monotonic() > self.deadline or len(self.violations) > 20

    def stop(self):
        self.stopped = True

    async def run(self):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop)
        self.deadline = time.monotonic() + self.seconds
        await asyncio.gather(*(StormClient(self.first + n, self).run() for n in range(self.clients)))
        print(json.dumps({"answers": self.answers, "lost": self.lost, "vanished": self.vanished, "longest": round(self.longest, 3), "reasons": self.reasons,
                          "violations": self.violations}))


if __name__ == "__main__":
    asyncio.run(Storm(*sys.argv[1:]).run())
