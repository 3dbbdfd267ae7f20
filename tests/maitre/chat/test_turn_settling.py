"""Settling when it is repeated, late, or cannot be done for long: once each, in bounded memory."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from maitre.billing.row import Settlement, Words
from maitre.chat.message import TurnRequest
from maitre.errors import StoreDown
from tests.maitre.chat.kitchen import FRANS, FREE, Kitchen, Plate, Reply, limited, text_in

DONE = ("turn", "done", True, 7, 2, False)


async def again(kitchen: Kitchen, change: Callable[[Settlement], Settlement] = lambda one: one) -> bool:
    """Settle the only call once more, in the ledger and in the windows."""
    ((id, settlement),) = kitchen.books.settled.items()
    told = await kitchen.ledger.settle(change(settlement), None)
    await kitchen.turns.settlements.settle_windows(kitchen.books.calls[id], change(settlement))
    return bool(told)


async def test_a_call_is_settled_once(kitchen: Kitchen) -> None:
    """A settlement that comes twice changes neither the row nor the windows."""
    await kitchen.stream()
    assert not await again(kitchen)
    assert kitchen.rows() == [DONE]
    await kitchen.stream()  # and loads the windows anew
    await kitchen.check_books()


async def test_two_settlements_at_once_are_one(kitchen: Kitchen) -> None:
    """However many ends a call has (Stop beside the last token, a sweep beside both), one of them counts."""
    kitchen.model.replies = [Reply(stall=asyncio.Event()), Reply()]
    task = asyncio.create_task(kitchen.stream())
    await kitchen.model.working.wait()
    kitchen.clock.advance(31)
    task.cancel()
    await asyncio.gather(kitchen.turns.sweep(), kitchen.turns.sweep())
    await asyncio.wait([task])
    await kitchen.settled()
    assert [row[1] for row in kitchen.rows()] == ["stopped"]
    await kitchen.stream()
    await kitchen.check_books()


@pytest.mark.parametrize("swept", [False, True], ids=["nobody-swept", "swept"])
@pytest.mark.parametrize("asked", [False, True], ids=["nobody-asked", "asked-meanwhile"])
async def test_settling_after_the_hold_has_expired(kitchen: Kitchen, swept: bool, asked: bool) -> None:
    """A process that was silent for longer than its lease settles all the same, whether its row was charged as lost
    meanwhile or not, and whether the account was loaded anew or not."""
    kitchen.ledger.slow["settle"] = asyncio.Event()
    task = asyncio.create_task(kitchen.stream())
    await kitchen.ledger.waiting.wait()
    kitchen.clock.advance(3600)
    if swept:
        assert await kitchen.turns.sweep() == 1
    release = kitchen.ledger.slow.pop("settle")
    if asked:
        await kitchen.turns.stream(kitchen.request(), Plate())
    release.set()
    await task
    await kitchen.settled()
    assert kitchen.rows() == [DONE] * (2 if asked else 1)
    await kitchen.check_books()


class Refusing:
    """A step that fails so often with a fault that nobody foresaw."""

    def __init__(self, step: Callable[..., Awaitable[Any]], times: int) -> None:
        self.step, self.times = step, times

    async def __call__(self, *values: Any) -> Any:
        if self.times:
            self.times -= 1
            raise RuntimeError("nobody foresaw this")
        return await self.step(*values)


@pytest.mark.parametrize("where", ["settle", "count"])
async def test_what_cannot_be_settled_does_not_live_for_ever(
    kitchen: Kitchen, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A settlement that fails for good is logged, and its row is left to the sweep: no beat keeps it open."""
    kitchen.model.replies = [Reply(usage=None), Reply()]
    if where == "settle":
        vars(kitchen.ledger)["settle"] = Refusing(kitchen.books.settle, 1)
    else:
        vars(kitchen.model)["count_text"] = Refusing(kitchen.model.count_text, 1)
    await kitchen.stream()
    assert "Settling a call failed" in caplog.text
    for _ in range(5):
        kitchen.clock.advance(9)
        await kitchen.turns.pulse.beat()
    assert await kitchen.turns.sweep() == 1
    assert kitchen.rows()[0][1] == "lost"
    await kitchen.stream()
    await kitchen.check_books()


# ── Postgres is down for long ────────────────────────────────────────────────────────────────────────────────


