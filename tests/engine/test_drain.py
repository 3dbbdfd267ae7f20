"""A server that is told to end: what it has begun it ends, and what it cannot end it settles. On both doors."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import requests

from devstack.process import alive, exit_code
from maitre.settings import Endpoint
from tests.engine.answers import script
from tests.engine.hall import Hall
from tests.raw_socket import RawAnswer, raw_chat
from tests.upstream import ScriptedUpstream

Eventually = Callable[..., Any]
DOORS: tuple[Endpoint, ...] = ("pipelines", "gateway")
Guest = dict[str, str]
Asked = list[tuple[str, str]]  # model and text
LONG = 300  # seconds


class Door:
    """One of our servers, with a notice and a drain time of its own."""

    def __init__(self, hall: Hall, name: Endpoint, notice: float, drain: float) -> None:
        self.hall, self.name, self.url = hall, name, hall.parts[name].url
        part = hall.parts[name]
        argv = (*part.command.argv, "--notice", str(notice), "--drain", str(drain))
        hall.parts[name] = replace(part, command=replace(part.command, argv=argv))
        hall.start(name)
        hall.parts[name] = part
        self.pid = hall.who[name].pid

    def ask(
        self, guest: dict[str, str], text: str, model: str = "assistants.host", *, stream: bool = True
    ) -> RawAnswer:
        """A chat completion of the guest."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
        if self.name == "gateway":
            return raw_chat(self.url, body, headers={"Authorization": f"Bearer {self.hall.key(guest)}"})
        return raw_chat(self.url, {**body, "user": guest}, headers=self.hall.headers(guest))

    def end(self, number: int = signal.SIGTERM) -> None:
        """Tell it to end."""
        os.kill(self.pid, number)

    @property
    def listens(self) -> bool:
        """Whether it takes new connections."""
        try:
            self.connection().close()
        except ConnectionRefusedError:
            return False
        return True

    def connection(self, said: bytes = b"") -> socket.socket:
        """A connection to it, on which so much was said."""
        opened = socket.create_connection(("127.0.0.1", self.hall.ports[self.name]), timeout=60)
        opened.sendall(said)
        return opened


@contextmanager
def door_of(hall: Hall, name: Endpoint, *, notice: float = 0, drain: float = LONG) -> Iterator[Door]:
    """The server, started anew with these times, and killed at the end if it has not ended."""
    if name in hall.who and alive(hall.who[name]):
        hall.stop(name)
    door = Door(hall, name, notice, drain)
    try:
        yield door
    finally:
        hall.kill(name)


@contextmanager
def answers_of(
    door: Door,
    upstream: ScriptedUpstream,
    eventually: Eventually,
    asked: list[tuple[str, str]],
    begun: int,
    **more: Any,
) -> Iterator[list[tuple[Guest, Future[RawAnswer]]]]:
    """Within, guests are being answered: each (model, text) one; `begun`: so many of them from upstream."""
    guests, before = [door.hall.guest() for _ in asked], len(upstream.calls)
    with ThreadPoolExecutor(len(asked)) as pool:
        reads = [
            pool.submit(door.ask, guest, text, model, **more)
            for guest, (model, text) in zip(guests, asked, strict=True)
        ]
        eventually(lambda: len(upstream.calls) >= before + begun and all(c.deltas > 3 for c in upstream.calls[before:]))
        yield list(zip(guests, reads, strict=True))


def row_of(door: Door, guest: Guest) -> dict[str, Any]:
    """The guest's only row, as the ended server left it."""
    assert not alive(door.hall.who[door.name])
    (row,) = door.hall.rows(guest)
    return row


