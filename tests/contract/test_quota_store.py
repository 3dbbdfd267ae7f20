"""The live windows' contract, on the twin in memory and on Valkey alike."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maitre.billing.row import Totals
from maitre.quota.plan import Plan
from maitre.quota.reservation import TASKS_PER_REQUEST, TOOL_CALLS_PER_TURN, Denied, Granted, Unloaded
from maitre.quota.store import Live, QuotaStore
from maitre.quota.window import periods
from tests.contract.house import NOON, REQUESTS, TTL, WHEN, ZONE, fields, granted, loaded, plan, spent, wish

pytestmark = pytest.mark.contract


async def test_an_account_that_nobody_loaded_is_unloaded(store: QuotaStore) -> None:
    """Nothing is granted before the ledger was asked."""
    assert await store.reserve(wish()) == Unloaded()
    assert await store.live("u1", NOON) is None
    assert not await store.settle("u1", "h", spent(5))
    assert not await store.release("u1", "h", "t", REQUESTS)


async def test_a_loaded_account_has_what_the_ledger_said(store: QuotaStore) -> None:
    """Counters, the last minute and live holds come from the totals."""
    oldest = NOON - timedelta(seconds=40)
    totals = Totals(
        fields={"tokens:total": 500, "requests:month:2026-11": 9},
        recent={"a": oldest, "b": NOON - timedelta(seconds=5), "old": NOON - timedelta(seconds=70)},
        turns={"t9": 2},
        holds={"a": (100, NOON + TTL, True), "b": (50, NOON + TTL, True)},
    )
    await loaded(store, totals)
    frees = oldest + timedelta(seconds=60)
    assert await store.live("u1", NOON) == Live(dict(totals.fields), 2, frees, 150)
    assert await store.reserve(wish(turn="t9")) == Granted(counted=False, later=True)


async def test_a_grant_counts_at_once_and_holds(store: QuotaStore) -> None:
    """The request is counted in its three windows and the tokens are held, before anything is called."""
    await loaded(store)
    assert await store.reserve(wish(tokens=70)) == Granted(counted=True, later=False)
    assert await fields(store) == dict.fromkeys(REQUESTS, 1)
    live = await store.live("u1", NOON)
    assert live is not None
    assert (live.minute, live.minute_frees_at, live.held_tokens) == (1, NOON + timedelta(seconds=60), 70)


@pytest.mark.parametrize(
    ("limits", "used", "held"),
    [
        (plan(requests_per_month=3), {"requests:month:2026-11": 3}, 0),
        (plan(tokens_per_day=100), {"tokens:day:2026-11-21": 91}, 0),
        (plan(tokens_per_month=100), {"tokens:month:2026-11": 91}, 0),
        (plan(tokens_total=100), {"tokens:total": 91}, 0),
        (plan(tokens_total=100), {"tokens:total": 41}, 50),
        (plan(tokens_total=0), {}, 0),
        (plan(requests_per_month=0), {}, 0),
    ],
)
async def test_one_full_window_denies_and_changes_nothing(
    store: QuotaStore, limits: Plan, used: dict[str, int], held: int
) -> None:
    """All or nothing: a denial takes no hold, counts no request, and says what was used."""
    holds = {"other": (held, NOON + TTL, False)} if held else {}
    await loaded(store, Totals(used, {}, {}, holds))
    before = await store.live("u1", NOON)
    asked = wish(limits=limits)
    answer = await store.reserve(asked)
    assert answer == Denied(True, tuple(used.get(limit.field, 0) for limit in asked.limits), held, None)
    assert await store.live("u1", NOON) == before


@pytest.mark.parametrize(
    ("limits", "used"),
    [
        (plan(requests_per_month=3), {"requests:month:2026-11": 2}),
        (plan(tokens_per_day=100), {"tokens:day:2026-11-21": 90}),
        (plan(tokens_total=100), {"tokens:total": 90, "tokens:day:2026-11-21": 10**12}),
        (plan(), {"tokens:total": 10**12, "requests:month:2026-11": 10**9}),
        (plan(tokens_per_day=100), {"tokens:day:2026-11-20": 100}),
    ],
)
async def test_a_window_takes_exactly_its_limit(store: QuotaStore, limits: Plan, used: dict[str, int]) -> None:
    """What just fits is granted; other windows, and yesterday's, do not matter."""
    await loaded(store, Totals(used, {}, {}, {}))
    assert granted(await store.reserve(wish(limits=limits)))


