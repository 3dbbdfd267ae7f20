"""The pulse when a store does not answer: what a beat missed the next one says, and no store waits for the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from maitre.quota.plan import Plan
from tests.maitre.chat.kitchen import FRANS, Kitchen, Reply


@pytest.fixture
async def stalled(kitchen: Kitchen) -> AsyncIterator[Kitchen]:
    """A kitchen with one turn under way that says nothing; its pulse has just beaten."""
    kitchen.model.replies = [Reply(stall=asyncio.Event())]
    task = asyncio.create_task(kitchen.stream())
    await kitchen.model.working.wait()
    await kitchen.turns.pulse.beat()
    yield kitchen
    task.cancel()
    await asyncio.wait([task])
    await kitchen.settled()


@pytest.mark.parametrize("where", ["ledger", "store"])
async def test_a_lease_that_a_store_missed_is_renewed_at_the_next_beat(stalled: Kitchen, where: str) -> None:
    """Leases are renewed every few beats only; one that did not arrive must not wait for the next of those."""
    (stalled.ledger if where == "ledger" else stalled.store).down["beat"] = 1
    stalled.clock.advance(29)
    await stalled.turns.pulse.beat()
    stalled.clock.advance(0.5)
    await stalled.turns.pulse.beat()
    stalled.clock.advance(5)
    assert await stalled.turns.sweep() == 0
    assert await stalled.held() == 110


async def test_a_ledger_that_hangs_does_not_let_holds_end(stalled: Kitchen) -> None:
    """The live store hears of the holds at once, however long the ledger takes."""
    stalled.ledger.slow["beat"] = asyncio.Event()
    stalled.clock.advance(29)
    beat = asyncio.create_task(stalled.turns.pulse.beat())
    await stalled.ledger.waiting.wait()
    stalled.clock.advance(5)
    assert await stalled.held() == 110
    stalled.ledger.slow.pop("beat").set()
    await beat


async def test_doubted_windows_are_read_anew_before_anybody_else_is_admitted(kitchen: Kitchen) -> None:
    """What was served unchecked is counted when the next guest asks, not when the house-keeping comes round."""
    plan = Plan("free", "Free", 0, "USD", {"requests_per_day": 2}, max_answer_tokens=100, fail="open")
    kitchen.registry.offer(plan)
    await kitchen.stream()
    kitchen.store.down.update(reserve=2, settle=1)
    await kitchen.stream()
    assert len(kitchen.model.calls) == 2
    await kitchen.stream()
    assert len(kitchen.model.calls) == 2, "the third request of two was served"


async def test_what_cannot_be_given_back_is_not_kept_alive(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest left before the call, and taking the row back fails for a reason that nobody thought of: its hold ends
    with its lease, and not with the process."""
    given: list[str] = []

    async def broken(request_id: str) -> bool:
        given.append(request_id)
        raise RuntimeError(request_id)

    monkeypatch.setattr(kitchen.turns.holds.ledger, "withdraw", broken)
    kitchen.ledger.slow["open"] = asyncio.Event()
    task = asyncio.create_task(kitchen.stream())
    await kitchen.ledger.waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    kitchen.ledger.slow.pop("open").set()
    await kitchen.settled()
    assert kitchen.turns.pulse.holds == 0
    monkeypatch.undo()
    await kitchen.turns.holds.ledger.withdraw(*given)
    kitchen.turns.settlements.doubt([FRANS])
