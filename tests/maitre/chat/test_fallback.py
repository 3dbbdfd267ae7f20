"""Another model instead of one that fails or is full: when, how it is booked, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from maitre.accounts.account import Account
from maitre.chat.message import Usage
from maitre.chat.sse import payload
from maitre.errors import BadRequest, ProviderError, Refusal
from maitre.providers.alias import Alias
from maitre.providers.pool import Place, Pool
from maitre.providers.provider import Model
from maitre.queue.line import Capacity
from maitre.quota.subject import Subject
from tests.maitre.chat.kitchen import (
    COACH,
    FREE,
    SMALL,
    Kitchen,
    Plate,
    Reply,
    ScriptedModel,
    error_of,
    limited,
    text_in,
)

NEXT = Model("next", "Next model", "other", "upstream-next")
DOWN = ProviderError("provider_down", status=503, cause="refused")
BROKE = ProviderError("provider_broke", status=502, cause="cut")
OURS = ProviderError("provider_error", status=502, detail="no key", upstream_status=401)
THEIRS = ProviderError("provider_error", status=400, detail="bad tool", upstream_status=400)
BUSY = ProviderError("provider_error", status=429, detail="slow down", upstream_status=429, retry_after=30)
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}'


class Two(Kitchen):
    """A kitchen with a second upstream behind the first one: the assistant's model is an alias of both."""

    def __init__(self) -> None:
        super().__init__()
        self.next = ScriptedModel()
        self.next.replies = [Reply(("Instead",))]
        self.cooks.append(self.next)
        self.models["next"] = NEXT
        self.aliases["best"] = Alias("best", "Best", ("small", "next"))
        self.now = 0.0
        places = {"local": [Place(self.model)], "other": [Place(self.next)]}
        pools = {name: Pool(place, clock=lambda: self.now) for name, place in places.items()}
        self.upstreams |= pools
        self.health |= pools
        self.registry.offer(replace(FREE, models=("best",)), replace(COACH, model="best"))

    def asked(self) -> tuple[int, int]:
        """How many calls each of the two had."""
        return len(self.model.calls), len(self.next.calls)

    def models_of_rows(self) -> list[tuple[str, str]]:
        """The ledger: model and kind."""
        return [(call.model, call.kind) for call in self.books.calls.values()]


@pytest.fixture
async def kitchen() -> AsyncIterator[Two]:
    """A house in memory with two upstreams; its books must balance."""
    house = Two()
    yield house
    if house.balanced:
        await house.check_books()


async def ask(kitchen: Two, streamed: bool, **how: Any) -> str:
    """The text of an answer, or the sentence of a refusal."""
    if streamed:
        events = await kitchen.stream(**how)
        return text_in(events) or str(error_of(events)["message"])
    try:
        return str((await kitchen.answer(**how))["choices"][0]["message"]["content"])
    except Refusal as refused:
        return kitchen.turns.sentence(refused, None)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("fault", [DOWN, BROKE, OURS, BUSY, BadRequest("too_long")])
async def test_a_model_that_fails_before_its_first_word_is_followed_by_the_next(
    kitchen: Two, fault: Refusal, streamed: bool
) -> None:
    """Both calls are rows; the second is a fallback and no further request; each is priced by its own model."""
    kitchen.model.replies = [Reply((), fault=fault)]
    assert await ask(kitchen, streamed) == "Instead"
    assert kitchen.models_of_rows() == [("small", "turn"), ("next", "fallback")]
    first, second = kitchen.rows()
    assert (first[1:3], second[1:]) == (("error", True), ("done", False, 7, 2, False))
    prices = {end.request_id: end.cost for end in kitchen.books.settled.values()}
    assert list(prices.values())[1] == 0, "the second model is free"
    turns = {call.turn_id for call in kitchen.books.calls.values()}
    assert len(turns) == 1


