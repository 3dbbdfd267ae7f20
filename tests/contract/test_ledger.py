"""The ledger's contract, on the twin in memory and on Postgres alike: what happens to one row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maitre.billing.ledger import Ledger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.billing.row import KINDS, MOST_TOKENS, Hold, Words
from maitre.quota.subject import SCOPES, Subject
from maitre.quota.window import is_total, periods
from maitre.sql.postgres import Database
from tests.contract.rows import NOON, PRICES, TTL, ZONE, call, ended, sums

pytestmark = pytest.mark.contract
WORDS = Words("in", "out", NOON + timedelta(days=30))
LATE = TTL + timedelta(seconds=1)
HELD = Hold(30, 70, 170_000, NOON + TTL, True, "turn", "t1", call().subjects)


async def test_an_open_row_holds_and_counts(ledger: Ledger) -> None:
    """From the moment it is open the request is counted and its tokens and money are held, none is used."""
    await ledger.open(call())
    found = await sums(ledger)
    assert found.fields == {f"requests:{span}": 1 for span in ("day:2026-11-21", "month:2026-11", "total")}
    assert found.holds == {"r1": HELD}
    assert (found.recent, found.turns) == ({"r1": NOON}, {"t1": 1})


async def test_opening_twice_is_once(ledger: Ledger) -> None:
    """A repeated write whose confirmation got lost makes no second row and changes nothing."""
    await ledger.open(call())
    await ledger.open(call(held_prompt=999), relayed=5)
    assert (await sums(ledger)).holds == {"r1": HELD}


async def test_settling_replaces_the_hold_once(ledger: Ledger) -> None:
    """Only the first settlement counts; words that come with a second one are not kept."""
    await ledger.open(call())
    assert await ledger.settle(ended(), WORDS)
    assert not await ledger.settle(ended(prompt=999), WORDS)
    found = await sums(ledger)
    assert (found.fields["tokens:total"], found.fields["money:total"]) == (25, 30_000)
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
    await ledger.open(call("r1", turn_id="a", streamed=False))
    await ledger.open(call("r2", turn_id="b"))
    await ledger.open(call("r3", turn_id="b"))
    assert await ledger.find_open("u1", "api", "small", None) == call("r1", turn_id="a", streamed=False)
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


@pytest.mark.parametrize(
    ("streamed", "at_first", "beats", "completion"),
    [
        pytest.param(True, 0, [], 0, id="streamed, and died before the first beat"),
        pytest.param(True, 0, [3, 9], 9, id="streamed"),
        pytest.param(True, 0, [9, 3], 9, id="beats that overtook one another"),
        pytest.param(True, 0, [9, None], 9, id="a beat that knows nothing"),
        pytest.param(True, 0, [999], 70, id="more than was held"),
        pytest.param(True, 12, [], 12, id="opened when some was relayed already"),
        pytest.param(False, 0, [], 70, id="not streamed"),
        pytest.param(False, 12, [None], 70, id="not streamed, beating"),
        pytest.param(False, 0, [4], 4, id="not streamed, but somebody counted"),
    ],
)
async def test_a_lost_row_is_charged_what_was_relayed(
    ledger: Ledger, streamed: bool, at_first: int, beats: list[int | None], completion: int
) -> None:
    """Its prompt as it was held, and the largest number of tokens that it told; without any, its whole hold."""
    await ledger.open(call(streamed=streamed), at_first)
    for relayed in beats:
        await ledger.beat({"r1": relayed}, NOON + TTL)
    found = await sums(ledger, after=LATE.total_seconds())
    assert found.fields["tokens:total"] == 30 + completion
    assert found.fields["money:total"] == 30 * 1000 + completion * 2000
    assert found.holds == {}


@pytest.mark.parametrize("by", ["sweep", "totals"])
async def test_a_hold_past_its_expiry_is_charged_as_lost(ledger: Ledger, by: str) -> None:
    """The row is closed once; one that has not expired is not touched."""
    await ledger.open(call("late", streamed=False))
    await ledger.open(call("alive", expires_at=NOON + 2 * TTL))
    if by == "sweep":
        assert await ledger.sweep(NOON + TTL) == 0
        assert await ledger.sweep(NOON + LATE) == 1
        assert await ledger.sweep(NOON + LATE) == 0
    found = await sums(ledger, after=LATE.total_seconds())
    assert found.fields["tokens:total"] == 100
    assert set(found.holds) == {"alive"}


async def test_a_lost_row_whose_call_was_never_made_is_withdrawn(ledger: Ledger) -> None:
    """The sweep charged it because its process was late to say so; then nobody is charged."""
    await ledger.open(call())
    await ledger.sweep(NOON + LATE)
    assert await ledger.withdraw("r1")
    assert not await ledger.settle(ended(), None)
    assert await sums(ledger) == await sums(ledger, "nobody")


async def test_what_really_happened_replaces_a_lost_row_once(ledger: Ledger) -> None:
    """A settlement that comes after the sweep is believed, the next one is not, and no sweep touches the row again."""
    await ledger.open(call())
    await ledger.sweep(NOON + LATE)
    assert await ledger.settle(ended(), WORDS)
    assert not await ledger.withdraw("r1")
    assert not await ledger.settle(ended(prompt=999), None)
    assert await ledger.sweep(NOON + 9 * TTL) == 0
    assert (await sums(ledger)).fields["tokens:total"] == 25


async def test_beats_keep_open_rows_alive_and_nothing_else(ledger: Ledger) -> None:
    """All named open rows live until then, never shorter than before; closed and unknown ones are passed over."""
    for name in ("a", "b", "silent", "settled", "lost"):
        await ledger.open(call(name, expires_at=NOON + (TTL if name != "lost" else timedelta())))
    await ledger.sweep(NOON + timedelta(seconds=1))
    await ledger.settle(ended("settled"), None)
    beating: dict[str, int | None] = dict.fromkeys(("a", "b", "settled", "lost", "unknown"), 7)
    await ledger.beat(beating, NOON + 2 * TTL)
    await ledger.beat({"b": 8}, NOON + TTL)
    await ledger.beat({}, NOON + 9 * TTL)
    found = await sums(ledger)
    assert {name: hold.expires_at - NOON for name, hold in found.holds.items()} == {
        "a": 2 * TTL,
        "b": 2 * TTL,
        "silent": TTL,
    }
    assert found.fields["tokens:total"] == 25 + 30


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": -1},
        {"completion": -1},
        {"cost": -1},
        {"prompt": MOST_TOKENS},
        {"completion": 10**30},
        {"status": "?"},
    ],
)
async def test_numbers_that_cannot_be_never_reach_a_row(ledger: Ledger, wrong: dict[str, Any]) -> None:
    """The settlement is refused, and the row stays open."""
    await ledger.open(call())
    with pytest.raises(ValueError, match="cannot hold this settlement"):
        await ledger.settle(ended(**wrong), None)
    assert (await sums(ledger)).holds == {"r1": HELD}
    assert await ledger.settle(ended(), None)


@pytest.mark.parametrize("wrong", [{"held_prompt": -1}, {"held_completion": -1}, {"held_cost": -1}, {"kind": "?"}])
async def test_a_call_that_cannot_be_is_not_opened(ledger: Ledger, wrong: dict[str, Any]) -> None:
    """It is refused, and there is no row."""
    with pytest.raises(ValueError, match="cannot hold this call"):
        await ledger.open(call(**wrong))
    assert await sums(ledger) == await sums(ledger, "nobody")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "settle", "withdraw", "sweep", "find_open", "beat"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 59.0, 661.0, 3601.0, 40_000.0]),
        st.sampled_from(KINDS),
        st.booleans(),
        st.none() | st.integers(0, 90),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
async def test_the_twin_and_postgres_never_differ(
    database: Database, steps: list[tuple[str, int, float, str, bool, int | None]]
) -> None:
    """Any sequence of events gets the same answers from both and leaves the same totals for every scope."""
    await database.execute("delete from ledger")
    twin, real = MemoryLedger(PRICES), PostgresLedger(database, PRICES)
    after = 0.0
    for what, number, step, kind, yes, relayed in steps:
        after += step
        now = NOON + timedelta(seconds=after)
        request_id, turn = f"r{number}", f"t{number % 2}"
        row = call(
            request_id,
            turn_id=turn,
            at=now,
            kind=kind,
            counted=yes,
            streamed=yes,
            key="k1" if number % 2 else "",
            expires_at=now + TTL,
        )
        words: dict[str, tuple[Any, ...]] = {
            "open": (row, relayed or 0),
            "settle": (ended(request_id, number, 5, ended_at=now), None),
            "withdraw": (request_id,),
            "sweep": (now,),
            "find_open": ("u1", "api", "small", turn),
            "beat": ({request_id: relayed, "r0": relayed}, now + TTL),
        }
        assert await getattr(twin, what)(*words[what]) == await getattr(real, what)(*words[what]), what
        scope = SCOPES[number % len(SCOPES)]
        ids = {subject.scope: subject.id for subject in call().subjects}
        month = [
            await one.totals(Subject(scope, ids[scope]), now, periods(now, ZONE), ever=False) for one in (twin, real)
        ]
        assert month[0] == month[1]
        assert not any(is_total(field) for field in month[0].fields)
        for subject in (Subject("account", "u1"), Subject(scope, ids[scope])):
            assert await sums(twin, after=after, subject=subject) == await sums(real, after=after, subject=subject)
