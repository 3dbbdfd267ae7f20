"""Several URLs of one provider as one upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest

from maitre.errors import BadRequest, ProviderError, Refusal
from maitre.providers.pool import Place, Pool, pool_of
from maitre.providers.provider import Provider
from tests.maitre.chat.kitchen import Reply, ScriptedModel

DOWN = ProviderError("provider_down", status=503)
LATE = ProviderError("provider_down", status=504, accepted=True)
BROKE = ProviderError("provider_broke", status=502)
BUSY = ProviderError("provider_error", status=429, retry_after=20)


class Row:
    """Some addresses, and a clock that stands still."""

    def __init__(self, *slots: int, timeout: float | None = None) -> None:
        self.now = 0.0
        self.models = [ScriptedModel() for _ in slots]
        places = [Place(model, n) for model, n in zip(self.models, slots, strict=True)]
        self.pool = Pool(places, timeout=timeout, clock=lambda: self.now)

    @property
    def asked(self) -> list[int]:
        """How many calls each address had."""
        return [len(model.calls) for model in self.models]

    async def stream(self) -> int:
        """One stream to its end; how many events came."""
        return len([event async for event in self.pool.stream({}, "r")])

    async def fail(self, which: int, fault: Refusal, streamed: bool = True) -> None:
        """One call that this address answers with a fault."""
        self.models[which].replies = [Reply((), fault=fault)]
        with pytest.raises(type(fault)):
            await (self.stream() if streamed else self.pool.complete({}, "r"))


@pytest.fixture
def two() -> Row:
    """Two addresses."""
    return Row(1, 1)


async def test_the_least_busy_address_is_chosen(two: Row) -> None:
    """Calls that run at the same time are spread by the slots; ended ones leave their place."""
    row = Row(1, 3)
    for _ in range(2):
        async with asyncio.timeout(10):
            streams = [row.pool.stream({}, "r") for _ in range(8)]
            for stream in streams:
                await anext(stream)
            for stream in streams:
                await stream.aclose()
    assert row.asked == [4, 12]


@pytest.mark.parametrize("streamed", [True, False])
async def test_whom_nobody_can_connect_to_did_not_take_the_request(two: Row, streamed: bool) -> None:
    """The same call goes to the next address, and only then."""
    two.models[0].replies = [Reply((), fault=DOWN)]
    if streamed:
        assert await two.stream() == 4
    else:
        assert (await two.pool.complete({}, "r"))["choices"]
    assert two.asked == [1, 1]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("fault", [BROKE, LATE, BUSY, BadRequest("too_long")])
async def test_what_may_have_been_taken_is_not_sent_twice(two: Row, fault: Refusal, streamed: bool) -> None:
    """Every upstream call is one row: another try is the turn's."""
    await two.fail(0, fault, streamed)
    assert two.asked == [1, 0]
    assert two.pool.spare(1) is True
    assert two.pool.spare(2) is False


async def test_nothing_is_asked_again_after_the_first_event(two: Row) -> None:
    """Even if somebody calls it being down."""
    two.models[0].replies = [Reply(("Hi",), fault=DOWN)]
    with pytest.raises(ProviderError):
        await two.stream()
    assert two.asked == [1, 0]


async def test_an_address_that_failed_is_not_chosen_for_a_moment(two: Row) -> None:
    """Then it is again, when it is less busy."""
    await two.fail(0, BROKE)
    two.models[0].replies = [Reply()]
    for _ in range(3):
        await two.stream()
    assert two.asked == [1, 3]
    two.now += 10
    async with aclosing(two.pool.stream({}, "r")) as first:
        await anext(first)
        await two.stream()
    assert two.asked == [2, 4]


async def test_an_unhealthy_address_is_out_until_its_probe(two: Row) -> None:
    """One call tries it after a while; whoever cannot be connected to costs that guest nothing."""
    two.models[0].replies = [Reply((), fault=DOWN)]
    two.models[1].replies = [Reply()]
    for _ in range(20):
        two.now += 5.1  # each time the failure is forgotten
        await two.stream()
    assert two.asked[1] == 20
    assert two.asked[0] < 12
    two.models[0].replies = [Reply()]
    two.now += 100
    before = list(two.asked)
    await two.stream()
    assert two.asked == [before[0] + 1, before[1]]
    assert two.pool.well()


async def test_a_provider_is_well_as_long_as_one_address_is(two: Row) -> None:
    """When none is, one who asks may probe."""
    for which in (0, 1):
        await two.fail(which, BUSY)
        assert two.pool.well() is (which == 0)
    two.now += 20
    assert two.pool.well()
    one = Row(1)
    for _ in range(5):
        await one.fail(0, DOWN)
    assert not one.pool.well()
    one.now += 6
    assert [one.pool.well() for _ in range(2)] == [True, False]


async def test_a_silent_upstream_is_left_after_its_time() -> None:
    """It had taken the request: another try is a call of its own. A slow stream that has begun is not cut."""
    row = Row(1, 1, timeout=0.05)
    never = asyncio.Event()
    row.models[0].replies = [Reply((), stall=never)]
    with pytest.raises(ProviderError) as silent:
        await row.stream()
    assert (silent.value.status, silent.value.accepted, row.asked) == (504, True, [1, 0])
    row.models[1].replies = [Reply(stall=never)]
    with pytest.raises(ProviderError):
        await row.pool.complete({}, "r")
    slow = Row(1, timeout=0.05)
    slow.models[0].replies = [Reply(stall=never)]
    asyncio.get_running_loop().call_later(0.2, never.set)
    assert await slow.stream() == 4


async def test_each_url_of_a_provider_is_an_upstream_of_its_own() -> None:
    """With its own slots."""
    seen: list[Provider] = []

    def at(provider: Provider) -> ScriptedModel:
        seen.append(provider)
        return ScriptedModel()

    provider = Provider("p", "openai", "http://a/v1", more=(("http://b/v1", 2),))
    assert pool_of(provider, at, lambda: 0.0).addresses == 2
    assert [(one.base_url, one.slots, one.more) for one in seen] == [("http://a/v1", 1, ()), ("http://b/v1", 2, ())]


async def test_an_error_in_a_whole_answer_counts_as_one(two: Row) -> None:
    """The answer is the turn's to read; the address rests."""

    class Sorry(ScriptedModel):
        async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
            return {"error": {"message": "no slot", "code": 503}}

    pool = Pool([Place(Sorry())], clock=lambda: two.now)
    for _ in range(5):
        assert pool.well()
        assert "error" in await pool.complete({}, "r")
    assert not pool.well()
