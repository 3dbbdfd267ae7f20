"""The sliding minute of tokens, on the twin and on Valkey, and as the ledgers tell it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maitre.billing.ledger import Ledger
from maitre.billing.row import Totals
from maitre.quota.explain import live_of
from maitre.quota.reservation import Denied, Granted
from maitre.quota.store import QuotaStore
from maitre.quota.subject import HOUSE
from maitre.quota.window import periods
from tests.contract.house import GUEST, NOON, NOTHING, ZONE, hold, live, loaded, spent_by, wish
from tests.contract.rows import call, ended

pytestmark = pytest.mark.contract


async def use(store: QuotaStore, tokens: int, after: float) -> None:
    """A call of so many tokens, begun so many seconds after noon."""
    asked = wish(after=after, wider={HOUSE: {}})
    assert isinstance(await store.reserve(asked), Granted)
    used = spent_by(asked, tokens)
    assert await store.settle(asked.hold_id, asked.subjects, used)


async def minute(store: QuotaStore, after: float) -> int:
    """What the guest has used in the minute before."""
    return (await live(store, after=after)).minute_tokens


async def test_tokens_leave_the_minute_as_they_came(store: QuotaStore) -> None:
    """By the second in which their call began, whenever it was settled; other subjects have the same."""
    await loaded(store, NOTHING, GUEST, HOUSE)
    for tokens, after in ((10, 0.2), (20, 0.9), (40, 30), (80, 59.999)):
        await use(store, tokens, after)
    found = [await minute(store, after) for after in (59.9, 60.9, 61, 90.9, 91, 119.9, 120)]
    assert found == [150, 150, 120, 120, 80, 80, 0]
    assert (await live(store, HOUSE, 60)).minute_tokens == 150
    seen = await live(store, after=61)
    assert seen.minute_tokens_free_at == NOON + timedelta(seconds=91)
    assert not any("second" in name for name in seen.fields)


async def test_a_full_minute_says_when_there_is_room_for_this_call(store: QuotaStore) -> None:
    """Not when the oldest leave it, but when enough have."""
    await loaded(store, NOTHING, GUEST, HOUSE)
    for tokens, after in ((5, 0), (5, 10), (90, 20)):
        await use(store, tokens, after)
    wished = wish(after=30, limits={"tokens_per_minute": 100})
    answer = await store.reserve(wished)
    assert isinstance(answer, Denied)
    assert answer.readings[0].frees_at == NOON + timedelta(seconds=71)
    assert isinstance(await store.reserve(wish(after=70.9, limits={"tokens_per_minute": 100})), Denied)
    assert isinstance(await store.reserve(wish(after=71, limits={"tokens_per_minute": 100})), Granted)


async def test_what_runs_counts_until_it_ends(store: QuotaStore) -> None:
    """However long ago it began; then its tokens are of the second in which it began."""
    await loaded(store, NOTHING, GUEST, HOUSE)
    asked = wish(wider={HOUSE: {}})
    assert isinstance(await store.reserve(asked), Granted)
    later = {"after": 90.0, "limits": {"tokens_per_minute": 19}}
    assert isinstance(await store.reserve(wish(**later)), Denied)  # type: ignore[arg-type]
    await store.settle(asked.hold_id, asked.subjects, spent_by(asked, 9))
    assert isinstance(await store.reserve(wish(**later)), Granted)  # type: ignore[arg-type]


async def test_a_long_day_of_calls_is_not_kept(store: QuotaStore) -> None:
    """Every second of ten minutes had one; the last minute is as it should be, before and after the old ones go."""
    await loaded(store, NOTHING, GUEST, HOUSE)
    for second in range(600):
        await use(store, 1, second)
        if second % 50 == 49:
            assert await minute(store, second) == min(second + 1, 61)


async def test_a_release_gives_back_the_held_tokens_only(store: QuotaStore) -> None:
    """A call that was never made has used nothing."""
    await loaded(store, NOTHING, GUEST, HOUSE)
    await use(store, 50, 0)
    asked = wish(after=1, limits={"tokens_per_minute": 60})
    assert isinstance(await store.reserve(asked), Granted)
    assert await store.release(asked.hold_id, asked.subjects, asked.periods.fields("requests"))
    assert isinstance(await store.reserve(wish(after=1, limits={"tokens_per_minute": 60})), Granted)


async def test_a_hold_that_ends_while_its_subject_is_loaded_is_of_its_second(store: QuotaStore) -> None:
    """The end is told once more to the fresh windows."""
    await loaded(store, NOTHING, GUEST, HOUSE)
    asked = wish(wider={HOUSE: {}})
    await store.reserve(asked)
    await store.unload([HOUSE])
    generation = await store.generation(HOUSE)
    await store.settle(asked.hold_id, asked.subjects, spent_by(asked, 7))
    totals = Totals({}, {}, {}, {asked.hold_id: hold(4, 6)})
    assert await store.load(HOUSE, asked.periods.day, totals, generation)
    assert (await live(store, HOUSE, 5)).minute_tokens == 7


async def test_the_ledger_tells_the_last_minute_by_the_second(ledger: Ledger, store: QuotaStore) -> None:
    """Settled calls of every kind, the lost among them, from the whole second on; windows loaded from it know it."""
    for number, (before, kind, counted) in enumerate(
        [
            (0.5, "turn", True),
            (0.7, "tool", False),
            (59.9, "fallback", False),
            (60.4, "task", False),
            (61, "turn", True),
        ]
    ):
        at = NOON + timedelta(seconds=0.6 - before)
        await ledger.open(call(f"r{number}", at=at, kind=kind, counted=counted))
        await ledger.settle(ended(f"r{number}"), None)
    await ledger.open(call("open", at=NOON))
    now = NOON + timedelta(seconds=0.6)
    totals = await ledger.totals(GUEST, now, periods(now, ZONE))
    seconds = {name: n for name, n in totals.fields.items() if "second" in name}
    noon = int(NOON.timestamp())
    expected = {f"tokens:second:{noon + second}": n for second, n in ((0, 25), (-1, 25), (-60, 50))}
    assert seconds == expected
    await loaded(store, totals)
    found = await live(store, after=0.6)
    assert (found.minute_tokens, found.minute_tokens_free_at) == (100, NOON + timedelta(seconds=1))
    assert live_of(totals, now).minute_tokens == 100
