"""From a synchronous plugin to the asynchronous engine: one event loop in one thread owns every turn.

The Pipelines server calls `pipe()` in a pool thread and is not told when its reader leaves: a generator's
`finally` may run minutes later, on any thread (docs/why.md). So a turn is a task of our own loop, and
`pipe()` only drains a bounded channel. A channel that nobody has pulled for ABANDONED seconds
has lost its reader; its turn is cancelled, and settles itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from maitre.app import Engine
from maitre.chat.openai_wire import error_chunk
from maitre.chat.sentences import SENTENCES
from maitre.chat.sse import DONE
from maitre.chat.turn import Emit
from maitre.errors import HouseError, ProviderError
from maitre.settings import find_house, load_house

log = logging.getLogger(__name__)
T = TypeVar("T")

ABANDONED = 3.0  # seconds without a pull by the reader
HEARTBEAT = 2.0  # seconds after which a waiting reader of a browser's turn gets an empty chunk
POOL = 40  # threads of the Pipelines server's pool (AnyIO's default)
BUFFER = 1024 * 1024  # bytes that may wait for a slow reader before the upstream is no longer read
BEAT = 0.025  # seconds that an event may wait for others
TICK = 0.5  # seconds between looks for abandoned channels
START = 10.0  # seconds that starting the engine may take
CLOSE = 5.0  # seconds that closing it may take


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
    """A turn's events on their way to the reader. The loop puts; one pool thread at a time pulls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, beat: Beat, heartbeat: bool) -> None:
        self._loop = loop
        self._beat = beat
        self._patience = HEARTBEAT if heartbeat else None
        self._waiting: list[bytes] = []
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        # Each number has one writer: the loop counts what went in, the reader what came out.
        self._put = self._taken = 0
        self._room: asyncio.Future[None] | None = None
        self.pulling = False
        self._left_at = time.monotonic()
        self.gone = False  # set by the reader's finalizer
        self._ended = False
        self.task: Future[None] | None = None

    async def emit(self, event: bytes) -> None:
        """Put an event, to be handed over at the next beat (the first one at once); wait while the reader is too
        far behind."""
        if self._put and not self._waiting:
            self._beat.expect(self)
        self._waiting.append(event)
        if not self._put:
            self.hand_over()
        self._put += len(event) + BLANK
        while self._put - self._taken > BUFFER:
            self.hand_over()
            self._room = self._loop.create_future()
            try:
                if self._put - self._taken > BUFFER:  # the reader may have come before it could see `_room`
                    await self._room
            finally:
                self._room = None

    def hand_over(self) -> None:
        """Give the reader what has come since the last beat."""
        if self._waiting:
            self._queue.put(b"\n\n".join(self._waiting))
            self._waiting.clear()

    def tell(self, event: bytes) -> None:
        """Put an event of ours, however full the buffer is."""
        self._waiting.append(event)
        self.hand_over()

    def close(self) -> None:
        """Nothing more will come."""
        self._waiting.append(DONE)
        self.hand_over()
        self._queue.put(None)

    def abandoned(self, now: float) -> bool:
        """Whether the reader has left."""
        return self.gone or (not self.pulling and now - self._left_at > ABANDONED)

    def pull(self) -> str:
        """The events that wait, joined; blocks until there is one. Raises StopIteration after the last."""
        if self._ended:
            raise StopIteration
        self.pulling = True
        try:
            first = self._queue.get(timeout=self._patience)
            batch = [] if first is None else [first]
            self._ended = first is None
            while not self._ended:
                try:
                    event = self._queue.get_nowait()
                except Empty:
                    break
                if event is None:
                    self._ended = True
                else:
                    batch.append(event)
        except Empty:
            # Nothing yet. While a reader waits here nobody learns that its guest has pressed Stop; coming back,
            # the server notices. Open WebUI passes over a chunk without choices.
            return EMPTY
        finally:
            self._left_at = time.monotonic()
            self.pulling = False
        if not batch:
            raise StopIteration
        self._taken += sum(map(len, batch)) + BLANK * len(batch)
        if self._room is not None:
            self._loop.call_soon_threadsafe(self._wake)
        return b"\n\n".join(batch).decode("utf-8", "replace")

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)


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


