"""From a pool thread to the engine's loop and back: order, coalescing, faults, opening and closing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from maitre import portal as portals
from maitre.chat.shown import Sink
from maitre.errors import HouseError, NoPlace
from maitre.portal import EngineThread, Portal
from maitre.seats import SEATS
from tests.maitre.turns import DONE, Engine, Turn, events, server


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait until something is true, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def test_events_come_in_order_and_end_with_one_done(portal: Portal) -> None:
    """Every event once, in order, then [DONE], then the end, however often one asks again."""
    names = [f"{number} ї" for number in range(500)]
    reader = portal.stream(server(*names))
    assert events(list(reader)) == [f"data: {name}" for name in names] + [DONE]
    for _ in range(3):
        with pytest.raises(StopIteration):
            next(reader)


def test_an_empty_turn_is_only_its_end(portal: Portal) -> None:
    """A reader always gets [DONE]."""
    assert list(portal.stream(server())) == [DONE]


def test_events_that_wait_travel_together(portal: Portal) -> None:
    """The server pays for every string that it is handed, so a slow reader gets many events in one, whole."""
    emitted = threading.Event()

    async def serve(sink: Sink) -> None:
        await server(*(str(number) for number in range(100)))(sink)
        emitted.set()

    reader = portal.stream(serve)
    assert emitted.wait(5)
    texts = list(reader)
    assert len(texts) < 10
    assert events(texts) == [f"data: {number}" for number in range(100)] + [DONE]


def test_the_first_event_is_not_held_back(portal: Portal) -> None:
    """Time to first token: the first event comes while the turn is still thinking about the second."""
    go = threading.Event()

    async def serve(sink: Sink) -> None:
        await sink.emit(b"data: first")
        await asyncio.to_thread(go.wait, 10)
        await sink.emit(b"data: second")

    reader = portal.stream(serve)
    assert next(reader) == "data: first"
    go.set()
    assert events(list(reader)) == ["data: second", DONE]


def test_a_lone_event_comes_without_a_successor(portal: Portal) -> None:
    """What was emitted is handed over soon, also when nothing follows."""
    go = threading.Event()

    async def serve(sink: Sink) -> None:
        await sink.emit(b"data: 1")
        await sink.emit(b"data: 2")
        await asyncio.to_thread(go.wait, 10)

    reader = portal.stream(serve)
    got = events([next(reader)])
    if got == ["data: 1"]:
        got += events([next(reader)])
    assert got == ["data: 1", "data: 2"]
    go.set()
    assert list(reader) == [DONE]


def test_many_turns_at_once_keep_their_own_order(portal: Portal) -> None:
    """Forty streams through one thread do not mix."""

    def read(number: int) -> list[str]:
        return events(list(portal.stream(server(*(f"{number}-{step}" for step in range(200))))))

    with ThreadPoolExecutor(40) as pool:
        for number, got in enumerate(pool.map(read, range(40))):
            assert got == [f"data: {number}-{step}" for step in range(200)] + [DONE]


def test_an_exception_in_a_stream_is_never_silent(portal: Portal, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever escapes a turn, the guest gets an error event before [DONE], and the log a line without its words."""

    async def serve(sink: Sink) -> None:
        await sink.emit(b"data: begun")
        raise RuntimeError("a bug")

    got = events(list(portal.stream(serve)))
    assert '"error"' in got[-2]
    assert "RuntimeError at test_portal.py" in caplog.text
    assert "a bug" not in caplog.text


def test_an_exception_ends_the_stream(portal: Portal) -> None:
    """The reader never waits for a turn that is no more."""

    async def serve(sink: Sink) -> None:
        raise RuntimeError("a bug")

    assert events(list(portal.stream(serve)))[-1] == DONE


def test_a_call_brings_back_the_result_or_the_exception(portal: Portal) -> None:
    """From another thread, on the engine's loop."""

    async def here() -> object:
        return asyncio.get_running_loop()

    async def fail() -> None:
        raise HouseError("no")

    assert portal.call(here()) is portal.engine.loop  # type: ignore[attr-defined]
    with pytest.raises(HouseError, match="no"):
        portal.call(fail())


