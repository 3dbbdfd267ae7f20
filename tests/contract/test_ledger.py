"""The ledger's contract, on the twin in memory and on Postgres alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maitre.billing.ledger import Ledger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.billing.row import KINDS, Words
from maitre.sql.postgres import Database
from tests.contract.house import NOON, PRICES, TTL, call, ended, sums

pytestmark = pytest.mark.contract
WORDS = Words("in", "out", NOON + timedelta(days=30))
Closing = Callable[[Callable[[], Awaitable[Any]]], None]


async def test_an_open_row_holds_and_counts(ledger: Ledger) -> None:
    """From the moment it is open the request is counted and the tokens are held, none is used."""
    await ledger.open(call())
    found = await sums(ledger)
    assert found.fields == {f"requests:{span}": 1 for span in ("day:2026-11-21", "month:2026-11", "total")}
    assert found.holds == {"r1": (100, NOON + TTL, True)}
    assert (found.recent, found.turns) == ({"r1": NOON}, {"t1": 1})


async def test_opening_twice_is_once(ledger: Ledger) -> None:
    """A repeated write whose confirmation got lost makes no second row and changes nothing."""
    await ledger.open(call())
    await ledger.open(call(held_prompt=999))
    assert (await sums(ledger)).holds == {"r1": (100, NOON + TTL, True)}


async def test_settling_replaces_the_hold_once(ledger: Ledger) -> None:
    """Only the first settlement counts; words that come with a second one are not kept."""
    await ledger.open(call())
    assert await ledger.settle(ended(), WORDS)
    assert not await ledger.settle(ended(prompt=999), WORDS)
    found = await sums(ledger)
    assert found.fields["tokens:total"] == 25
    assert found.holds == {}


@pytest.mark.parametrize("request_id", ["unknown", "r1"])
async def test_only_an_open_row_can_be_settled_or_withdrawn(ledger: Ledger, request_id: str) -> None:
    """A row that is not there, or is closed, is left alone."""
    await ledger.open(call())
    await ledger.settle(ended(), None)
    assert not await ledger.settle(ended(request_id, prompt=999), None)
    assert not await ledger.withdraw(request_id)
    assert (await sums(ledger)).fields["tokens:total"] == 25


async def test_a_withdrawn_row_was_never_there(ledger: Ledger) -> None:
    """It neither counts nor holds, and cannot be settled any more."""
    await ledger.open(call())
    assert await ledger.withdraw("r1")
    assert not await ledger.withdraw("r1")
    assert not await ledger.settle(ended(), None)
    assert await sums(ledger) == await sums(ledger, "nobody")


async def test_the_oldest_open_row_is_found(ledger: Ledger) -> None:
    """By guest, door and model, and by the turn where one is named; settled rows are not."""
    await ledger.open(call("r1", turn_id="a"))
    await ledger.open(call("r2", turn_id="b"))
    await ledger.open(call("r3", turn_id="b"))
    assert await ledger.find_open("u1", "api", "small", None) == call("r1", turn_id="a")
    assert await ledger.find_open("u1", "api", "small", "b") == call("r2", turn_id="b")
    await ledger.settle(ended("r2"), None)
    found = await ledger.find_open("u1", "api", "small", "b")
    assert found is not None
    assert found.request_id == "r3"
    for other in (
        ("u2", "api", "small", None),
        ("u1", "browser", "small", None),
        ("u1", "api", "x", None),
        ("u1", "api", "small", "c"),
    ):
        assert await ledger.find_open(*other) is None


@pytest.mark.parametrize("by", ["sweep", "totals"])
async def test_a_hold_past_its_expiry_is_charged_as_lost(ledger: Ledger, by: str) -> None:
    """The row is closed at the size of its hold, once; one that has not expired is not touched."""
    await ledger.open(call("late"))
    await ledger.open(call("alive", expires_at=NOON + 2 * TTL))
    after = TTL.total_seconds()
    if by == "sweep":
        assert await ledger.sweep(NOON + TTL) == 0
        assert await ledger.sweep(NOON + TTL + timedelta(seconds=1)) == 1
        assert await ledger.sweep(NOON + TTL + timedelta(seconds=1)) == 0
    found = await sums(ledger, after=after + 1)
    assert found.fields["tokens:total"] == 100
    assert set(found.holds) == {"alive"}
    assert not await ledger.settle(ended("late"), None)


async def test_totals_are_the_guests_own(ledger: Ledger) -> None:
    """Another guest's rows, swept or not, are not in them."""
    await ledger.open(call("r1", user_id="u1"))
    await ledger.open(call("r2", user_id="u2"))
    await ledger.settle(ended("r2"), None)
    assert "tokens:total" not in (await sums(ledger)).fields
    assert set((await sums(ledger)).holds) == {"r1"}


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
        await ledger.settle(ended(name, 1, 0), None)
    found = await sums(ledger)
    assert [found.fields[f"tokens:{span}"] for span in ("day:2026-11-21", "month:2026-11", "total")] == [4, 5, 6]
    assert set(found.recent) == {"minute"}
    assert set(found.turns) == {"hour", "minute", "over"}