async def test_the_turns_next_call_begins_with_the_model_that_answered(kitchen: Two) -> None:
    """A repair does not ask again what was down a moment ago."""
    kitchen.registry.offer(replace(FREE, models=("best",)), replace(COACH, model="best", json_answer=True))
    kitchen.model.replies = [Reply((), fault=DOWN)]
    kitchen.next.replies = [Reply(("no json",)), Reply(('{"a": 1}',))]
    assert await ask(kitchen, streamed=False) == '{"a": 1}'
    assert kitchen.models_of_rows() == [("small", "turn"), ("next", "fallback"), ("next", "repair")]


async def test_an_error_inside_an_answer_opens_the_breaker(kitchen: Two) -> None:
    """A status of 200 does not make an upstream well."""
    kitchen.model.replies = [Reply(raw=[b'data: {"error":{"message":"no slot","code":503}}'])]
    kitchen.registry.offer(
        replace(limited(FREE, requests_per_minute=100), models=("best",)), replace(COACH, model="best")
    )
    for _ in range(6):
        assert await ask(kitchen, streamed=True) == "Instead"
    assert kitchen.asked() == (5, 6)


async def test_a_role_is_nothing_shown(kitchen: Two) -> None:
    """A stream that breaks after its empty first event is not seen at all."""
    kitchen.model.replies = [Reply(raw=[ROLE], fault=BROKE)]
    events = await kitchen.stream()
    assert text_in(events) == "Instead"
    assert ROLE not in events


async def test_a_role_comes_with_the_first_word(kitchen: Two) -> None:
    """What was kept back is shown in its order."""
    word = ROLE.replace(b"null}", b'"Hi"}', 1)
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    kitchen.model.replies = [Reply(raw=[ROLE, word, end])]
    shown = [payload(event) for event in await kitchen.stream()]
    deltas = [chunk["choices"][0]["delta"] for chunk in shown if chunk is not None and chunk["choices"]]
    assert deltas == [{"role": "assistant", "content": None}, {"role": "assistant", "content": "Hi"}, {}]


async def test_nothing_is_asked_after_something_was_shown(kitchen: Two) -> None:
    """The words stay, an error event follows, and the row is charged what was relayed."""
    kitchen.model.replies = [Reply(("Half",), fault=BROKE)]
    events = await kitchen.stream()
    assert text_in(events[:-1]) == "Half"
    assert error_of(events)["code"] == 502
    assert kitchen.asked() == (1, 0)


@pytest.mark.parametrize("streamed", [True, False])
async def test_what_is_wrong_with_the_request_is_wrong_everywhere(kitchen: Two, streamed: bool) -> None:
    """A 400 of the upstream is told as it is."""
    kitchen.model.replies = [Reply((), fault=THEIRS)]
    await ask(kitchen, streamed)
    assert kitchen.asked() == (1, 0)


@pytest.mark.parametrize("streamed", [True, False])
async def test_all_down_is_one_sentence_and_a_row_for_each(kitchen: Two, streamed: bool) -> None:
    """Every model is asked once; nothing is charged."""
    kitchen.model.replies = kitchen.next.replies = [Reply((), fault=DOWN)]
    assert "does not answer right now" in await ask(kitchen, streamed)
    assert kitchen.models_of_rows() == [("small", "turn"), ("next", "fallback")]
    assert [row[1:5] for row in kitchen.rows()] == [("error", True, 0, 0), ("error", False, 0, 0)]


@pytest.mark.parametrize("scope", ["provider", "model"])
@pytest.mark.parametrize("limits", [{"requests_per_minute": 1}, {"tokens_per_day": 9}, {"tokens_per_minute": 111}])
async def test_beyond_a_providers_own_limits_the_next_is_asked(
    kitchen: Two, scope: str, limits: dict[str, int]
) -> None:
    """The first call has no row, so the second one is the request."""
    kitchen.budgets[Subject(scope, {"provider": "local", "model": "small"}[scope])] = limits
    answers = [await ask(kitchen, True) for _ in range(2)]
    assert answers[-1] == "Instead"
    assert ("next", "turn") in kitchen.models_of_rows()
    assert all(call.counted for call in kitchen.books.calls.values())


