"""Holds near the edges of their windows: last tokens, empty purses, prices of nothing and nearly nothing, the largest
limits there are. What is sent upstream as the largest answer is what is held."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.accounts.account import Account
from maitre.billing.price import Price, PriceTable
from maitre.quota.window import LARGEST
from tests.maitre.chat.kitchen import FRANS, FREE, Kitchen, Plate, Reply, error_of, limited, text_in

#: A prompt of 10 and an answer of 100 in nano units, at 1 and 2 a million tokens.
FULL = 10 * 1000 + 100 * 2000


async def learned(kitchen: Kitchen) -> None:
    """Twenty answers of two tokens: from now on a hold can be cut."""
    for _ in range(20):
        await kitchen.stream()


async def test_the_tokens_of_a_minute_come_back_after_it(kitchen: Kitchen) -> None:
    """A guest who used them reads when; windows loaded anew from the ledger say the same."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, tokens_per_minute=120))
    for _ in range(2):
        await kitchen.stream()
        kitchen.clock.advance(20)
    for _ in range(2):
        refused = error_of(await kitchen.stream())
        assert (refused["code"], refused["retry_after"]) == (429, 21)
        assert "tokens for this minute do not suffice (limit: 120, left: 102, needed: up to 110)" in refused["message"]
        await kitchen.true_store.unload()
    kitchen.clock.advance(21)
    assert text_in(await kitchen.stream()) == "Hello there"


#: A plan without any other limit.
PREPAID = replace(FREE, prepaid=True, limits={})


