"""The client to Valkey or Redis (7.0 or newer): all calls of an event-loop tick travel in one write.

Every command and script must be idempotent: a call whose connection died under it is sent once more on a new one.
The connection is shared, so commands that change its state or hold it up (MULTI, SUBSCRIBE, BLPOP and the like)
are refused; what must happen together is a script.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from hiredis import pack_command

from maitre.errors import MaitreError, StoreDown, ValkeyError
from maitre.valkey.address import Address, address
from maitre.valkey.fault import silent
from maitre.valkey.redis_connection import Call, Connection

Word = str | bytes | int

#: Commands that would change or hold up the connection which everybody shares.
REFUSED = frozenset(
    ("AUTH", "HELLO", "SELECT", "RESET", "QUIT", "MULTI", "EXEC", "DISCARD", "WATCH", "MONITOR", "WAIT", "WAITAOF")
    + ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN")
    + ("BZPOPMAX", "BZMPOP")
)

#: Seconds that an overdue reply is given when it may have come while the loop itself was held up.
SECOND_LOOK = 0.05

CLOSED = "The connection to Valkey was closed by us."


class Script:
    """A Lua script. It must be idempotent."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha1 = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Valkey:
    """One connection, made at the first call and again when it has died. Use it from one event loop."""

    def __init__(self, url: str, *, timeout: float = 2.0) -> None:
        """`timeout` is in seconds, from a call to its reply, connecting included. ConfigError for a bad URL."""
        self._address = address(url)
        self._timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queued: deque[Call] = deque()
        self._scheduled = False
        self._deadline = 0.0
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> int:
        """How many are open: one, or none."""
        return int(self._connection is not None)

    async def call(self, *words: Word) -> Any:
        """The reply to one command: bytes, int, a list of such, or None.

        StoreDown when the server does not answer or cannot serve, ValkeyError when it answers with another error.
        """
        name = words[0]
        if isinstance(name, str) and name.upper() in REFUSED:
            raise ValueError(f"{name} must not be sent on a shared connection")
        return await self._ask(pack_command(words))  # type: ignore[arg-type] # its stub says a tuple of one

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Word]) -> Any:
        """What a script answers; it is loaded first where the server does not know it. Errors as `call`."""
        words = pack_command((b"EVALSHA", script.sha1, len(keys), *keys, *args))  # type: ignore[arg-type]
        try:
            return await self._ask(words)
        except ValkeyError as fault:
            if not str(fault).startswith("NOSCRIPT"):
                raise
        load = self._ask(pack_command((b"SCRIPT", b"LOAD", script.source)))  # type: ignore[arg-type]
        _, answer = await asyncio.gather(load, self._ask(words))
        return answer

    async def close(self) -> None:
        """End the connection; whoever still waits reads so. Nothing can be called afterwards."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._refuse(CLOSED)
        if (connection := self._connection) is not None:
            connection.drop(CLOSED)
            await connection.gone

    def _ask(self, words: bytes) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        future = loop.create_future()
        if not self._scheduled:
            self._scheduled = True
            self._deadline = loop.time() + self._timeout
            loop.call_soon(self._flush)
        self._queued.append((future, words, self._deadline, False))
        return future

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            raise RuntimeError("a Valkey belongs to the event loop that called it first")
        self._loop = loop

    def _flush(self) -> None:
        self._scheduled = False
        assert self._loop is not None
        if self._closed:
            self._refuse(CLOSED)
            return
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)
        if self._connection is not None:
            self._connection.send()
        elif self._connecting is None:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        """Connect, sign in and send what is queued; or tell those who wait why not."""
        fresh: Connection | None = None
        why = silent(f"no connection within {self._timeout:g} seconds")
        try:
            async with asyncio.timeout(self._timeout):
                fresh = await _connected(self._address, self._lost)
                await fresh.greet(self._address)
            if not fresh.why:
                self._connection = fresh
                fresh.queued = self._queued
                fresh.send()
                return
            why = fresh.why
        except TimeoutError:
            pass
        except (OSError, UnicodeError) as fault:
            why = silent(getattr(fault, "strerror", None) or str(fault))
        except MaitreError as fault:
            why = str(fault)
        finally:
            self._connecting = None
            if fresh is not None and fresh is not self._connection:
                fresh.drop(why)
        self._refuse(why)

    def _lost(self, connection: Connection) -> None:
        """A connection has ended: what it did not answer is sent once more."""
        again: list[Call] = []
        for future, words, deadline, sent_before in connection.unanswered:
            if future.done():
                continue
            if sent_before:
                future.set_exception(StoreDown(connection.why))
            else:
                again.append((future, words, deadline, True))
        connection.unanswered.clear()
        self._queued.extendleft(reversed(again))
        if connection is self._connection:
            self._connection = None
            if self._queued:
                self._flush()

    def _look(self) -> None:
        """See whether the oldest call is overdue; a reply may lie in the socket while the loop was held up."""
        assert self._loop is not None
        oldest = self._oldest()
        if oldest is None:
            self._timer = None
        elif oldest[2] > self._loop.time():
            self._timer = self._loop.call_at(oldest[2], self._look)
        else:
            self._timer = self._loop.call_later(SECOND_LOOK, self._judge, oldest)

    def _judge(self, overdue: Call) -> None:
        if overdue is self._oldest():
            sentence = silent(f"no reply within {self._timeout:g} seconds")
            if self._connection is not None and self._connection.unanswered:
                self._connection.drop(sentence)  # later replies could not be told apart from this one's
            else:
                self._refuse(sentence, overdue[2])
        self._look()

    def _oldest(self) -> Call | None:
        if self._connection is not None and self._connection.unanswered:
            return self._connection.unanswered[0]
        return self._queued[0] if self._queued else None

    def _refuse(self, sentence: str, until: float = float("inf")) -> None:
        """Tell the queued calls whose deadline is not after `until` that they cannot be made."""
        while self._queued and self._queued[0][2] <= until:
            future = self._queued.popleft()[0]
            if not future.done():
                future.set_exception(StoreDown(sentence))


async def _connected(where: Address, lost: Callable[[Connection], None]) -> Connection:
    loop = asyncio.get_running_loop()
    if where.path:
        return (await loop.create_unix_connection(lambda: Connection(lost), where.path))[1]
    tls = ssl.create_default_context() if where.tls else None
    return (await loop.create_connection(lambda: Connection(lost), where.host, where.port, ssl=tls))[1]
