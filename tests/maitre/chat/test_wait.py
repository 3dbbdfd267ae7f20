"""What a guest hears of a wait: the browser a status line, an API client comments, again and again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from maitre.chat import wait
from maitre.chat.message import Guest, Stamp, TurnRequest
from maitre.chat.wait import WaitAloud
from maitre.queue.line import Waiting


class Ear:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.comments: list[str] = []
        self.heard = asyncio.Event()

    async def emit(self, event: bytes) -> None:
        self.events.append(event)

    async def comment(self, text: str) -> None:
        self.comments.append(text)
        self.heard.set()


def waiting(position: int, eta: float | None) -> Waiting:
    """A place in the line."""
    return Waiting(position, eta, 0, 0, 0)


def a_wait(ear: Ear, *, browser: bool) -> WaitAloud:
    """The wait of a turn through the browser or the API."""
    stamp = Stamp("u1", "assistants.coach", "t", 0, browser=browser)
    return WaitAloud(TurnRequest(Guest("u1", "", ""), "assistants.coach", (), {}, stamp), ear, "en")


def descriptions(ear: Ear) -> list[Any]:
    """The status lines that were sent."""
    return [json.loads(event[6:])["event"]["data"] for event in ear.events]


async def test_a_browser_reads_its_place_and_then_nothing() -> None:
    """Each line replaces the one before, and the last one takes it away."""
    ear = Ear()
    line = a_wait(ear, browser=True)
    await line.told(waiting(3, 119))
    await line.told(waiting(1, None))
    await line.over()
    await line.over()
    assert descriptions(ear) == [
        {"description": "You are 3rd in line, about 2 minutes.", "done": False},
        {"description": "You are next in line.", "done": False},
        {"description": "", "done": True, "hidden": True},
    ]
    assert ear.comments == []


async def test_who_did_not_wait_hears_nothing() -> None:
    """A seat that was free at once needs no words."""
    ear = Ear()
    await a_wait(ear, browser=True).over()
    assert ear.events == []


async def test_an_api_client_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing changes the last comment is repeated, so that no client takes the silence for a dead line; once
    the wait is over there are no more."""
    monkeypatch.setattr(wait, "AGAIN", 0.001)
    ear = Ear()
    line = a_wait(ear, browser=False)
    async with line.audible():
        await line.told(waiting(2, 41.4))
        for _ in range(3):
            ear.heard.clear()
            await ear.heard.wait()
    told = len(ear.comments)
    assert set(ear.comments) == {"queue position=2 eta=41"}
    await turns_of_the_loop(100)
    assert (len(ear.comments), ear.events) == (told, [])


async def turns_of_the_loop(count: int) -> None:
    """Let everything run that could."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("browser", [True, False])
async def test_nothing_is_repeated_before_anything_was_told(monkeypatch: pytest.MonkeyPatch, browser: bool) -> None:
    """A client whose call runs at once gets a real HTTP status, for which nothing may have been sent."""
    monkeypatch.setattr(wait, "AGAIN", 0)
    ear = Ear()
    async with a_wait(ear, browser=browser).audible():
        await turns_of_the_loop(100)
    assert (ear.events, ear.comments) == ([], [])
