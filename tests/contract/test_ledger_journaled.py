"""A ledger with a journal: served while Postgres is down, never unrecorded, and in the ledger once afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from maitre.billing.journal_jsonl import FileJournals
from maitre.billing.journals_memory import MemoryJournal, MemoryJournals
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.billing.row import Words
from maitre.errors import StoreDown
from maitre.sql.postgres import Database
from tests.contract.moody import Engine, MoodyLedger
from tests.contract.rows import NOON, PRICES, TTL, call, ended, sums

pytestmark = pytest.mark.contract
WORDS = Words("in", "out", NOON + timedelta(days=30))
LATE = TTL.total_seconds() + 1


@pytest.fixture(params=["twins", "real"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine on twins, or on Postgres and a disk."""
    if request.param == "twins":
        yield Engine(MoodyLedger(MemoryLedger(PRICES)), MemoryJournals())
        return
    journals, database = FileJournals(tmp_path / "journal", "a"), Database(request.getfixturevalue("postgres_schema"))
    await database.migrate()
    yield Engine(MoodyLedger(PostgresLedger(database, PRICES)), journals)
    await journals.close()
    await database.close()


async def test_a_ledger_that_answers_needs_no_journal(engine: Engine) -> None:
    """Nothing is journaled, nobody is told, a replay does nothing."""
    await engine.serve("r1")
    await engine.ledger.beat({"r1": 3}, NOON + TTL)
    assert await engine.ledger.settle(ended("r1"), WORDS)
    assert not await engine.ledger.withdraw("r1")
    assert engine.journals.own.size == 0
    assert await engine.ledger.replay() == 0
    assert engine.told == []


async def test_a_plan_that_fails_closed_is_not_journaled(engine: Engine) -> None:
    """Its caller hears StoreDown, and there is no row afterwards."""
    engine.under.mood = "down"
    with pytest.raises(StoreDown):
        await engine.ledger.open(call())
    assert engine.journals.own.size == 0
    engine.under.mood = "up"
    assert (await sums(engine.ledger)).fields == {}


@pytest.mark.parametrize("mood", ["down", "deaf"])
async def test_a_whole_call_while_the_ledger_is_away_is_one_row(engine: Engine, mood: str) -> None:
    """Opened, beaten and settled without Postgres, whether or not it heard the opening; then replayed, once."""
    engine.under.mood = mood
    await engine.serve("r1")
    await engine.ledger.beat({"r1": 3}, NOON + TTL)
    assert await engine.ledger.settle(ended("r1"), WORDS)
    engine.under.mood = "down"
    with pytest.raises(StoreDown):
        await engine.ledger.replay()
    assert engine.journals.own.size
    engine.under.mood = "up"
    assert await engine.ledger.replay() == 1
    assert await engine.ledger.replay() == 0
    assert engine.journals.own.size == 0
    assert engine.told == [frozenset(call("r1").subjects)]
    found = await sums(engine.ledger)
    assert (found.fields["tokens:total"], found.fields["requests:total"], found.holds) == (25, 1, {})
    assert not await engine.ledger.settle(ended("r1", 999), None)


async def test_a_call_that_outlives_the_outage_goes_on_in_the_ledger(engine: Engine) -> None:
    """Replayed while it runs it is an open row with what it relayed; its end then goes to the ledger."""
    engine.under.mood = "down"
    await engine.serve("r1")
    await engine.ledger.beat({"r1": 9}, NOON + 2 * TTL)
    engine.under.mood = "up"
    assert await engine.ledger.replay() == 1
    hold = (await sums(engine.ledger)).holds["r1"]
    assert hold.expires_at == NOON + 2 * TTL
    await engine.ledger.beat({"r1": 8}, NOON + 3 * TTL)
    assert engine.journals.own.size == 0
    assert (await sums(engine.ledger, after=3 * LATE)).fields["tokens:total"] == 30 + 9
    assert await engine.ledger.settle(ended("r1"), None)
    assert (await sums(engine.ledger)).fields["tokens:total"] == 25