async def test_the_minute_slides(store: QuotaStore) -> None:
    """Requests leave it one by one, each a minute after it came, and the denial says when."""
    await loaded(store)
    two = plan(requests_per_minute=2)
    assert granted(await store.reserve(wish(limits=two, after=0)))
    assert granted(await store.reserve(wish(limits=two, after=30)))
    answer = await store.reserve(wish(limits=two, after=59.9))
    assert isinstance(answer, Denied)
    assert answer.minute_frees_at is not None
    assert abs((answer.minute_frees_at - NOON).total_seconds() - 60) < 0.01
    assert not granted(await store.reserve(wish(limits=two, after=60)))  # a minute with both its ends
    assert granted(await store.reserve(wish(limits=two, after=60.5)))
    assert not granted(await store.reserve(wish(limits=two, after=89)))
    assert granted(await store.reserve(wish(limits=two, after=90.5)))


async def test_a_shrunken_limit_waits_until_enough_have_left(store: QuotaStore) -> None:
    """With five in the minute and a new limit of two, the fourth to leave makes room."""
    await loaded(store)
    for second in range(5):
        assert granted(await store.reserve(wish(limits=plan(requests_per_minute=5), after=second)))
    answer = await store.reserve(wish(limits=plan(requests_per_minute=2), after=10))
    assert isinstance(answer, Denied)
    assert answer.minute_frees_at == NOON + timedelta(seconds=63)


async def test_settling_replaces_the_hold_by_what_was_used_once(store: QuotaStore) -> None:
    """The hold goes, the tokens come, and a second settlement does nothing."""
    await loaded(store)
    await store.reserve(wish("h1", tokens=100))
    assert await store.settle("u1", "h1", spent(30))
    after = await store.live("u1", NOON)
    assert after is not None
    assert after.held_tokens == 0
    assert await fields(store) == {**dict.fromkeys(REQUESTS, 1), **spent(30)}
    assert not await store.settle("u1", "h1", spent(30))
    assert not await store.release("u1", "h1", "t", REQUESTS)
    assert await store.live("u1", NOON) in (after, None)  # unloading it would be no harm


@pytest.mark.parametrize("kind", ["turn", "repair", "task"])
async def test_releasing_undoes_a_reservation_once(store: QuotaStore, kind: str) -> None:
    """After a release the account is as it was before, and what comes next is granted as before."""
    await loaded(store)
    await store.reserve(wish("h0", turn="t0"))
    before = await store.live("u1", NOON)
    await store.reserve(wish("h1", turn="t1", kind=kind, tokens=100))
    assert await store.release("u1", "h1", "t1", REQUESTS)
    assert not await store.release("u1", "h1", "t1", REQUESTS)
    after = await store.live("u1", NOON)
    assert before is not None
    assert after is not None
    assert (after.minute, after.held_tokens) == (before.minute, before.held_tokens)
    assert {name: n for name, n in after.fields.items() if n and "tasks" not in name} == before.fields
    assert await store.reserve(wish(turn="t1")) == Granted(counted=True, later=False)


async def test_releasing_a_task_gives_the_task_back(store: QuotaStore) -> None:
    """A title whose call was never made does not use up one of the four."""
    await loaded(store)
    before = await fields(store)
    await store.reserve(wish("h1", turn="t1", kind="task"))
    await store.release("u1", "h1", "t1", REQUESTS)
    assert await fields(store) == before


async def test_releasing_a_repair_leaves_the_turn_its_calls(store: QuotaStore) -> None:
    """The turn's next call is still a later one."""
    await loaded(store)
    await store.reserve(wish(turn="t1"))
    await store.reserve(wish("h2", turn="t1", kind="repair"))
    await store.release("u1", "h2", "t1", REQUESTS)
    assert await store.reserve(wish(turn="t1")) == Granted(counted=False, later=True)


async def test_reserving_twice_with_one_id_is_once(store: QuotaStore) -> None:
    """A repeated request whose answer got lost takes nothing more, even where a new one would be denied."""
    await loaded(store)
    one = plan(requests_per_minute=1, tokens_total=15)
    first = await store.reserve(wish("h1", limits=one, turn="t1"))
    before = await store.live("u1", NOON)
    assert await store.reserve(wish("h1", limits=one, turn="t1")) == first == Granted(True, False)
    assert await store.live("u1", NOON) == before
    later = await store.reserve(wish("h2", turn="t1"))
    assert await store.reserve(wish("h2", turn="t1")) == later == Granted(False, True)


