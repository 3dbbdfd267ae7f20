"""A turn of ours in the host: what is on the wire, who waits for whom, and what happens when somebody leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.event_stream import WRITE
from maitre import room as rooms
from maitre.chat.turn import Sink
from maitre.errors import BadRequest, QuotaExceeded
from maitre.room import BUFFER
from tests.gateway.client import CHAT, Answer, Client, House, asked, client, signed

DONE = b"data: [DONE]\n\n"
FULL = QuotaExceeded("requests_minute", resets_at=None, retry_after=42)


def chat(*, stream: bool) -> Client:
    """A turn of ours."""
    return client("POST", CHAT, signed(), asked(stream=stream))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is true, but not for ever."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is the test's own
            await asyncio.sleep(0)


async def streamed(serve: Callable[[Sink], Awaitable[None]]) -> Answer:
    """What a client reads of such a turn."""
    house = House()
    house.turns.streamed = serve
    return await house.ask(chat(stream=True))


async def test_events_go_out_as_they_are_and_end_once() -> None:
    """Each with its blank line, in order, then one [DONE]."""

    async def serve(sink: Sink) -> None:
        for number in range(500):
            await sink.emit(f"data: {number} ї".encode())
            if number % 7 == 0:
                await asyncio.sleep(0)

    answer = await streamed(serve)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert answer.body == "".join(f"data: {number} ї\n\n" for number in range(500)).encode() + DONE
    assert answer.whole


async def test_what_comes_together_leaves_together() -> None:
    """Events of one turn of the loop are one write, up to a size; the first is not held back for the second."""
    house, go = House(), asyncio.Event()

    async def serve(sink: Sink) -> None:
        await sink.emit(b"data: first")
        await go.wait()
        for _ in range(100):
            await sink.emit(b"data: " + b"x" * 1000)

    house.turns.streamed = serve
    one = chat(stream=True)
    asking = asyncio.create_task(house.ask(one))
    await until(lambda: one.answer.writes == [b"data: first\n\n"])
    go.set()
    await asking
    assert len(one.answer.writes) == 3
    assert max(map(len, one.answer.writes)) <= WRITE


async def test_nothing_is_sent_before_the_first_event() -> None:
    """Not even a status: a refusal may still come."""
    house, go = House(), asyncio.Event()

    async def serve(sink: Sink) -> None:
        await go.wait()
        await sink.refuse(FULL, "Come back later.")

    house.turns.streamed = serve
    one = chat(stream=True)
    asking = asyncio.create_task(house.ask(one))
    await until(lambda: bool(house.turns.requests))
    assert one.answer.status == 0
    go.set()
    answer = await asking
    assert (answer.status, answer.headers["retry-after"]) == (429, "42")
    told = {"message": "Come back later.", "type": "rate_limit_error", "code": 429, "param": None}
    assert answer.json() == {"error": told, "detail": "Come back later."}


async def test_a_refusal_after_the_first_event_is_an_event() -> None:
    """The 200 has been sent."""

    async def serve(sink: Sink) -> None:
        await sink.emit(b"data: 1")
        await sink.refuse(BadRequest("empty_message"), "No.")

    answer = await streamed(serve)
    assert answer.status == 200
    first, error, end = answer.body.split(b"\n\n")[:3]
    assert (first, end) == (b"data: 1", DONE.strip())
    assert b'{"error":{"message":"No."' in error


async def test_a_comment_is_one_line_that_nobody_reads() -> None:
    """An API client that waits in line sees that the line moves."""

    async def serve(sink: Sink) -> None:
        await sink.comment("third in\n\ndata: line")
        await sink.emit(b"data: 1")

    assert (await streamed(serve)).body == b": third in data: line\n\ndata: 1\n\n" + DONE


async def test_an_empty_stream_is_only_its_end() -> None:
    """A task that is spared emits nothing."""

    async def serve(sink: Sink) -> None:
        return

    assert (await streamed(serve)).body == DONE


@pytest.mark.parametrize("begun", [False, True])
async def test_a_fault_is_never_silent(begun: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The client reads a sentence, the log the place; neither reads the fault's own words."""

    async def serve(sink: Sink) -> None:
        if begun:
            await sink.emit(b"data: 1")
        raise RuntimeError("a guest's secret")

    answer = await streamed(serve)
    assert answer.status == (200 if begun else 502)
    assert b"The sentence of provider_broke." in answer.body
    assert answer.body.endswith(DONE) is begun
    assert "RuntimeError at test_own_turns.py" in caplog.text
    assert "secret" not in caplog.text + answer.body.decode()