async def test_the_order_is_kept_when_the_ledger_is_back_before_the_replay(engine: Engine) -> None:
    """The end of a journaled call is journaled, too; whoever asks for totals gets them with the journal's calls."""
    engine.under.mood = "down"
    await engine.serve("r1")
    await engine.serve("r2")
    engine.under.mood = "up"
    assert await engine.ledger.settle(ended("r1"), None)
    assert await engine.ledger.withdraw("r2")
    assert engine.under.asked == 1
    found = await sums(engine.ledger)
    assert (found.fields["tokens:total"], found.fields["requests:total"]) == (25, 1)


async def test_nobody_waits_for_a_ledger_that_is_known_to_be_down(engine: Engine) -> None:
    """Until a replay sees it answer, calls of plans that fail open go to the journal at once, others still try."""
    engine.under.mood = "down"
    await engine.serve("r1")
    assert engine.under.asked == 1
    await engine.serve("r2")
    assert engine.under.asked == 1
    with pytest.raises(StoreDown):
        await engine.ledger.open(call("r3"))
    engine.under.mood = "up"
    assert await engine.ledger.replay() == 2
    await engine.serve("r4")
    assert engine.journals.own.size == 0
    assert set((await sums(engine.ledger)).holds) == {"r1", "r2", "r4"}


async def test_every_beat_of_a_journaled_call_is_written(engine: Engine) -> None:
    """However close the beats, and whether the lease moves or not; those of other calls go to the ledger."""
    await engine.serve("r0")
    engine.under.mood = "down"
    await engine.serve("r1")
    await engine.serve("r2")
    await engine.ledger.beat({"r1": 1}, NOON)
    await engine.ledger.beat({"r1": 2, "r2": 2}, NOON)
    with pytest.raises(StoreDown):
        await engine.ledger.beat({"r0": 3, "r1": 3}, NOON)
    engine.under.mood = "up"
    await engine.ledger.beat({"r0": 4}, NOON)
    await engine.ledger.replay()
    found = await sums(engine.ledger, after=LATE)
    assert found.fields["tokens:total"] == 3 * 30 + 4 + 3 + 2


async def test_an_open_call_of_another_model_is_found_in_the_journal(engine: Engine) -> None:
    """The oldest of both books; without the ledger, the journal's; else StoreDown."""
    await engine.ledger.open(call("r1", at=NOON))
    engine.under.mood = "down"
    with pytest.raises(StoreDown):
        await engine.ledger.find_open("u1", "api", "small", None)
    await engine.ledger.open(call("r2", at=NOON - timedelta(seconds=1), turn_id="t2"), fail_open=True)
    assert await engine.ledger.find_open("u1", "api", "small", None) == call(
        "r2", at=NOON - timedelta(seconds=1), turn_id="t2"
    )
    with pytest.raises(StoreDown):
        await engine.ledger.find_open("u1", "api", "small", "t1")
    engine.under.mood = "up"
    for turn, name in ((None, "r2"), ("t2", "r2"), ("t1", "r1")):
        found = await engine.ledger.find_open("u1", "api", "small", turn)
        assert found is not None
        assert found.request_id == name
    assert await engine.ledger.find_open("u1", "api", "small", "t3") is None


async def test_the_journal_stays_until_the_live_windows_have_heard_of_it(engine: Engine) -> None:
    """With Valkey down the rows are written, the journal is kept, and the next replay tells what it wrote."""
    engine.under.mood = "down"
    await engine.serve("r1")
    engine.under.mood, engine.deaf = "up", True
    with pytest.raises(StoreDown, match="Valkey"):
        await engine.ledger.replay()
    assert engine.journals.own.size
    await engine.serve("r2")
    assert set((await sums(engine.under)).holds) == {"r1", "r2"}
    assert await engine.ledger.settle(ended("r1"), None)
    engine.deaf = False
    assert await engine.ledger.replay() == 1
    assert engine.told == [frozenset(call().subjects)]
    assert (await sums(engine.ledger)).fields["tokens:total"] == 25