async def test_a_guests_own_limits_are_no_reason(kitchen: Two) -> None:
    """Nobody is asked."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=0))
    await kitchen.stream()
    assert kitchen.asked() == (0, 0)
    kitchen.balanced = True


async def test_a_line_that_is_too_long_is_left_for_the_next(kitchen: Two) -> None:
    """The place and the hold are given back; the next call is the request."""
    kitchen.queues["local"] = Capacity("local", 1, None, 4, 0)
    go = asyncio.Event()
    kitchen.model.replies = [Reply(stall=go), Reply()]
    plate = Plate()
    first = asyncio.create_task(kitchen.turns.stream(kitchen.request(), plate))
    await kitchen.model.working.wait()
    second = Plate()
    await kitchen.turns.stream(kitchen.request(), second)
    assert text_in(second.events) == "Instead"
    go.set()
    await first
    await kitchen.settled()
    assert kitchen.models_of_rows() == [("small", "turn"), ("next", "turn")]


async def test_a_purse_for_one_call_pays_for_the_second(kitchen: Two) -> None:
    """What the failed call held is given back before the next one asks; so is the one call of a narrow plan."""

    async def arrive(user_id: str, email: str, name: str) -> tuple[Account, int]:
        return Account(user_id, email, name, credit=10 * 1000 + 100 * 2000), kitchen.registry.catalogue.version

    kitchen.registry.arrive = arrive  # type: ignore[method-assign]
    kitchen.aliases["best"] = Alias("best", "Best", ("small", "twin"))
    kitchen.models["twin"] = replace(SMALL, id="twin", provider="other")
    kitchen.registry.offer(replace(limited(FREE, concurrency=1), prepaid=True))
    kitchen.model.replies = [Reply((), fault=DOWN)]
    release = asyncio.Event()
    kitchen.store.slow["settle"] = release
    turn = asyncio.create_task(ask(kitchen, True))
    await kitchen.store.waiting.wait()
    assert kitchen.asked() == (1, 0), "the second waits until the first is settled"
    del kitchen.store.slow["settle"]
    release.set()
    assert await turn == "Instead"


async def test_a_conversation_that_is_too_long_goes_to_the_model_that_can_hold_it(kitchen: Two) -> None:
    """Before any call: it is the request, and the only row."""
    kitchen.models["small"] = replace(SMALL, context=20)
    assert await ask(kitchen, True) == "Instead"
    assert kitchen.models_of_rows() == [("next", "turn")]
    kitchen.models["next"] = replace(NEXT, context=20)
    assert "too long" in await ask(kitchen, True)


async def test_a_model_that_is_too_small_is_passed_over(kitchen: Two) -> None:
    """The fault that is told is the first one's."""
    kitchen.models["next"] = replace(NEXT, context=20)
    kitchen.model.replies = [Reply((), fault=DOWN)]
    assert "does not answer right now" in await ask(kitchen, True)
    assert kitchen.asked() == (1, 0)


async def test_a_task_and_a_repair_fall_back_as_what_they_are(kitchen: Two) -> None:
    """A title is no request twice; a repair's words go along."""
    kitchen.model.replies = [Reply((), fault=DOWN)]
    await ask(kitchen, True, stamp=kitchen.stamp(kind="task"))
    assert kitchen.models_of_rows() == [("small", "task"), ("next", "task")]
    assert not any(call.counted for call in kitchen.books.calls.values())
    kitchen.registry.offer(replace(COACH, model="best", json_answer=True))
    kitchen.model.replies = [Reply(("no",)), Reply((), fault=DOWN)]
    kitchen.next.replies = [Reply(("{}",))]
    assert await ask(kitchen, False) == "{}"
    assert kitchen.models_of_rows()[2:] == [("small", "turn"), ("small", "repair"), ("next", "repair")]
    assert "not a valid answer" in kitchen.next.calls[-1][1]["messages"][-1]["content"]


