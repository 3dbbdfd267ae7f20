"""When the client leaves the RAG service alone, and when it asks it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from maitre.errors import HouseError, KnowledgeDown
from maitre.knowledge.passage import Reader
from maitre.knowledge.rag_client_http import FAIR, MOST_BREAKERS, Kind, RagClient
from maitre.providers.breaker import AT_LEAST, FIRST, IN_A_ROW
from tests.rag_double import RagDouble, rag_double

BODY = {"question": "keys", "collections": ["a"], "limit": 3}
FRAN, BOB = Reader("u1", "fran@x.io"), Reader("u2", "bob@x.io")


@dataclass
class Clock:
    """Stands still, or goes on by so many seconds each time that somebody looks."""

    time: float = 0
    step: float = 0

    def __call__(self) -> float:
        self.time += self.step
        return self.time


@dataclass
class Way:
    """A client, its clock, and where the service is: nowhere without a double."""

    clock: Clock
    double: RagDouble | None
    looked: int = 0

    def __post_init__(self) -> None:
        self.client = RagClient(self.url, "" if self.double is None else self.double.key, time.time, self.clock)

    def url(self) -> str:
        """Where the service is."""
        self.looked += 1
        if self.double is None:
            raise HouseError("The house is not running (rag is unknown).")
        return self.double.url

    async def asked(self, seconds: float = 10, reader: Reader = FRAN, kind: Kind = "knowledge") -> bool:
        """Whether the service was asked: it fails or not."""
        before = self.looked
        with suppress(KnowledgeDown):
            await self.client.query(BODY, reader, seconds, kind)
        return self.looked > before

    async def hanging(self) -> asyncio.Task[bool]:
        """A question that came to the service and has no answer; the next one has."""
        assert self.double is not None
        self.double.fault = "silent"
        self.double.came.clear()
        asking, coming = asyncio.create_task(self.asked()), asyncio.create_task(self.double.came.wait())
        await asyncio.wait({asking, coming}, return_when=asyncio.FIRST_COMPLETED)
        assert not asking.done(), "it was not asked"
        self.double.fault = ""
        return asking


async def given_up(asking: asyncio.Task[bool]) -> None:
    """Nobody waits for the answer any more."""
    asking.cancel()
    await asyncio.wait({asking})


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    """The way to a service that is well."""
    async with rag_double("k" * 32) as double:
        made = Way(Clock(), double)
        yield made
        await made.client.close()


async def opened() -> Way:
    """The way to a service that is nowhere, after some questions."""
    way = Way(Clock(), None)
    for _ in range(IN_A_ROW):
        assert await way.asked()
    return way


async def test_a_service_that_failed_again_and_again_is_not_asked() -> None:
    """A turn hears at once that it is not reached, and why."""
    way = await opened()
    looked = way.looked
    with pytest.raises(KnowledgeDown, match=f"is not reached: it was not asked, because it failed {IN_A_ROW} times"):
        await way.client.query(BODY, FRAN, 10, "knowledge")
    assert way.looked == looked


async def test_one_question_tries_it_and_its_answer_lets_all_through(way: Way) -> None:
    """After a while; until it is answered the others are not kept waiting."""
    way.double, double = None, way.double
    for _ in range(IN_A_ROW):
        await way.asked()
    way.clock.time = FIRST - 0.1
    assert not await way.asked()
    way.clock.time, way.double = FIRST, double
    trying = await way.hanging()
    assert not await way.asked()
    assert double is not None
    double.stalled.set()
    assert await trying
    assert await way.asked()


async def test_what_nobody_waits_for_is_asked_all_the_same() -> None:
    """What the index is told in the background neither hears of the breaker nor speaks to it."""
    way = await opened()
    with pytest.raises(KnowledgeDown, match="rag is unknown"):
        await way.client.ask("POST", "/index-text", {}, FRAN, 10)
    way = Way(Clock(), None)
    for _ in range(2 * AT_LEAST):
        with pytest.raises(KnowledgeDown):
            await way.client.ask("POST", "/index-text", {}, FRAN, 10)
    assert await way.asked()


@pytest.mark.parametrize(("fault", "closed"), [("400", True), ("401", True), ("429", True), ("500", False)])
async def test_a_refusal_is_no_fault_of_the_service(way: Way, fault: str, closed: bool) -> None:
    """It was there to refuse; only from 500 on it is its own."""
    assert way.double is not None
    way.double.fault = fault
    for _ in range(IN_A_ROW):
        assert await way.asked()
    assert await way.asked() is closed


@pytest.mark.parametrize(("lasts", "closed"), [(FAIR, False), (FAIR / 10, True)])
@pytest.mark.parametrize("how", ["late", "given up"])
async def test_a_silent_service_is_left_alone(way: Way, how: str, lasts: float, closed: bool) -> None:
    """Whether the client's time is over or its turn's; but not where nobody gave it a fair time."""
    assert way.double is not None
    way.clock.step = lasts
    for _ in range(IN_A_ROW):
        if how == "given up":
            await given_up(await way.hanging())
        else:
            way.double.fault = "silent"
            assert await way.asked(0)
    way.double.fault = ""
    assert await way.asked() is closed


async def test_one_guests_failures_keep_nobody_else_away() -> None:
    """Nor the same guest's questions of another kind; an answer forgets all failures."""
    way = await opened()
    assert not await way.asked()
    assert await way.asked(reader=BOB)
    assert await way.asked(kind="memory")


async def test_failures_of_guests_without_end_are_forgotten() -> None:
    """Those of the guest whose last one is the longest ago first."""
    way = await opened()
    for number in range(MOST_BREAKERS):
        await way.asked(reader=Reader(f"g{number}"))
    assert await way.asked()