async def test_a_slow_client_holds_the_turn_back() -> None:
    """No more than the buffer waits; when the client reads on it gets everything, in order."""
    house, sent = House(), 0

    async def serve(sink: Sink) -> None:
        nonlocal sent
        for number in range(64):
            await sink.emit(f"data: {number:06d}".encode() + b"x" * 65_522)
            sent += 65_536

    house.turns.streamed = serve
    one = chat(stream=True)
    one.stall()
    asking = asyncio.create_task(house.ask(one))
    await until(lambda: sent == BUFFER)
    for _ in range(100):
        await asyncio.sleep(0)
    assert sent == BUFFER
    one.read()
    answer = await asking
    events = answer.body.split(b"\n\n")
    assert [event[6:12] for event in events[:64]] == [f"{number:06d}".encode() for number in range(64)]
    assert (len(answer.body), answer.whole) == (64 * 65_536 + len(DONE), True)


@pytest.mark.parametrize("reads", [False, True], ids=["never-reads", "reads-a-little"])
async def test_a_client_who_makes_no_room_is_cut(reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its turn is cancelled and settles itself; the connection ends without the end of the stream."""
    monkeypatch.setattr(rooms, "SLOW", 0.05)
    house, cut = House(), asyncio.Event()

    async def serve(sink: Sink) -> None:
        try:
            while True:
                await sink.emit(b"data: " + b"x" * 65_522)
        except asyncio.CancelledError:
            cut.set()
            raise

    house.turns.streamed = serve
    one = chat(stream=True)
    send = one.send

    async def little(event: Any) -> None:
        await send(event)
        if len(one.answer.writes) >= 3:
            one.stall()

    if reads:
        one.send = little  # type: ignore[method-assign]
    else:
        one.stall()
    answer = await house.ask(one)
    assert cut.is_set()
    assert not answer.whole
    assert len(answer.body) <= BUFFER


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_who_leaves_ends_its_turn(stream: bool) -> None:
    """At once, before the first event as after it."""
    house, begun, ended = House(), asyncio.Event(), asyncio.Event()

    async def serve(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    house.turns.streamed = house.turns.answered = serve
    one = chat(stream=stream)
    asking = asyncio.create_task(house.ask(one))
    await begun.wait()
    one.leave()
    await asking
    async with asyncio.timeout(5):
        await ended.wait()
    await until(lambda: not house.host.turns._running)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("by", ["the host", "uvicorn"])
async def test_when_the_server_ends_its_clients_are_told(stream: bool, by: str) -> None:
    """A turn that the server cancels is a real error before its first byte."""
    house, begun = House(), asyncio.Event()

    async def serve(*_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    house.turns.streamed = house.turns.answered = serve
    asking = asyncio.create_task(house.ask(chat(stream=stream)))
    await begun.wait()
    if by == "uvicorn":
        asking.cancel()
    else:
        await house.host.turns.end(5)
    answer = await asking
    assert answer.status == (502 if stream else 503)
    assert answer.json()["error"]["message"]
    await until(lambda: not house.host.turns._running)


@pytest.mark.parametrize("by", ["the host", "uvicorn"])
async def test_a_stream_that_the_server_ends_says_so(by: str) -> None:
    """What was read must not look like the whole answer."""
    house = House()

    async def serve(sink: Sink) -> None:
        await sink.emit(b"data: 1")
        await asyncio.Event().wait()

    house.turns.streamed = serve
    one = chat(stream=True)
    asking = asyncio.create_task(house.ask(one))
    await until(lambda: bool(one.answer.writes))
    if by == "uvicorn":
        asking.cancel()
    else:
        await house.host.turns.end(5)
    answer = await asking
    first, error, end = answer.body.split(b"\n\n")[:3]
    assert (first, end, b'"error"' in error, answer.whole) == (b"data: 1", DONE.strip(), True, True)


async def test_a_whole_answer_is_json_and_its_refusal_an_error() -> None:
    """With the time after which to come back."""
    house = House()
    answer = await house.ask(chat(stream=False))
    assert (answer.status, answer.json()) == (200, {"said": "hi"})

    async def refuse() -> None:
        raise FULL

    house.turns.answered = refuse
    answer = await house.ask(chat(stream=False))
    assert (answer.status, answer.headers["retry-after"]) == (429, "42")
    assert answer.json()["detail"] == "The sentence of requests_minute."


@pytest.mark.parametrize("stream", [None, "true", 1, "absent"])
async def test_only_true_asks_for_a_stream(stream: Any) -> None:
    """OpenAI's default is a whole answer."""
    more = {} if stream == "absent" else {"stream": stream}
    assert (await House().ask(client("POST", CHAT, signed(), asked(**more)))).json() == {"said": "hi"}
