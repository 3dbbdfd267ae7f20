"""A turn's events on their way from the engine's loop to a reader in a pool thread of the bare Pipelines server."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from maitre.chat.openai_wire import error_chunk
from maitre.chat.sse import DONE, is_status
from maitre.errors import Refusal
from maitre.room import Room
from maitre.seats import Seat

ABANDONED = 3.0  # seconds without a pull by the reader
HEARTBEAT = 2.0  # seconds after which a waiting reader of a browser's turn gets an empty chunk
BEAT = 0.025  # seconds that an event may wait for others

#: Bytes of the blank line after an event.
BLANK = 2

#: An own event for browser chats that says nothing.
EMPTY = 'data: {"object":"chat.completion.chunk","choices":[]}'


class Beat:
    """Hands events to the readers of all channels together, every BEAT seconds while there are any.

    Each hand-over wakes a pool thread and the server's loop, which costs more than all the rest of a chunk
    (benchmarks, B8); together they wake once for many streams, and an eye does not see the difference.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._channels: list[Channel] = []

    def expect(self, channel: Channel) -> None:
        """The channel has something to hand over."""
        if not self._channels:
            self._loop.call_later(BEAT, self._strike)
        self._channels.append(channel)

    def _strike(self) -> None:
        for channel in self._channels:
            channel.hand_over()
        self._channels.clear()


class Channel:
    """The sink of one turn. The loop puts; one pool thread at a time pulls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, beat: Beat, heartbeat: bool, seat: Seat) -> None:
        self._loop = loop
        self._beat = beat
        self._patience = HEARTBEAT if heartbeat else None
        self._seat = seat
        self._waiting: list[bytes] = []
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = Room(loop)
        self._begun = False
        self._pulled = 0  # bytes that the reader has in hand; they count as taken when it comes back
        self.pulling = False
        self._left_at = time.monotonic()
        self.gone = False  # set by the reader's finalizer
        self._ended = False
        self.task: Future[None] | None = None

    # ── the turn's side ──

    async def emit(self, event: bytes) -> None:
        """Put an event, to be handed over at the next beat (the first one at once); wait while the reader is too
        far behind."""
        size = len(event) + BLANK
        if self._room.full_with(size):
            self.hand_over()  # before the turn waits for room the reader must have everything
            await self._room.make(size)
        if not is_status(event):
            self._seat.leave()
        if self._begun and not self._waiting:
            self._beat.expect(self)
        self._waiting.append(event)
        self._room.put(size)
        if not self._begun:
            self._begun = True
            self.hand_over()

    async def refuse(self, refused: Refusal, text: str) -> None:
        """The Pipelines server has sent its 200 before it asks us: a refusal is an error event."""
        await self.emit(error_chunk(refused, text))

    async def comment(self, text: str) -> None:
        """Nothing: the server would make content of whatever does not begin with `data:`."""

    def hand_over(self) -> None:
        """Give the reader what has come since the last beat."""
        if self._waiting:
            self._queue.put(b"\n\n".join(self._waiting))
            self._waiting.clear()

    def tell(self, event: bytes) -> None:
        """Put an event of ours, however full the buffer is."""
        self._waiting.append(event)
        self._room.put(len(event) + BLANK)
        self.hand_over()

    def close(self) -> None:
        """Nothing more will come."""
        self._seat.leave()
        self._waiting.append(DONE)
        self.hand_over()
        self._queue.put(None)

    def abandoned(self, now: float) -> bool:
        """Whether the reader has left."""
        return self.gone or (not self.pulling and now - self._left_at > ABANDONED)

    # ── the reader's side ──

    def pull(self) -> str:
        """The events that wait, joined; blocks until there is one. Raises StopIteration after the last."""
        if self._ended:
            raise StopIteration
        self.pulling = True
        try:
            # Only now has the server written what it got before.
            self._room.took(self._pulled)
            self._pulled = 0
            if self._room.awaited:
                self._loop.call_soon_threadsafe(self._room.wake)
            batch = self._take()
        except Empty:
            # Nothing yet. While a reader waits here nobody learns that its guest has pressed Stop; coming back,
            # the server notices. Open WebUI passes over a chunk without choices.
            return EMPTY
        finally:
            self._left_at = time.monotonic()
            self.pulling = False
        if not batch:
            raise StopIteration
        self._pulled = sum(map(len, batch)) + BLANK * len(batch)
        return b"\n\n".join(batch).decode("utf-8", "replace")

    def _take(self) -> list[bytes]:
        """Everything that was handed over, at least one piece unless the end has come."""
        batch: list[bytes] = []
        piece = self._queue.get(timeout=self._patience)
        while piece is not None:
            batch.append(piece)
            try:
                piece = self._queue.get_nowait()
            except Empty:
                return batch
        self._ended = True
        return batch


class Reader:
    """What `pipe()` returns: an iterator over a channel's events.

    It is no generator, because to a generator the Pipelines server appends a second `finish_reason` and a `[DONE]`
    without its closing blank line. The server closes each string with the blank line, so several waiting events
    travel as one string.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __iter__(self) -> Reader:
        return self

    def __next__(self) -> str:
        return self._channel.pull()

    def __del__(self) -> None:
        # It may run on any thread and at any time: a flag is all that is safe here.
        self._channel.gone = True
