"""Readers who are slow, come late, or leave."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from maitre import channel as channels
from maitre import portal as portals
from maitre import room as rooms
from maitre.channel import EMPTY, Beat, Channel, Reader
from maitre.chat.shown import Sink
from maitre.portal import Portal
from maitre.room import BUFFER, Room
from maitre.seats import Seats
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

    async def serve(sink: Sink) -> None:
        for number in range(64):
            await sink.emit(f"data: {number:06d}".encode() + b"x" * 65_530)
            sent.append(number)

    reader = portal.stream(serve)
    wait_for(lambda: reader._channel._room.awaited, "the turn waits for room")
    assert len(sent) * 65_542 <= BUFFER
    got = events(list(reader))
    assert [event[6:12] for event in got[:-1]] == [f"{number:06d}" for number in range(64)]
    assert got[-1] == DONE


async def test_the_reader_may_come_between_the_look_and_the_wait() -> None:
    """A reader that empties the buffer just before the turn waits for room must not leave both waiting for ever."""

    class Loop:
        def create_future(self) -> asyncio.Future[None]:
            room.took(BUFFER)  # on its own thread, so it does not see yet that it is awaited
            return asyncio.get_running_loop().create_future()

    room = Room(Loop())  # type: ignore[arg-type]
    room.put(BUFFER)
    async with asyncio.timeout(5):
        await room.make(100)
    assert not room.awaited


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
    monkeypatch.setattr(channels, "ABANDONED", 0.1)
    turn = Turn()
    reader = portal.stream(turn.serve)
    next(reader)
    assert turn.cancelled.wait(5)
    assert events(list(reader))[-1] == DONE


async def test_only_a_reader_who_does_not_ask_has_left() -> None:
    """A blocked pull waits for a slow upstream; it is nobody's leaving, however long it takes."""
    loop = asyncio.get_running_loop()
    channel = Channel(loop, Beat(loop), False, Seats(1).take())
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
    monkeypatch.setattr(channels, "HEARTBEAT", 0.01)
    go = threading.Event()

    async def serve(sink: Sink) -> None:
        await asyncio.to_thread(go.wait, 10)
        await sink.emit(b"data: late")

    reader = portal.stream(serve, heartbeat=True)
    assert [next(reader) for _ in range(3)] == [EMPTY] * 3
    go.set()
    assert [event for event in events(list(reader)) if event != EMPTY] == ["data: late", DONE]


def test_an_api_clients_stream_has_no_empty_chunks(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not the upstream's goes to browser chats only."""
    monkeypatch.setattr(channels, "HEARTBEAT", 0.01)
    go = threading.Event()

    async def serve(sink: Sink) -> None:
        await asyncio.to_thread(go.wait, 10)
        await sink.emit(b"data: late")

    reader = portal.stream(serve)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(lambda: events(list(reader)))
        wait_for(lambda: reader._channel.pulling, "the reader waits")
        go.set()
        assert rest.result(5) == ["data: late", DONE]


def test_with_the_servers_pool_full_nobody_has_left(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that cannot get a thread is not gone: while nearly all threads wait here, no turn is ended."""
    monkeypatch.setattr(channels, "ABANDONED", 0.0)
    monkeypatch.setattr(portals, "TICK", 0.01)
    monkeypatch.setattr(portals, "POOL", 5)
    go, turn = threading.Event(), Turn()

    async def silent(sink: Sink) -> None:
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
    channel = Channel(loop, Beat(loop), False, Seats(1).take())
    for _ in range(1000):
        await channel.emit(b"data: 1")
    channel.hand_over()
    channel.pull()
    assert channel._room.behind == channel._pulled == 1000 * len("data: 1\n\n")


def test_what_the_server_has_in_hand_still_waits_for_the_reader(portal: Portal) -> None:
    """The server comes back only when its client has taken the last piece; until then that piece counts."""
    sent: list[int] = []

    async def serve(sink: Sink) -> None:
        for number in range(40):
            await sink.emit(b"data: " + b"x" * 65_530)
            sent.append(number)

    reader = portal.stream(serve)
    wait_for(lambda: reader._channel._room.awaited, "the turn waits for room")
    first = next(reader)
    waiting = len(sent)
    assert len(first) <= BUFFER
    assert reader._channel._room.behind <= BUFFER
    assert len(events(list(reader))) + len(events([first])) == 41
    assert waiting * 65_538 <= BUFFER


def test_a_reader_who_makes_no_room_is_cut(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the server's pool is: a full buffer does not keep its turn, and its hold, for ever."""
    monkeypatch.setattr(channels, "ABANDONED", 1000.0)
    monkeypatch.setattr(rooms, "SLOW", 0.05)
    cut = threading.Event()

    async def serve(sink: Sink) -> None:
        try:
            while True:
                await sink.emit(b"data: " + b"x" * 65_530)
        except asyncio.CancelledError:
            cut.set()
            raise

    reader = portal.stream(serve)
    assert cut.wait(5)
    got = events(list(reader))
    assert '"error"' in got[-2]
    assert got[-1] == DONE


async def test_a_large_event_waits_alone() -> None:
    """An event larger than the buffer goes out when nothing else waits."""
    loop = asyncio.get_running_loop()
    channel = Channel(loop, Beat(loop), False, Seats(1).take())
    await channel.emit(b"data: 1")
    large = asyncio.create_task(channel.emit(b"data: " + b"x" * (2 * BUFFER)))
    while not channel._room.awaited:  # noqa: ASYNC110 - the other side is a task
        await asyncio.sleep(0)
    assert channel.pull() == "data: 1"
    assert not large.done()
    rest = asyncio.create_task(asyncio.to_thread(channel.pull))
    await large
    channel.hand_over()
    assert len(await rest) == 2 * BUFFER + 6


def test_a_slow_reader_whose_turn_was_ended_is_told(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the server's 40 threads busy a reader may be late; a cut answer must not look like a whole one."""
    monkeypatch.setattr(channels, "ABANDONED", 0.1)
    turn = Turn()
    reader = portal.stream(turn.serve)
    next(reader)
    assert turn.cancelled.wait(5)
    assert any('"error"' in event for event in events(list(reader)))
