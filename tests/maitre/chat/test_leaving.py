"""A guest who leaves at any moment of a turn: the books agree, nothing stays held, nothing is asked any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from maitre.errors import ProviderError
from maitre.providers.alias import Alias
from maitre.providers.pool import Place, Pool
from maitre.providers.provider import Model
from maitre.queue.line import Capacity
from maitre.tools.tool import Outcome
from tests.maitre.chat.kitchen import COACH, FRANS, FREE, Kitchen, Plate, Reply, ScriptedModel
from tests.maitre.chat.test_tool_loop import FIND, HELPED, asks

NEXT = Model("next", "Next model", "other", "upstream-next")
DOWN = ProviderError("provider_down", status=503, cause="refused")
FINDS = asks(("crm_find", '{"id": 5}'), text=["Let me see."])

#: More steps of the loop than any of these turns takes.
MOST = 400


async def find(arguments: Any) -> Outcome:
    """A tool that takes a while."""
    for _ in range(3):
        await asyncio.sleep(0)
    return Outcome("guest")


class Busy(Kitchen):
    """A kitchen with all of it: a line, an alias whose first model fails each time, an assistant with a tool whose
    answers are JSON after a repair."""

    def __init__(self, story: str) -> None:
        super().__init__([(FIND, find)])
        self.next = ScriptedModel()
        self.cooks.append(self.next)
        self.models["next"] = NEXT
        self.aliases["best"] = Alias("best", "Best", ("small", "next"))
        pools = {
            name: Pool([Place(cook)], clock=lambda: 0.0)
            for name, cook in zip(("local", "other"), self.cooks, strict=True)
        }
        self.upstreams |= pools
        self.health |= pools
        self.queues |= {name: Capacity(name, 1, None, 5, 60.0) for name in pools}
        helped = replace(HELPED, model="best", server_tools=("crm.find",), json_answer=story == "checked")
        self.registry.offer(replace(FREE, models=("best",), limits={"tokens_per_day": 10_000}), COACH, helped)
        self.model.replies = [Reply((), fault=DOWN)]
        end = [Reply(("no",)), FINDS, Reply(("{}",))] if story == "checked" else [Reply(("It is", " Ann"))]
        self.next.replies = [FINDS, *end]
        for name in ("reserve", "settle", "release", "load"):
            setattr(self.store, name, _slowly(getattr(self.store, name)))
        for name in ("open", "settle", "withdraw", "totals"):
            setattr(self.ledger, name, _slowly(getattr(self.ledger, name)))


def _slowly(step: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(*values: Any, **named: Any) -> Any:
        await asyncio.sleep(0)
        answer = await step(*values, **named)
        await asyncio.sleep(0)
        return answer

    return call


async def left_after(story: str, steps: int) -> tuple[bool, Busy]:
    """The turn of a guest who leaves after so many steps of the loop; whether it was over before."""
    kitchen = Busy(story)
    request = kitchen.request(model="assistants.helped")
    turns = kitchen.turns
    turn = asyncio.create_task(turns.stream(request, Plate()) if story == "streamed" else turns.answer(request))
    for _ in range(steps):
        if turn.done():
            break
        await asyncio.sleep(0)
    over = turn.done()
    turn.cancel()
    await asyncio.wait([turn])
    if not turn.cancelled():
        assert turn.exception() is None
    asked = [len(cook.calls) for cook in kitchen.cooks]
    await kitchen.check_books()
    assert asked == [len(cook.calls) for cook in kitchen.cooks], "nobody is asked after the guest has left"
    for name in kitchen.queues:
        line = await kitchen.line.snapshot(name, kitchen.clock())
        assert not line.seated
        assert not line.waiting
    live = await kitchen.true_store.live(FRANS, kitchen.clock())
    assert live is None or not any(live.held.values()), live
    assert sum(call.counted for call in kitchen.books.calls.values()) <= 1
    return over, kitchen


@pytest.mark.parametrize("story", ["streamed", "whole", "checked"])
async def test_a_guest_may_leave_at_every_step(story: str) -> None:
    """Of a line, a fallback, a tool, a repair: each call that was made is one settled row, each other none."""
    for steps in range(MOST):
        over, kitchen = await left_after(story, steps)
        if over:
            break
    assert over, "the sweep saw the whole turn"
    assert steps > 50
    kinds = [call.kind for call in kitchen.books.calls.values()]
    assert kinds[:2] == ["turn", "fallback"]
    assert sum(call.counted for call in kitchen.books.calls.values()) == 1
    assert kinds[2:] == {"checked": ["tool", "repair", "repair"]}.get(story, ["tool"])