@pytest.mark.parametrize("name", DOORS)
def test_open_streams_end_whole(hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, name: Endpoint) -> None:
    """After SIGTERM nobody new comes in, those who are being answered read it all, and every row is settled as done.
    Connections on which nothing, or half a request, was said hold up nobody."""
    asked = [("assistants.host", script(n=60, interval_ms=25))] * 4
    with door_of(hall, name) as door:
        idle = [door.connection(said) for said in (b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")]
        with answers_of(door, upstream, eventually, asked, 4) as reads:
            door.end()
            eventually(lambda: not door.listens, "it still listens")
            assert not any(read.done() for _, read in reads)
        for _, read in reads:
            answer = read.result()
            assert (answer.whole, answer.body.count(b"word")) == (True, 60)
        eventually(lambda: not alive(hall.who[name]))
        assert exit_code(door.pid) == 0
        assert [row_of(door, guest)["status"] for guest, _ in reads] == ["done"] * 4
        for one in idle:
            one.close()


@pytest.mark.parametrize("name", DOORS)
def test_whole_answers_are_made_to_the_end(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, name: Endpoint
) -> None:
    """An answer that is not streamed counts as begun, too; it says that its connection closes."""
    asked = [("assistants.host", script(n=40, interval_ms=50))]
    with door_of(hall, name) as door:
        with answers_of(door, upstream, eventually, asked, 1, stream=False) as ((guest, read),):
            door.end()
        assert (read.result().status, read.result().headers["connection"]) == (200, "close")
        eventually(lambda: not alive(hall.who[name]))
        assert row_of(door, guest)["status"] == "done"


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("why", ["the time is over", "a second signal", "ctrl-c twice"])
def test_what_cannot_end_is_cut_and_settled(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, name: Endpoint, why: str
) -> None:
    """The guest reads that the answer broke off; the row is a stopped one, with what was relayed: nothing is left to
    the sweep. The server ends with 0."""
    asked = [("assistants.host", script(n=5000, interval_ms=50))] * 3
    number = signal.SIGINT if why == "ctrl-c twice" else signal.SIGTERM
    with door_of(hall, name, drain=0.5 if why == "the time is over" else LONG) as door:
        with answers_of(door, upstream, eventually, asked, 3) as reads:
            door.end(number)
            if why != "the time is over":
                eventually(lambda: not door.listens)
                door.end(number)
            eventually(lambda: not alive(hall.who[name]), "it does not end")
        assert exit_code(door.pid) == 0
        for guest, read in reads:
            assert read.result().whole
            assert b'"error"' in read.result().body
            row = row_of(door, guest)
            assert row["status"] == "stopped"
            assert row["completion_tokens"] > 3


@pytest.mark.parametrize("name", DOORS)
def test_who_waits_in_the_line_is_served_yet(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually, name: Endpoint
) -> None:
    """A stream that waits for its place when the signal comes is an open one: it gets its place and its answer."""
    asked = [("models.narrow", script(n=40, interval_ms=50))] * 3
    with door_of(hall, name) as door:
        with answers_of(door, upstream, eventually, asked, 1) as reads:
            door.end()
            eventually(lambda: not door.listens)
        assert [read.result().body.count(b"word") for _, read in reads] == [40] * 3
        eventually(lambda: not alive(hall.who[name]))
        assert [row_of(door, guest)["status"] for guest, _ in reads] == ["done"] * 3


@pytest.mark.parametrize("name", DOORS)
def test_in_its_notice_it_serves_on_and_says_that_it_goes(hall: Hall, eventually: Eventually, name: Endpoint) -> None:
    """A proxy that checks its health sends new guests elsewhere before anybody is refused."""
    with door_of(hall, name, notice=LONG) as door:
        assert requests.get(f"{door.url}/healthz", timeout=30).status_code == 200
        door.end()
        draining = {"status": "draining"}
        eventually(lambda: requests.get(f"{door.url}/healthz", timeout=30).json() == draining)
        assert requests.get(f"{door.url}/healthz", timeout=30).status_code == 503
        guest = hall.guest()
        answer = door.ask(guest, "hello", stream=False)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        door.end()
        eventually(lambda: not alive(hall.who[name]))
        assert row_of(door, guest)["status"] == "done"


@contextmanager
def plugin_reading(door: Door, kind: str) -> Iterator[Iterator[bytes]]:
    """Within, somebody else's plugin answers: what comes after its first bytes."""
    guest = door.hall.guest()
    body = door.hall.body(guest, model=f"neighbour.{kind}", stream=True)
    url, headers = f"{door.url}/v1/chat/completions", door.hall.headers(guest)
    with requests.post(url, json=body, headers=headers, stream=True, timeout=60) as answer:
        pieces = answer.iter_content(None)
        assert next(pieces)
        yield pieces


def test_a_plugins_thread_ends_its_stream(hall: Hall, eventually: Eventually) -> None:
    """The upstream server runs plugins in threads; their answers are waited for as ours are."""
    with door_of(hall, "pipelines") as door:
        with plugin_reading(door, "slowly") as pieces:
            door.end()
            assert b"piece39" in b"".join(pieces)
        eventually(lambda: not alive(hall.who["pipelines"]))
        assert exit_code(door.pid) == 0


def test_a_plugins_thread_that_never_returns_holds_up_nobody(
    hall: Hall, upstream: ScriptedUpstream, eventually: Eventually
) -> None:
    """At the end of the time the process goes without it; our own turns are settled."""
    asked = [("assistants.host", script(n=5000, interval_ms=50))]
    with (
        door_of(hall, "pipelines", drain=0.5) as door,
        plugin_reading(door, "stuck"),
        answers_of(door, upstream, eventually, asked, 1) as ((guest, _),),
    ):
        door.end()
        eventually(lambda: not alive(hall.who["pipelines"]), "it does not end")
        assert exit_code(door.pid) == 0
        assert row_of(door, guest)["status"] == "stopped"
