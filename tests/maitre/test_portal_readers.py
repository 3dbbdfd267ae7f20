"""Readers who are slow, come late, or leave."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from maitre import portal as portals
from maitre.chat.turn import Emit
from maitre.portal import BUFFER, EMPTY, Beat, Channel, Portal, Reader
from tests.maitre.turns import DONE, Turn, events


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait until something is true, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def test_a_slow_reader_holds_the_turn_back(portal: Portal) -> None:
    """No more than the buffer waits; when the reader comes everything does, in order."""
    sent: list[int] = []

    async def serve(emit: Emit) -> None:
        for number in range(64):
            await emit(f"data: {number:06d}".encode() + b"x" * 65_530)
            sent.append(number)

    reader = portal.stream(serve)
    wait_for(lambda: reader._channel._room is not None, "the turn waits for room")
    assert len(sent) * 65_542 <= BUFFER + 65_542
    got = events(list(reader))
    assert [event[6:12] for event in got[:-1]] == [f"{number:06d}" for number in range(64)]
    assert got[-1] == DONE


def test_the_reader_may_come_between_the_look_and_the_wait(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that empties the buffer just before the turn waits for room must not leave both waiting for ever."""
    finished = threading.Event()
    reader: list[Reader] = []
    real = portal._loop.create_future

    class Loop:
        def __getattr__(self, name: str) -> Any:
            return getattr(portal._loop, name)

        def create_future(self) -> Any:
            if reader:
                reader.pop()._channel.pull()
            return real()

    async def serve(emit: Emit) -> None:
        await emit(b"data: " + b"x" * (BUFFER - 6))
        await emit(b"data: more")
        finished.set()

    def channel(loop: Any, *words: Any) -> Any:
        return made(Loop(), *words)  # type: ignore[arg-type]

    made = portals.Channel
    monkeypatch.setattr(portals, "Channel", channel)
    hold = portal.stream(lambda emit: _after(lambda: bool(reader), serve, emit))
    reader.append(hold)
    assert finished.wait(5), "the turn waits for a reader that has already been there"


async def _after(condition: Callable[[], bool], serve: Callable[[Emit], Any], emit: Emit) -> None:
    while not condition():  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.001)
    await serve(emit)


def test_a_reader_that_is_thrown_away_cancels_the_turn(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server drops its iterator when the client is gone."""
    monkeypatch.setattr(portals, "TICK", 0.01)
    turn = Turn()
    reader: Reader | None = portal.stream(turn.serve)
    assert reader is not None
    next(reader)
    del reader
    assert turn.cancelled.wait(5)


def test_a_reader_that_pulls_no_more_cancels_the_turn(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is kept but not asked has left as well; afterwards it finds the end."""
    monkeypatch.setattr(portals, "ABANDONED", 0.1)
    turn = Turn()
    reader = portal.stream(turn.serve)
    next(reader)
    assert turn.cancelled.wait(5)
    assert events(list(reader))[-1] == DONE


async def test_only_a_reader_who_does_not_ask_has_left() -> None:
    """A blocked pull waits for a slow upstream; it is nobody's leaving, however long it takes."""
    loop = asyncio.get_running_loop()
    channel = Channel(loop, Beat(loop), heartbeat=False)
    much_later = time.monotonic() + 1000
    assert not channel.abandoned(time.monotonic())  # it has only just begun
    assert channel.abandoned(much_later)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(channel.pull)
        while not channel.pulling:  # noqa: ASYNC110 - the other side is a thread
            await asyncio.sleep(0.001)
        assert not channel.abandoned(much_later)
        await channel.emit(b"data: 1")
        assert await asyncio.wrap_future(rest) == "data: 1"
    assert channel.abandoned(much_later)
    channel.gone = True
    assert channel.abandoned(time.monotonic())


def test_a_browsers_reader_comes_back_while_nothing_happens(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only between two pulls does the server notice that its guest pressed Stop; an empty chunk makes it look."""
    monkeypatch.setattr(portals, "HEARTBEAT", 0.01)
    go = threading.Event()

    async def serve(emit: Emit) -> None:
        await asyncio.to_thread(go.wait, 10)
        await emit(b"data: late")

    reader = portal.stream(serve, heartbeat=True)
    assert [next(reader) for _ in range(3)] == [EMPTY] * 3
    go.set()
    assert [event for event in events(list(reader)) if event != EMPTY] == ["data: late", DONE]


def test_an_api_clients_stream_has_no_empty_chunks(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not the upstream's goes to browser chats only."""
    monkeypatch.setattr(portals, "HEARTBEAT", 0.01)
    go = threading.Event()

    async def serve(emit: Emit) -> None:
        await asyncio.to_thread(go.wait, 10)
        await emit(b"data: late")

    reader = portal.stream(serve)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(lambda: events(list(reader)))
        wait_for(lambda: reader._channel.pulling, "the reader waits")
        go.set()
        assert rest.result(5) == ["data: late", DONE]


def test_with_the_servers_pool_full_nobody_has_left(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that cannot get a thread is not gone: while nearly all threads wait here, no turn is ended."""
    monkeypatch.setattr(portals, "ABANDONED", 0.0)
    monkeypatch.setattr(portals, "TICK", 0.01)
    monkeypatch.setattr(portals, "POOL", 5)
    go, turn = threading.Event(), Turn()

    async def silent(emit: Emit) -> None:
        await asyncio.to_thread(go.wait, 10)

    waiting = portal.stream(silent)
    with ThreadPoolExecutor(1) as pool:
        end = pool.submit(lambda: list(waiting))
        wait_for(lambda: waiting._channel.pulling, "one of the pool's threads waits")
        reader = portal.stream(turn.serve)
        next(reader)
        wait_for(lambda: turn.emitted > 20, "the turn goes on while nobody pulls")
        assert not turn.cancelled.is_set()
        go.set()
        end.result(5)
    assert turn.cancelled.wait(5)


async def test_no_more_is_taken_than_was_put() -> None:
    """Else a long stream of short events may fill more and more than the buffer."""
    loop = asyncio.get_running_loop()
    channel = Channel(loop, Beat(loop), heartbeat=False)
    for _ in range(1000):
        await channel.emit(b"data: 1")
    channel.hand_over()
    channel.pull()
    assert channel._taken == channel._put


def test_a_slow_reader_whose_turn_was_ended_is_told(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the server's 40 threads busy a reader may be late; a cut answer must not look like a whole one."""
    monkeypatch.setattr(portals, "ABANDONED", 0.1)
    turn = Turn()
    reader = portal.stream(turn.serve)
    next(reader)
    assert turn.cancelled.wait(5)
    assert any('"error"' in event for event in events(list(reader)))
