"""What a subject has used, on the twin in memory and on Postgres alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maitre.billing.ledger import Ledger
from maitre.quota.subject import HOUSE, Subject
from tests.contract.rows import NOON, TTL, call, ended, sums

pytestmark = pytest.mark.contract

#: By scope: a subject of `call()`, and a change of the call that makes it somebody else's (nothing else is outside
#: the house).
SCOPES = {
    "account": (Subject("account", "u1"), {"user_id": "u2"}),
    "key": (Subject("key", "k1"), {"key": ""}),
    "assistant": (Subject("assistant", "coach"), {"assistant": "other"}),
    "model": (Subject("model", "small"), {"model": "large"}),
    "provider": (Subject("provider", "local"), {"provider": "far"}),
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_totals_are_the_subjects_own(ledger: Ledger, scope: str) -> None:
    """Calls of others of the scope are not in them, settled or open; those of the subject are, whoever made them."""
    subject, elsewhere = SCOPES[scope]
    mine = {"user_id": "u9"} if scope != "account" else {"provider": "far"}
    await ledger.open(call("mine", **mine))
    await ledger.open(call("open", **mine))
    await ledger.open(call("other", **elsewhere))
    await ledger.open(call("other, open", **elsewhere))
    await ledger.settle(ended("mine"), None)
    await ledger.settle(ended("other", prompt=1000), None)
    found = await sums(ledger, subject=subject)
    assert found.fields["tokens:total"] == 25
    assert found.fields["requests:total"] == 2
    assert found.fields["money:total"] == 30_000
    assert set(found.holds) == {"open"}
    assert set(found.recent) == {"mine", "open"}
    assert found.holds["open"].subjects == call(**mine).subjects


async def test_the_house_has_everything(ledger: Ledger) -> None:
    """Every call of everybody is in its totals; turns and tasks are an account's."""
    await ledger.open(call("r1", kind="task"))
    await ledger.open(call("r2", user_id="u2", assistant="", key="", provider="far", model="large"))
    await ledger.settle(ended("r2"), None)
    found = await sums(ledger, subject=HOUSE)
    assert found.fields == {
        f"{resource}:{span}": amount
        for resource, amount in (("requests", 2), ("tokens", 25), ("money", 30_000))
        for span in ("day:2026-11-21", "month:2026-11", "total")
    } | {"tokens:second:1795262400": 25}
    assert (set(found.holds), set(found.recent), found.turns) == ({"r1"}, {"r1", "r2"}, {})


async def test_late_rows_of_the_subject_are_closed_first_and_no_others(ledger: Ledger) -> None:
    """Reading one key's totals closes its late row, not another key's."""
    await ledger.open(call("mine"))
    await ledger.open(call("other", key="k2"))
    await sums(ledger, after=TTL.total_seconds() + 1, subject=Subject("key", "k1"))
    assert await ledger.sweep(NOON + 2 * TTL) == 1


async def test_windows_begin_where_the_calendar_says(ledger: Ledger) -> None:
    """A call belongs to the day and month it began in; the minute and the turns look back their own time."""
    moments = {
        "month": datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        "day": datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC),
        "first": datetime(2026, 11, 21, tzinfo=UTC),
        "hour": NOON - timedelta(seconds=3600),
        "minute": NOON - timedelta(seconds=60),
        "over": NOON - timedelta(seconds=60, microseconds=1),
    }
    for name, at in moments.items():
        await ledger.open(call(name, turn_id=name, at=at))
        await ledger.settle(ended(name, 1, 0, cost=7), None)
    found = await sums(ledger)
    for resource, each in (("requests", 1), ("tokens", 1), ("money", 7)):
        spans = ("day:2026-11-21", "month:2026-11", "total")
        assert [found.fields[f"{resource}:{span}"] for span in spans] == [4 * each, 5 * each, 6 * each]
    assert set(found.recent) == {"minute"}
    assert set(found.turns) == {"hour", "minute", "over"}


async def test_windows_end_where_the_calendar_says(ledger: Ledger) -> None:
    """What a clock that was set back since, or one that is ahead, has put behind midnight is none of today's, and what
    is more than a minute ahead none of this minute's."""
    moments = {
        "next": NOON + timedelta(seconds=60),
        "later": NOON + timedelta(seconds=60, microseconds=1),
        "last": datetime(2026, 11, 21, 23, 59, 59, 999_999, tzinfo=UTC),
        "tomorrow": datetime(2026, 11, 22, tzinfo=UTC),
        "next-month": datetime(2026, 12, 1, tzinfo=UTC),
    }
    for name, at in moments.items():
        await ledger.open(call(name, turn_id=name, at=at))
        await ledger.settle(ended(name, 1, 0, cost=7), None)
        await ledger.open(call(f"task of {name}", kind="task", counted=False, at=at))
    found = await sums(ledger)
    for resource, each in (("requests", 1), ("tokens", 1), ("money", 7)):
        spans = ("day:2026-11-21", "month:2026-11", "total")
        assert [found.fields[f"{resource}:{span}"] for span in spans] == [3 * each, 4 * each, 5 * each]
    assert found.fields["tasks:day:2026-11-21"] == 3
    assert set(found.recent) == {"next"}


async def test_tasks_and_turns_are_counted_by_their_rules(ledger: Ledger) -> None:
    """Tasks that are no request are tasks of the day; tool calls belong to their turn; repairs to neither."""
    rows = [
        ("turn", True),
        ("tool", False),
        ("task", False),
        ("task", False),
        ("task", True),
        ("repair", False),
        ("fallback", False),
    ]
    for number, (kind, counted) in enumerate(rows):
        await ledger.open(
            call(f"r{number}", kind=kind, counted=counted, turn_id="t" if kind in ("turn", "tool") else "x")
        )
    found = await sums(ledger)
    assert found.fields["tasks:day:2026-11-21"] == 2 + 4  # a counted task uses up its own four
    assert found.fields["requests:day:2026-11-21"] == 2
    assert found.turns == {"t": 2}
    assert set(found.recent) == {"r0", "r4"}


async def test_a_call_that_is_still_open_long_after_holds(ledger: Ledger) -> None:
    """However long ago it began, what beats is held; its turn is forgotten after its time."""
    await ledger.open(call(turn_id="old"))
    await ledger.beat({"r1": 1}, NOON + timedelta(days=3))
    found = await sums(ledger, after=2 * 24 * 3600)
    assert (set(found.holds), found.recent, found.turns) == ({"r1"}, {}, {})