async def test_what_no_row_can_hold_is_put_aside(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The neighbours are written; what cannot be is kept, and one sentence in the log says so."""
    engine.under.mood = "down"
    await engine.serve("r1")
    await engine.ledger.open(call("bad", held_prompt=-1), fail_open=True)
    await engine.serve("r2")
    await engine.ledger.settle(ended("bad"), None)
    await engine.ledger.settle(ended("r1", -5), None)
    await engine.ledger.settle(ended("r2"), None)
    engine.under.mood = "up"
    assert await engine.ledger.replay() == 1
    found = await sums(engine.ledger)
    assert (set(found.holds), found.fields["tokens:total"]) == ({"r1"}, 25)
    assert "4 lines of a journal have no place in the ledger" in caplog.text


async def test_many_calls_at_once_are_journaled_and_replayed(engine: Engine) -> None:
    """Two hundred of them, some settled while the replay runs."""
    engine.under.mood = "down"
    names = [f"r{number}" for number in range(200)]
    await asyncio.gather(*(engine.serve(name) for name in names))
    engine.under.mood = "up"
    settling = [engine.ledger.settle(ended(name, 1, 0), None) for name in names[:100]]
    await asyncio.gather(engine.ledger.replay(), *settling, engine.ledger.replay())
    await engine.ledger.replay()
    assert all(await asyncio.gather(*(engine.ledger.settle(ended(name, 1, 0), None) for name in names[100:])))
    found = await sums(engine.ledger)
    assert (found.fields["requests:total"], found.fields["tokens:total"], found.holds) == (200, 200, {})
    assert engine.journals.own.size == 0


async def test_without_ledger_and_journal_it_is_closed() -> None:
    """A call that can be written nowhere is not served, and is nowhere afterwards; an end is asked for again."""
    journals = MemoryJournals()
    engine = Engine(MoodyLedger(MemoryLedger(PRICES)), journals)
    engine.under.mood = "down"
    await engine.serve("r1")
    journals.own.broken = True
    for step in (engine.serve("r2"), engine.ledger.settle(ended("r1"), None), engine.ledger.beat({"r1": 1}, NOON)):
        with pytest.raises(StoreDown, match="The journal"):
            await step
    engine.under.mood, journals.own.broken = "up", False
    assert await engine.ledger.settle(ended("r1"), None)
    assert not await engine.ledger.settle(ended("r2"), None)
    await engine.ledger.replay()
    assert (await sums(engine.ledger)).fields["requests:total"] == 1


async def test_a_call_that_is_being_journaled_while_a_replay_ends_stays_the_journals() -> None:
    """Its opening comes to the journal after the replay removed it; so must its end, or the row would be lost."""

    class Gated(MemoryJournal):
        gate = asyncio.Event()

        async def append(self, line: bytes, *, bounded: bool) -> None:
            await self.gate.wait()
            await super().append(line, bounded=bounded)

    journals = MemoryJournals()
    journals.own = Gated()
    engine = Engine(MoodyLedger(MemoryLedger(PRICES)), journals)
    engine.under.mood = "down"
    Gated.gate.set()
    await engine.serve("r1")
    Gated.gate.clear()
    late = asyncio.create_task(engine.serve("r2"))
    await asyncio.sleep(0)
    engine.under.mood = "up"
    assert await engine.ledger.replay() == 1
    Gated.gate.set()
    await late
    assert await engine.ledger.settle(ended("r1"), None)
    assert await engine.ledger.settle(ended("r2"), None)
    assert await engine.ledger.replay() == 1
    assert (await sums(engine.ledger)).fields["tokens:total"] == 50