class Portal:
    """The engine's thread. `opened` by the first plugin that starts, closed by the last that stops."""

    def __init__(self, build: Callable[[], Engine]) -> None:
        self._loop = _new_loop()
        self._beat = Beat(self._loop)
        self._channels: set[Channel] = set()
        self._callers = 0  # threads that wait in `call`
        self._counting = threading.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="maitre-engine", daemon=True)
        self._thread.start()
        try:
            self.engine = self.call(self._build(build), timeout=START)
        except BaseException:
            self._stop()
            raise
        self.submit(self.engine.start()).add_done_callback(_say_failure)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _build(self, build: Callable[[], Engine]) -> Engine:
        self._watch = asyncio.create_task(self._watch_channels())
        return build()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run something on the engine's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run something on the engine's loop and wait for it, from another thread."""
        with self._counting:
            self._callers += 1
        try:
            return self.submit(work).result(timeout)
        finally:
            with self._counting:
                self._callers -= 1

    def stream(
        self,
        serve: Callable[[Emit], Coroutine[Any, Any, None]],
        *,
        heartbeat: bool = False,
        broken: Callable[[], bytes] = lambda: broke_off("en"),
    ) -> Reader:
        """Start a turn; the reader yields its events and ends with one [DONE]. With a heartbeat a reader that
        leaves before the first event is noticed as well; it is for browser chats only. `broken` gives the event
        for a stream that does not reach its end."""
        channel = Channel(self._loop, self._beat, heartbeat)
        channel.task = self.submit(self._serve(channel, serve, broken))
        return Reader(channel)

    async def _serve(
        self, channel: Channel, serve: Callable[[Emit], Coroutine[Any, Any, None]], broken: Callable[[], bytes]
    ) -> None:
        self._channels.add(channel)
        try:
            await serve(channel.emit)
        except asyncio.CancelledError:
            # A reader who left reads no more; one who was only slow must not take the rest for the whole.
            channel.tell(broken())
            raise
        except Exception:
            log.exception("A turn failed.")
            channel.tell(broken())
        finally:
            self._channels.discard(channel)
            channel.close()

    async def _watch_channels(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            # With a full pool readers may be waiting for a thread; then only those that are surely gone have left.
            full = self._callers + sum(channel.pulling for channel in self._channels) >= POOL - 4
            for channel in list(self._channels):
                if channel.task is not None and (channel.gone or (not full and channel.abandoned(now))):
                    channel.task.cancel()

    def close(self) -> None:
        """End all turns, settle them, close the stores, stop the thread."""
        for channel in list(self._channels):
            if channel.task is not None:
                channel.task.cancel()
        if self._watch is not None:
            self._loop.call_soon_threadsafe(self._watch.cancel)
        try:
            self.call(self.engine.close(), timeout=CLOSE)
        except TimeoutError:
            log.warning("The engine did not close in time; open calls will be charged by the sweep.")
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)


_lock = threading.Lock()
_portal: Portal | None = None
_members = 0


def join() -> Portal:
    """The process's one portal, opened by the first plugin that joins. The house is MAITRE_HOUSE."""
    global _portal, _members
    with _lock:
        if _portal is None:
            house = load_house(find_house())
            _portal = Portal(lambda: Engine(house))
        _members += 1
        return _portal


def leave() -> None:
    """A plugin stops; with the last one the portal closes."""
    global _portal, _members
    with _lock:
        _members = max(0, _members - 1)
        if _members == 0 and _portal is not None:
            portal, _portal = _portal, None
            portal.close()


def current() -> Portal:
    """The open portal."""
    if _portal is None:
        raise HouseError("The engine is not running in this process.")
    return _portal


def _say_failure(done: Future[None]) -> None:
    if not done.cancelled() and (fault := done.exception()) is not None:
        log.error("The engine could not start fully: %s", fault)


def broke_off(code: str) -> bytes:
    """The event at the end of a stream that broke off, in the language `code`."""
    fault = ProviderError("provider_broke", status=502)
    return error_chunk(fault, SENTENCES[fault.key][code])


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