async def test_tasks_and_turns_are_counted_by_their_rules(ledger: Ledger) -> None:
    """Tasks that are no request are tasks of the day; tool calls belong to their turn; repairs to neither."""
    rows = [("turn", True), ("tool", False), ("task", False), ("task", False), ("task", True), ("repair", False)]
    for number, (kind, counted) in enumerate(rows):
        await ledger.open(
            call(f"r{number}", kind=kind, counted=counted, turn_id="t" if kind in ("turn", "tool") else "x")
        )
    found = await sums(ledger)
    assert found.fields["tasks:day:2026-11-21"] == 2 + 4  # a counted task uses up its own four
    assert found.fields["requests:day:2026-11-21"] == 2
    assert found.turns == {"t": 2}
    assert set(found.recent) == {"r0", "r4"}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "settle", "withdraw", "sweep", "find_open"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 59.0, 661.0, 3601.0, 40_000.0]),
        st.sampled_from(KINDS),
        st.booleans(),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_twin_and_postgres_never_differ(
    database: Database, steps: list[tuple[str, int, float, str, bool]]
) -> None:
    """Any sequence of events gets the same answers from both and leaves the same totals."""
    await database.execute("delete from ledger")
    twin, real = MemoryLedger(), PostgresLedger(database, PRICES)
    after = 0.0
    for what, number, step, kind, counted in steps:
        after += step
        now = NOON + timedelta(seconds=after)
        request_id, turn = f"r{number}", f"t{number % 2}"
        row = call(request_id, turn_id=turn, at=now, kind=kind, counted=counted, expires_at=now + TTL)
        words: dict[str, tuple[Any, ...]] = {
            "open": (row,),
            "settle": (ended(request_id, number, 5, ended_at=now), None),
            "withdraw": (request_id,),
            "sweep": (now,),
            "find_open": ("u1", "api", "small", turn),
        }
        assert await getattr(twin, what)(*words[what]) == await getattr(real, what)(*words[what]), what
        assert await sums(twin, after=after) == await sums(real, after=after)


# ── what only Postgres has ───────────────────────────────────────────────────────────────────────────────────


async def test_a_row_shows_all_that_was_written(database: Database) -> None:
    """The public names of `usage`, the newest row first, with every value as it was."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(call("r1"))
    await ledger.open(call("r2", user_id="u2", at=NOON + timedelta(seconds=1)))
    await ledger.settle(ended("r1"), WORDS)
    both = await ledger.rows(None, None, 10)
    assert [row["request_id"] for row in both] == ["r2", "r1"]
    assert {row["request_id"] for row in await ledger.rows("u1", None, 10)} == {"r1"}
    assert {row["request_id"] for row in await ledger.rows(None, NOON + timedelta(seconds=1), 10)} == {"r2"}
    assert len(await ledger.rows(None, None, 1)) == 1
    row = both[1]
    opened, closed = call("r1"), ended("r1")
    for name in (
        "turn_id",
        "chat_id",
        "trace_id",
        "at",
        "plan",
        "door",
        "assistant",
        "provider",
        "model",
        "kind",
        "currency",
    ):
        assert row[name] == getattr(opened, name)
    for name in (
        "ended_at",
        "first_token_ms",
        "prompt_tokens",
        "completion_tokens",
        "estimated",
        "cost",
        "price_version",
        "status",
    ):
        assert row[name] == getattr(closed, name)
    assert row["user"] == "u1"


async def test_a_lost_row_has_the_price_of_its_hold(database: Database) -> None:
    """What the sweep charges costs what it would have cost."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(call())
    await ledger.sweep(NOON + 2 * TTL)
    (row,) = await ledger.rows(None, None, 1)
    assert (row["status"], row["estimated"], row["cost"]) == ("lost", True, 30 * 1000 + 70 * 2000)


async def test_words_are_forgotten_when_their_time_is_over(database: Database) -> None:
    """The request log loses them, the ledger row stays."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(call())
    await ledger.settle(ended(), WORDS)
    assert await ledger.forget(WORDS.delete_at) == 0
    assert await ledger.forget(WORDS.delete_at + timedelta(seconds=1)) == 1
    assert len(await ledger.rows(None, None, 9)) == 1
