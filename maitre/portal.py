"""From synchronous code to the asynchronous engine: one event loop owns every turn.

The bare Pipelines server calls `pipe()` in a pool thread and is not told when its reader leaves: a generator's
`finally` may run minutes later, on any thread (docs/why.md). So a turn is a task of the engine's loop, and
`pipe()` only drains a bounded channel. A channel that nobody has pulled for ABANDONED seconds
has lost its reader; its turn is cancelled, and settles itself.

In the bare server the engine has a loop and a thread of its own. The hardened host (`gateway/`) runs the engine on
the server's loop and hands it to the plugins here, so that a process has one engine either way.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from maitre.app import Engine
from maitre.channel import Beat, Channel, Reader
from maitre.chat.openai_wire import error_chunk
from maitre.chat.sentences import SENTENCES
from maitre.chat.shown import Sink
from maitre.errors import HouseError, ProviderError
from maitre.faults import outline
from maitre.seats import SEATS, Seats
from maitre.settings import find_house, load_house

log = logging.getLogger(__name__)
T = TypeVar("T")

POOL = 40  # threads of the Pipelines server's pool (AnyIO's default)
TICK = 0.5  # seconds between looks for abandoned channels
START = 10.0  # seconds that starting the engine may take
CLOSE = 5.0  # seconds that closing it may take

Serve = Callable[[Sink], Coroutine[Any, Any, None]]


class Portal:
    """The way to an engine and its loop, from the threads of the process."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self.seats = Seats(SEATS)
        self._loop = loop
        self._beat = Beat(loop)
        self._channels: set[Channel] = set()
        self._callers = 0  # threads that wait in `call`
        self._counting = threading.Lock()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run something on the engine's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run something on the engine's loop and wait for it, from another thread."""
        if _running_loop() is self._loop:
            work.close()
            raise HouseError("The engine's loop cannot wait for itself: await the work instead.")
        with self._counting:
            self._callers += 1
        try:
            return self.submit(work).result(timeout)
        finally:
            with self._counting:
                self._callers -= 1

    def stream(
        self, serve: Serve, *, heartbeat: bool = False, broken: Callable[[], bytes] = lambda: broke_off("en")
    ) -> Reader:
        """Start a turn; the reader yields its events and ends with one [DONE]. With a heartbeat a reader that
        leaves before the first event is noticed as well; it is for browser chats only. `broken` gives the event
        for a stream that does not reach its end. Raises NoPlace."""
        channel = Channel(self._loop, self._beat, heartbeat, self.seats.take())
        channel.task = self.submit(self._serve(channel, serve, broken))
        return Reader(channel)

    async def _serve(self, channel: Channel, serve: Serve, broken: Callable[[], bytes]) -> None:
        self._channels.add(channel)
        try:
            await serve(channel)
        except asyncio.CancelledError:
            # A reader who left reads no more; one who was only slow must not take the rest for the whole.
            channel.tell(broken())
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, the guest must read a sentence
            log.error("A turn failed: %s", outline(fault))
            channel.tell(broken())
        finally:
            self._channels.discard(channel)
            channel.close()

    async def watch(self) -> None:
        """Cancel the turns whose readers have left, for as long as it runs."""
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            # With a full pool readers may be waiting for a thread; then only those that are surely gone have left.
            full = self._callers + sum(channel.pulling for channel in self._channels) >= POOL - 4
            for channel in list(self._channels):
                if channel.task is not None and (channel.gone or (not full and channel.abandoned(now))):
                    channel.task.cancel()

    def end_turns(self) -> None:
        """Cancel every turn."""
        for channel in list(self._channels):
            if channel.task is not None:
                channel.task.cancel()


class EngineThread:
    """An engine with a loop and a thread of its own, and the portal to it."""

    def __init__(self, build: Callable[[], Engine]) -> None:
        self._loop = _new_loop()
        self.thread = threading.Thread(target=self._run, name="maitre-engine", daemon=True)
        self.thread.start()
        try:
            self.portal = asyncio.run_coroutine_threadsafe(self._open(build), self._loop).result(START)
        except BaseException:
            self._stop()
            raise
        self.portal.submit(self.portal.engine.start()).add_done_callback(_say_failure)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _open(self, build: Callable[[], Engine]) -> Portal:
        portal = Portal(build(), self._loop)
        self._watch = asyncio.create_task(portal.watch())
        return portal

    def close(self) -> None:
        """End all turns, settle them, close the stores, stop the thread."""
        self.portal.end_turns()
        self._loop.call_soon_threadsafe(self._watch.cancel)
        try:
            self.portal.call(self.portal.engine.close(), timeout=CLOSE)
        except TimeoutError:
            log.warning("The engine did not close in time; open calls will be charged by the sweep.")
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.thread.join(1)


_lock = threading.Lock()
_hosted: Portal | None = None
_own: EngineThread | None = None
_members = 0


def host(portal: Portal | None) -> None:
    """From now on plugins find this portal, which is its host's to close; None: no more."""
    global _hosted
    _hosted = portal


def join() -> Portal:
    """The process's one portal: the host's, else one opened by the first plugin that joins. The house is
    MAITRE_HOUSE."""
    global _own, _members
    with _lock:
        if _hosted is not None:
            return _hosted
        if _own is None:
            house = load_house(find_house())
            _own = EngineThread(lambda: Engine(house))
        _members += 1
        return _own.portal


def leave() -> None:
    """A plugin stops; with the last one its portal closes, unless it is the host's."""
    global _own, _members
    with _lock:
        if _hosted is not None:
            return
        _members = max(0, _members - 1)
        if _members == 0 and _own is not None:
            own, _own = _own, None
            own.close()


def current() -> Portal:
    """The open portal."""
    if _hosted is not None:
        return _hosted
    if _own is None:
        raise HouseError("The engine is not running in this process.")
    return _own.portal


def broke_off(code: str) -> bytes:
    """The event at the end of a stream that broke off, in the language `code`."""
    fault = ProviderError("provider_broke", status=502)
    return error_chunk(fault, SENTENCES[fault.key][code])


def _say_failure(done: Future[None]) -> None:
    if not done.cancelled() and (fault := done.exception()) is not None:
        log.error("The engine could not start fully: %s", fault)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
