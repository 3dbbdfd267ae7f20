"""What counts as a request: later calls of a turn, tasks and repairs, on the twin and on Valkey alike."""

from __future__ import annotations

import pytest

from maitre.billing.row import Totals
from maitre.quota.reservation import TASKS_PER_REQUEST, TOOL_CALLS_PER_TURN, Denied, Granted
from maitre.quota.store import QuotaStore
from maitre.quota.subject import HOUSE
from tests.contract.house import GUEST, NOTHING, REQUESTS, fields, granted, hold, live, loaded, wish

pytestmark = pytest.mark.contract
FIRST, LATER, NO_REQUEST = Granted(True, False, 6), Granted(False, True, 6), Granted(False, False, 6)


async def test_later_calls_of_a_turn_are_no_requests_up_to_thirty(store: QuotaStore) -> None:
    """A tool loop is one request of every window; beyond thirty calls each is one."""
    await loaded(store)
    answers = [await store.reserve(wish(turn="t1")) for _ in range(TOOL_CALLS_PER_TURN + 2)]
    assert answers[0] == FIRST
    assert set(answers[1:TOOL_CALLS_PER_TURN]) == {LATER}
    assert set(answers[TOOL_CALLS_PER_TURN:]) == {FIRST}
    assert not granted(await store.reserve(wish(turn="t2", limits={"requests_per_month": 3})))


async def test_tasks_go_four_to_a_request(store: QuotaStore) -> None:
    """Four without any request, then four for each; a further one is a request and meets the minute."""
    await loaded(store)
    none = {"requests_per_minute": 0}
    for _ in range(TASKS_PER_REQUEST):
        assert await store.reserve(wish(kind="task", limits=none)) == NO_REQUEST
    answer = await store.reserve(wish(kind="task", limits=none))
    assert isinstance(answer, Denied)
    assert answer.counted
    assert (await fields(store))["tasks:day:2026-11-21"] == TASKS_PER_REQUEST
    assert await store.reserve(wish(kind="task")) == FIRST
    assert (await fields(store))["tasks:day:2026-11-21"] == 2 * TASKS_PER_REQUEST


async def test_releasing_a_task_gives_the_task_back(store: QuotaStore) -> None:
    """A title whose call was never made does not use up one of the four."""
    await loaded(store, NOTHING, GUEST, HOUSE)
    for number in range(TASKS_PER_REQUEST + 1):
        before = await fields(store)
        await store.reserve(wish(f"h{number}", kind="task", wider={HOUSE: {"tokens_total": 999}}))
        await store.release(f"h{number}", (), REQUESTS)
        assert await fields(store) == before
        await store.reserve(wish(kind="task"))
    assert await fields(store, HOUSE) == {}


@pytest.mark.parametrize("kind", ["repair", "fallback", "summary"])
async def test_a_repair_is_no_request_and_no_call_of_the_loop(store: QuotaStore, kind: str) -> None:
    """It meets the token windows only, and releasing it leaves the turn its calls."""
    await loaded(store)
    assert await store.reserve(wish("h1", kind=kind, turn="t1", limits={"requests_per_minute": 0})) == NO_REQUEST
    assert not granted(await store.reserve(wish(kind=kind, limits={"tokens_total": 19})))
    assert await fields(store) == {}
    await store.reserve(wish(turn="t1"))
    await store.release("h1", (), REQUESTS)
    assert await store.reserve(wish(turn="t1")) == LATER


async def test_a_turn_begins_anew_with_the_accounts_life(store: QuotaStore) -> None:
    """Calls that the ledger does not know are forgotten with the account; those that it knows are not."""
    await loaded(store)
    for turn in ("t1", "t2"):
        assert await store.reserve(wish(turn=turn)) == FIRST
    await store.unload([GUEST])
    await loaded(store, Totals({}, {}, {"t2": 1}, {}))
    assert await store.reserve(wish(turn="t1")) == FIRST
    assert await store.reserve(wish(turn="t2")) == LATER


async def test_a_released_call_that_the_ledger_put_back_leaves_its_turn(store: QuotaStore) -> None:
    """Its turn's next call is the first one again, and is counted."""
    await loaded(store, Totals(dict.fromkeys(REQUESTS, 1), {}, {"t1": 1}, {"h1": hold(turn_id="t1")}))
    assert await store.release("h1", (), REQUESTS)
    assert await fields(store) == {}
    assert (await live(store)).held["calls"] == 0
    assert await store.reserve(wish(turn="t1")) == FIRST
