"""One connection to Valkey: calls are written together, and the replies come in the same order."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from hiredis import ProtocolError, Reader, ReplyError, pack_command

from maitre.errors import StoreDown
from maitre.valkey.address import Address
from maitre.valkey.fault import MOVED, fault, silent

#: A call: where its answer goes, its bytes, its deadline on the loop's clock, and whether it was sent before.
Call = tuple[asyncio.Future[Any], bytes, float, bool]

#: How many calls may be unanswered on the wire; further ones wait for their turn.
MOST_CALLS = 10_000

#: Bytes of one write, and bytes that may wait in the socket's buffer until the server reads on.
MOST_BYTES = 1 << 20

NAME = "maitre"


class Connection(asyncio.Protocol):
    """Takes its calls from `queued`. When it has ended, `why` is a sentence, and `lost` sees to the `unanswered`."""

    def __init__(self, lost: Callable[[Connection], None]) -> None:
        self.queued: deque[Call] = deque()
        self.unanswered: deque[Call] = deque()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.why = ""
        self._lost = lost
        self._reader = Reader()
        self._paused = False
        self._transport: asyncio.Transport

    async def greet(self, where: Address) -> None:
        """Sign in and choose the database. StoreDown when the server refuses that."""
        signing = [where.user] if where.user else []
        commands: list[tuple[Any, ...]] = [("CLIENT", "SETNAME", NAME)]
        if where.database:
            commands.insert(0, ("SELECT", where.database))
        if where.user or where.password:
            commands.insert(0, ("AUTH", *signing, where.password))
        answers = [self.gone.get_loop().create_future() for _ in commands]
        for answer, words in zip(answers, commands, strict=True):
            self.queued.append((answer, pack_command(words), math.inf, True))
        self.send()
        await asyncio.gather(*answers)

    def send(self) -> None:
        """Write as many of the queued calls as there is room for."""
        queued, unanswered = self.queued, self.unanswered
        while queued and not self._paused and len(unanswered) < MOST_CALLS:
            size, words = 0, []
            while queued and size < MOST_BYTES and len(unanswered) < MOST_CALLS:
                call = queued.popleft()
                if not call[0].done():  # its caller may have left
                    unanswered.append(call)
                    words.append(call[1])
                    size += len(call[1])
            self._transport.write(b"".join(words))

    def drop(self, sentence: str) -> None:
        """End at once; everybody who waits for a reply reads the sentence."""
        for call in self.unanswered:
            if not call[0].done():
                call[0].set_exception(StoreDown(sentence))
        self.unanswered.clear()
        self._transport.abort()
        self._end(sentence)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The protocol's first event."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(MOST_BYTES)

    def data_received(self, data: bytes) -> None:
        """Hand each whole reply to the oldest call."""
        gets, unanswered, moved = self._reader.gets, self.unanswered, ""
        self._reader.feed(data)
        try:
            while (reply := gets()) is not False:
                future = unanswered.popleft()[0]
                if reply.__class__ is not ReplyError:
                    if not future.done():
                        future.set_result(reply)
                    continue
                text = str(reply)
                if text.startswith(MOVED):
                    moved = text
                if not future.done():
                    future.set_exception(fault(text))
        except ProtocolError:
            self.drop(silent("what came is not its protocol"))
        except IndexError:
            self.drop(silent("it said something that nobody had asked"))
        else:
            if moved:
                self.drop(str(fault(moved)))
            elif self.queued:
                self.send()

    def pause_writing(self) -> None:
        """The server does not read as fast as we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused = False
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """The protocol's last event."""
        self.gone.set_result(None)
        self._end(silent(getattr(exc, "strerror", None) or str(exc or "it closed the connection")))

    def _end(self, sentence: str) -> None:
        self.why = self.why or sentence
        self.queued = deque()
        self._lost(self)