def pay(kitchen: Kitchen, credit: int) -> None:
    """So much was paid in altogether."""

    async def arrive(user_id: str, email: str, name: str) -> tuple[Account, int]:
        return Account(user_id, email, name, credit=credit), kitchen.registry.catalogue.version

    kitchen.registry.arrive = arrive  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("left", "sent"), [(110, 100), (109, 99), (60, 50), (12, 2), (11, None), (10, None), (0, None)]
)
async def test_the_last_tokens_are_usable_and_no_more(kitchen: Kitchen, left: int, sent: int | None) -> None:
    """The answer is cut to what is left, down to the length that answers have; below that the guest is told."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None))
    await learned(kitchen)
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, tokens_per_day=20 * 9 + left))
    free = asyncio.Event()
    kitchen.model.working.clear()
    kitchen.model.replies = [Reply(stall=free)]
    plate = Plate()
    task = asyncio.create_task(kitchen.turns.stream(kitchen.request(), plate))
    if sent is None:
        await task
        assert (error_of(plate.events)["code"], len(kitchen.model.calls)) == (429, 20)
        return
    await kitchen.model.working.wait()
    assert kitchen.model.calls[-1][1]["max_tokens"] == sent
    assert await kitchen.held() == 10 + sent
    free.set()
    await task


@pytest.mark.parametrize(
    ("credit", "spent", "served"),
    [
        pytest.param(FULL, 0, True, id="just-enough"),
        pytest.param(FULL - 1, 0, False, id="one-less"),
        pytest.param(0, 0, False, id="nothing"),
        pytest.param(-5_000_000, 0, False, id="taken-back-more-than-was-paid"),
        pytest.param(FULL, 1, False, id="one-spent"),
        pytest.param(11_000, 1, False, id="spent-exactly"),
        pytest.param(-1, 1, False, id="corrected-below-what-was-spent"),
        pytest.param(LARGEST, 1, True, id="the-largest"),
    ],
)
async def test_a_balance(kitchen: Kitchen, credit: int, spent: int, served: bool) -> None:
    """A prepaid account spends what was paid in and no nano more; a correction below that closes it, and breaks
    nothing."""
    kitchen.registry.offer(PREPAID)
    pay(kitchen, FULL)
    for _ in range(spent):
        assert text_in(await kitchen.stream()) == "Hello there"
    pay(kitchen, credit)
    events = await kitchen.stream()
    assert (text_in(events) == "Hello there") == served
    if not served:
        assert error_of(events)["code"] == 429
    assert len(kitchen.model.calls) == spent + served


PRICE: dict[str, tuple[Price | None, int, bool]] = {
    "no-price": (None, 0, True),
    "price-of-nothing": (Price(Decimal(0), Decimal(0)), 0, True),
    "a-free-answer": (Price(Decimal(1), Decimal(0)), 10_000, False),
    "a-free-prompt": (Price(Decimal(0), Decimal(2)), 200_000, False),
    "nearly-nothing": (Price(Decimal("0.0000001"), Decimal("0.0000001")), 110, False),
    "a-little-over-a-nano": (Price(Decimal("0.0010001"), Decimal("0.0010001")), 220, False),
}


@pytest.mark.parametrize(("price", "held", "free"), PRICE.values(), ids=PRICE)
async def test_a_price(price: Price | None, held: int, free: bool) -> None:
    """What is free needs no money; what costs nearly nothing needs a nano for each token, and costs what it costs,
    rounded up once."""
    prices = PriceTable("v", "USD", {} if price is None else {"small": price})
    kitchen = Kitchen()
    kitchen.turns.holds._prices = kitchen.turns.settlements._prices = kitchen.books.prices = prices
    kitchen.registry.offer(PREPAID)
    for credit, served in ((0, free), (held - 1, free), (held, True)):
        pay(kitchen, credit)
        before = len(kitchen.books.calls)
        assert (text_in(await kitchen.stream()) == "Hello there") == served
        assert len(kitchen.books.calls) == before + served
    (*_, call) = kitchen.books.calls.values()
    assert call.held_cost == held
    cost = kitchen.books.settled[call.request_id].cost
    assert cost == prices.cost("small", 7, 2) <= held
    assert (cost == 0) == free
    await kitchen.check_books()


decimals = st.decimals(0, 1000, places=7)


@given(decimals, decimals, st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_hold_always_covers_the_cost(input: Decimal, output: Decimal, prompt: int, completion: int) -> None:
    """A hold reckons with prices rounded up a token; the row with the exact ones, rounded up once: never more."""
    prices = PriceTable("v", "USD", {"small": Price(input, output)})
    each, written = prices.ceilings("small")
    assert 0 <= prices.cost("small", prompt, completion) <= prompt * each + completion * written


@pytest.mark.parametrize(
    "window", ["tokens_total", "tokens_per_day", "spend_total", "requests_total", "requests_per_minute"]
)
@pytest.mark.parametrize("limit", [LARGEST, LARGEST - 1])
async def test_the_largest_limits(kitchen: Kitchen, window: str, limit: int) -> None:
    """A limit of nine quadrillions is one: counted exactly, and nothing overflows."""
    kitchen.registry.offer(replace(FREE, limits={window: limit}, max_answer_tokens=9_000_000))
    kitchen.model.replies = [Reply(usage={"prompt_tokens": 9_999_999, "completion_tokens": 9_999_998})]
    assert text_in(await kitchen.stream()) == "Hello there"
    assert kitchen.model.calls[0][1]["max_tokens"] == 9_000_000
    assert kitchen.rows() == [("turn", "done", True, 9_999_999, 9_999_998, False)]


@pytest.mark.parametrize("over", [0, 1])
async def test_a_window_that_was_passed_stays_closed(kitchen: Kitchen, over: int) -> None:
    """Where an estimate was too small, usage is charged as it was: nothing is left below zero, the next is refused,
    and the next day opens again."""
    kitchen.registry.offer(replace(FREE, limits={"tokens_per_day": 110}))
    kitchen.model.replies = [Reply(usage={"prompt_tokens": 60 + over, "completion_tokens": 50})]
    assert text_in(await kitchen.stream()) == "Hello there"
    assert error_of(await kitchen.stream())["code"] == 429
    live = await kitchen.true_store.live(FRANS, kitchen.clock())
    assert live is not None
    assert live.fields["tokens:total"] == 110 + over
    await kitchen.check_books()
    kitchen.clock.now += timedelta(days=1)
    assert text_in(await kitchen.stream()) == "Hello there"


async def test_a_hold_whose_room_was_given_away_meanwhile_is_refused(kitchen: Kitchen) -> None:
    """A hold that got lost before its row was written is not taken out of somebody else's room: no call, no row."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None))
    await learned(kitchen)
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, tokens_per_day=20 * 9 + 110))
    kitchen.ledger.slow["open"] = asyncio.Event()
    first = Plate()
    task = asyncio.create_task(kitchen.turns.stream(kitchen.request(), first))
    await kitchen.ledger.waiting.wait()
    await kitchen.true_store.unload()
    waits = kitchen.ledger.slow.pop("open")
    free = asyncio.Event()
    kitchen.model.working.clear()
    kitchen.model.replies = [Reply(stall=free)]
    second: dict[str, Any] = {"max_tokens": 40}
    other = asyncio.create_task(kitchen.turns.stream(kitchen.request(**second, model="models.small"), Plate()))
    await kitchen.model.working.wait()
    waits.set()
    await task
    assert error_of(first.events)["code"] == 429
    free.set()
    await other
    await kitchen.settled()
    assert [row[3:] for row in kitchen.rows()[20:]] == [(7, 2, False)]