async def test_another_url_of_the_same_model_is_asked_first(kitchen: Two) -> None:
    """As a call of its own; then the next model."""
    second = ScriptedModel()
    kitchen.cooks.append(second)
    pool = Pool([Place(kitchen.model), Place(second)], clock=lambda: kitchen.now)
    kitchen.upstreams["local"] = kitchen.health["local"] = pool
    kitchen.model.replies = [Reply((), fault=BROKE)]
    assert await ask(kitchen, True) == "Hello there"
    assert kitchen.models_of_rows() == [("small", "turn"), ("small", "fallback")]
    kitchen.now += 10
    second.replies = [Reply((), fault=BROKE)]
    assert await ask(kitchen, True) == "Instead"
    assert kitchen.models_of_rows()[2:] == [("small", "turn"), ("small", "fallback"), ("next", "fallback")]


async def test_an_open_breaker_is_passed_over_until_a_probe_succeeds(kitchen: Two) -> None:
    """After five failures nobody asks the first model; after a while one guest tries it, and it is back."""
    kitchen.registry.offer(limited(replace(FREE, models=("best",)), requests_per_minute=None))
    kitchen.model.replies = [Reply((), fault=DOWN)]
    for _ in range(7):
        assert await ask(kitchen, True) == "Instead"
    assert kitchen.asked() == (5, 7)
    kitchen.now += 6
    kitchen.model.replies = [Reply()]
    assert [await ask(kitchen, True) for _ in range(2)] == ["Hello there"] * 2
    assert kitchen.models_of_rows()[-1] == ("small", "turn")


async def test_a_breaker_refuses_nobody(kitchen: Two) -> None:
    """When none is well, the models are asked all the same."""
    kitchen.registry.offer(limited(replace(FREE, models=("best",)), requests_per_minute=None))
    kitchen.model.replies = kitchen.next.replies = [Reply((), fault=DOWN)]
    for _ in range(6):
        await ask(kitchen, True)
    kitchen.model.replies = [Reply()]
    assert await ask(kitchen, True) == "Hello there"


async def test_retry_after_is_respected(kitchen: Two) -> None:
    """A provider that asks for half a minute gets it, from the guests who have another model."""
    kitchen.model.replies = [Reply((), fault=BUSY), Reply()]
    assert [await ask(kitchen, True) for _ in range(2)] == ["Instead"] * 2
    assert kitchen.asked() == (1, 2)
    kitchen.now += 31
    assert await ask(kitchen, True) == "Hello there"


async def test_an_outage_does_not_double_the_load(kitchen: Two) -> None:
    """A fifth of the calls and ten more may be repeated; the others read what happened."""
    kitchen.registry.offer(replace(FREE, models=("best",), limits={}))
    fails = [Reply((), fault=BROKE), Reply(), Reply()]  # a third fails: not enough for the breaker
    kitchen.model.replies = [*(fails * 60), Reply()]
    for _ in range(180):
        await ask(kitchen, False)
    assert kitchen.asked() == (180, 36)


async def test_a_guest_who_leaves_between_two_calls_holds_nothing(kitchen: Two) -> None:
    """Stop while the first call is being settled: no second one is made."""
    release = asyncio.Event()
    kitchen.store.slow["settle"] = release
    kitchen.model.replies = [Reply((), fault=DOWN)]
    turn = asyncio.create_task(kitchen.turns.stream(kitchen.request(), Plate()))
    await kitchen.store.waiting.wait()
    turn.cancel()
    await asyncio.wait([turn])
    del kitchen.store.slow["settle"]
    release.set()
    await kitchen.settled()
    assert kitchen.asked() == (1, 0)


async def test_the_sum_of_a_checked_answer_is_of_the_calls_that_gave_one(kitchen: Two) -> None:
    """A failed call adds nothing to what the guest is told."""
    kitchen.registry.offer(replace(COACH, model="best", json_answer=True))
    kitchen.model.replies = [Reply((), fault=DOWN)]
    kitchen.next.replies = [Reply(("{}",))]
    answer = await kitchen.answer()
    assert answer["usage"] == Usage(7, 2).to_openai()