async def test_later_calls_of_a_turn_are_no_requests_up_to_thirty(store: QuotaStore) -> None:
    """A tool loop is one request of every window; beyond thirty calls each is one."""
    await loaded(store)
    answers = [await store.reserve(wish(turn="t1")) for _ in range(TOOL_CALLS_PER_TURN + 2)]
    assert answers[0] == Granted(True, False)
    assert set(answers[1:TOOL_CALLS_PER_TURN]) == {Granted(False, True)}
    assert set(answers[TOOL_CALLS_PER_TURN:]) == {Granted(True, False)}
    assert await store.reserve(wish(turn="t2", limits=plan(requests_per_month=3))) == Denied(
        True, (3, 0, 0, 0), 320, None
    )


async def test_tasks_go_four_to_a_request(store: QuotaStore) -> None:
    """Four without any request, then four for each; a further one is a request and meets the minute."""
    await loaded(store)
    none = plan(requests_per_minute=0)
    for _ in range(TASKS_PER_REQUEST):
        assert await store.reserve(wish(kind="task", limits=none)) == Granted(False, False)
    answer = await store.reserve(wish(kind="task", limits=none))
    assert isinstance(answer, Denied)
    assert answer.counted
    assert (await fields(store))["tasks:day:2026-11-21"] == TASKS_PER_REQUEST


async def test_a_repair_is_no_request_and_no_call_of_the_loop(store: QuotaStore) -> None:
    """It meets the token windows only."""
    await loaded(store)
    assert await store.reserve(wish(kind="repair", limits=plan(requests_per_minute=0))) == Granted(False, False)
    assert not granted(await store.reserve(wish(kind="repair", limits=plan(tokens_total=19))))
    assert await fields(store) == {}


async def test_a_new_day_unloads_the_account(store: QuotaStore) -> None:
    """The day's counters are read from the ledger again, by their new name."""
    await loaded(store)
    await store.reserve(wish())
    generation = await store.generation("u1")
    assert await store.reserve(wish(after=24 * 3600)) == Unloaded()
    assert await store.live("u1", NOON) is None
    assert await store.generation("u1") != generation
    tomorrow = periods(NOON + timedelta(days=1), ZONE)
    await loaded(store, when=tomorrow)
    assert granted(await store.reserve(wish(after=24 * 3600)))


async def test_a_hold_past_its_expiry_unloads_the_account(store: QuotaStore) -> None:
    """Its process died; the ledger has charged it by then, and the account is read again."""
    await loaded(store)
    await store.reserve(wish("dead", ttl=timedelta(seconds=30), tokens=99))
    assert granted(await store.reserve(wish(after=30)))
    live = await store.live("u1", NOON + timedelta(seconds=31))
    assert live is not None
    assert live.held_tokens == 10
    assert await store.reserve(wish(after=31)) == Unloaded()
    assert not await store.settle("u1", "dead", spent(5))


async def test_an_account_is_loaded_once(store: QuotaStore) -> None:
    """Who comes second with the same generation changes nothing."""
    generation = await store.generation("u1")
    assert await store.load("u1", WHEN.day, Totals({"tokens:total": 5}, {}, {}, {}), generation)
    assert not await store.load("u1", WHEN.day, Totals({"tokens:total": 7}, {}, {}, {}), generation)
    assert await fields(store) == {"tokens:total": 5}


@pytest.mark.parametrize("event", ["settle", "release", "unload"])
async def test_what_happened_since_the_ledger_was_read_spoils_the_load(store: QuotaStore, event: str) -> None:
    """Totals that may lack a settlement are not loaded; they are read again."""
    generation = await store.generation("u1")
    if event == "settle":
        await store.settle("u1", "h1", spent(5))
    elif event == "release":
        await store.release("u1", "h1", "t1", REQUESTS)
    else:
        await loaded(store)
        assert await store.reserve(wish(after=24 * 3600)) == Unloaded()
    assert not await store.load("u1", WHEN.day, Totals({}, {}, {}, {}), generation)
    await loaded(store)


async def test_accounts_do_not_share_windows(store: QuotaStore) -> None:
    """One guest's requests, turns and holds are nobody else's."""
    await loaded(store, user="u1")
    await loaded(store, user="u2")
    one = plan(requests_per_minute=1, tokens_total=10)
    assert granted(await store.reserve(wish("h", limits=one, turn="t", user="u1")))
    assert await store.reserve(wish("h", limits=one, turn="t", user="u2")) == Granted(True, False)
    assert not granted(await store.reserve(wish(limits=one, user="u1")))