class Down:
    """A ledger's `settle` that does not answer until `back`; what it got then stays with `settle`."""

    def __init__(self, kitchen: Kitchen) -> None:
        self.kitchen, self.back, self.tries = kitchen, False, 0
        vars(kitchen.ledger)["settle"] = self

    async def __call__(self, settlement: Settlement, words: Words | None) -> bool:
        self.tries += 1
        if not self.back:
            raise StoreDown("Postgres does not answer")
        return await self.kitchen.books.settle(settlement, words)


async def many(kitchen: Kitchen, count: int, size: int) -> None:
    """So many calls of which each says so much, settled while Postgres is down."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, tokens_per_day=None))
    kitchen.model.replies = [Reply(pieces=["y" * 1000] * 30, usage=None)]
    requests = [kitchen.request("x" * size, guest=kitchen.request().guest) for _ in range(count)]
    await asyncio.gather(*(kitchen.turns.stream(one, Plate()) for one in requests))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


async def test_calls_that_wait_for_postgres_keep_numbers_and_bounded_words(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The conversations of calls that cannot be settled yet are let go; of their words so much is kept as is allowed,
    and every row has its numbers in the end."""
    monkeypatch.setattr("maitre.chat.settlements.MOST_WORDS", 3 * 130_000)
    down = Down(kitchen)
    await many(kitchen, 10, 100_000)
    await until(lambda: down.tries >= 20)
    gc.collect()
    asked = [one for one in gc.get_objects() if isinstance(one, TurnRequest)]
    assert [one for one in asked if one.messages and one.messages[0]["content"] == "x" * 100_000] == []
    down.back = True
    await kitchen.settled()
    assert len(kitchen.books.words) == 3
    assert [row[1] for row in kitchen.rows()] == ["done"] * 10
    assert caplog.text.count("is not kept") == 7
    assert kitchen.turns.settlements._words == {}
    await kitchen.check_books()


async def test_no_more_calls_wait_than_are_allowed(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the bound a call is left to the sweep, which charges what was relayed; nothing is lost."""
    monkeypatch.setattr("maitre.chat.settlements.MOST_WAITING", 4)
    down = Down(kitchen)
    await many(kitchen, 10, 10)
    await until(lambda: caplog.text.count("could not be settled") == 6)
    down.back = True
    await kitchen.settled()
    kitchen.clock.advance(31)
    assert await kitchen.turns.sweep() == 6
    assert sorted(row[1] for row in kitchen.rows()) == ["done"] * 4 + ["lost"] * 6
    await kitchen.true_store.unload()
    await kitchen.check_books()


async def test_patience_ends(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Postgres that stays away is not waited for for ever; the sweep charges the row once it is back."""
    monkeypatch.setattr("maitre.chat.settlements.PATIENCE", 0.0)
    down = Down(kitchen)
    assert text_in(await kitchen.stream()) == "Hello there"
    assert (down.tries, kitchen.books.settled) == (1, {})
    kitchen.clock.advance(31)
    assert await kitchen.turns.sweep() == 1
    await kitchen.check_books()
    assert await kitchen.true_store.live(FRANS, kitchen.clock()) is None


async def test_patience_does_not_follow_a_clock_that_is_set(kitchen: Kitchen) -> None:
    """Whoever sets the clock a day ahead in the middle of an outage does not end it."""
    down = Down(kitchen)
    await many(kitchen, 1, 10)
    kitchen.clock.advance(86_400)
    before = down.tries
    await until(lambda: down.tries > before + 2)
    down.back = True
    await kitchen.settled()
    assert [row[1] for row in kitchen.rows()] == ["done"]
    await kitchen.check_books()


async def test_the_moment_of_a_first_token_fits_a_row(kitchen: Kitchen) -> None:
    """A clock that is set by months between a call's beginning and its first token gives no number that a row cannot
    hold, and none below zero."""

    class Jumping(Reply):
        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.seconds = seconds

        async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
            kitchen.clock.advance(self.seconds)
            kitchen.model.calls.append((request_id, dict(body)))
            for event in (*self.events(), *self.ending()):
                yield event

    for days in (90, -90):
        kitchen.model.stream = Jumping(days * 86_400).stream  # type: ignore[method-assign]
        await kitchen.stream()
    assert [end.first_token_ms for end in kitchen.books.settled.values()] == [2**31 - 1, 0]


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    """Warnings are heard."""
    caplog.set_level(logging.WARNING)