def test_closing_ends_the_turns_and_then_the_engine() -> None:
    """Open turns are cancelled and their readers released, the engine is closed, the thread is gone."""
    own = EngineThread(Engine)  # type: ignore[arg-type]
    portal, turn = own.portal, Turn()
    reader = portal.stream(turn.serve)
    next(reader)
    own.close()
    assert turn.cancelled.is_set()
    assert events(list(reader))[-1] == DONE
    assert portal.engine.started  # type: ignore[attr-defined]
    assert portal.engine.closed  # type: ignore[attr-defined]
    assert not own.thread.is_alive()


def test_an_engine_that_cannot_be_built_leaves_no_thread() -> None:
    """A door that starts without its house says so, and can be started again."""

    def fail() -> Any:
        raise HouseError("The secret “stamp” is missing.")

    before = threading.active_count()
    with pytest.raises(HouseError):
        EngineThread(fail)
    wait_for(lambda: threading.active_count() <= before, "a thread is left", seconds=1)


def test_the_first_plugin_opens_and_the_last_one_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All plugins of a process share one portal; a reload opens a new one."""
    monkeypatch.setattr(portals, "find_house", lambda: None)
    monkeypatch.setattr(portals, "load_house", lambda folder: None)
    monkeypatch.setattr(portals, "Engine", lambda house: Engine())
    first = portals.join()
    assert portals.join() is portals.current() is first
    portals.leave()
    assert portals.current() is first
    own = portals._own
    assert own is not None
    portals.leave()
    assert not own.thread.is_alive()
    with pytest.raises(HouseError, match="not running"):
        portals.current()
    again = portals.join()
    assert again is not first
    portals.leave()
    portals.leave()  # once too often is no harm
    assert portals._own is None


async def test_a_host_hands_its_engine_to_the_plugins() -> None:
    """Plugins of the host join and leave as often as they like: it is the host's one portal, without a thread."""
    before = threading.active_count()
    hosted = Portal(Engine(), asyncio.get_running_loop())  # type: ignore[arg-type]
    portals.host(hosted)
    try:
        assert portals.join() is portals.join() is portals.current() is hosted
        for _ in range(3):
            portals.leave()
        assert portals.current() is hosted
        assert not hosted.engine.closed  # type: ignore[attr-defined]
        assert threading.active_count() == before
    finally:
        portals.host(None)
    with pytest.raises(HouseError, match="not running"):
        portals.current()


async def test_a_call_from_the_engines_own_loop_is_refused() -> None:
    """It would wait for itself for ever; work that is submitted there and awaited is done."""

    async def here() -> str:
        return "done"

    hosted = Portal(Engine(), asyncio.get_running_loop())  # type: ignore[arg-type]
    with pytest.raises(HouseError, match="wait for itself"):
        hosted.call(here())
    assert await asyncio.wrap_future(hosted.submit(here())) == "done"
    assert await asyncio.to_thread(hosted.call, here()) == "done"


def test_a_full_house_refuses_the_next_turn_at_once(portal: Portal) -> None:
    """Only so many turns wait for their first token or whole answer; a status line is no token."""
    go, seated = threading.Event(), portal.seats

    async def serve(sink: Sink) -> None:
        await sink.emit(b'data: {"event":{}}')
        await asyncio.to_thread(go.wait, 10)
        await sink.emit(b"data: token")
        await asyncio.Event().wait()

    readers = [portal.stream(serve) for _ in range(SEATS)]
    assert [next(reader) for reader in readers] == ['data: {"event":{}}'] * SEATS
    with pytest.raises(NoPlace) as full:
        portal.stream(serve)
    assert (full.value.status, full.value.type, full.value.retry_after) == (429, "rate_limit_error", 10)
    go.set()
    assert [next(reader) for reader in readers] == ["data: token"] * SEATS
    with seated.take():
        assert next(portal.stream(serve))
