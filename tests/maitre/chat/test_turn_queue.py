"""Turns in front of a provider with few seats."""

from __future__ import annotations

import asyncio
import json

import pytest

from maitre.queue.line import Capacity
from tests.maitre.chat.kitchen import Kitchen, Reply, error_of, text_in


@pytest.fixture
async def taken(kitchen: Kitchen) -> asyncio.Event:
    """A provider with one seat, which somebody has until the event is set; whoever waits is soon refused."""
    kitchen.queues["local"] = Capacity("local", 1, None, 4, 0.2)
    free = asyncio.Event()
    kitchen.model.replies = [Reply(stall=free), Reply()]
    kitchen.holder = asyncio.create_task(kitchen.stream())  # type: ignore[attr-defined] # kept from the collector
    await kitchen.model.working.wait()
    return free


async def test_the_next_guest_is_served_when_the_seat_is_free(kitchen: Kitchen, taken: asyncio.Event) -> None:
    """One call at a time, however many ask; the one who waited gets the answer."""
    waiting = asyncio.create_task(kitchen.stream())
    await asyncio.sleep(0)
    taken.set()
    assert text_in(await waiting) == "Hello there"


async def test_a_guest_who_waited_too_long_reads_one_sentence(kitchen: Kitchen, taken: asyncio.Event) -> None:
    """The place in the line is taken away before the refusal, which says when to try again; nothing stays held."""
    events = await kitchen.stream(stamp=kitchen.stamp(browser=True))
    error = error_of(events)
    assert (error["code"], error["type"]) == (429, "rate_limit_error")
    assert error["retry_after"] > 0
    told = [json.loads(event[6:])["event"]["data"] for event in events[:-1]]
    assert told[0]["description"].startswith("You are next in line")
    assert told[-1] == {"description": "", "done": True, "hidden": True}
    taken.set()
    await kitchen.holder  # type: ignore[attr-defined]
    assert await kitchen.held() == 0
    assert len(kitchen.model.calls) == 1
