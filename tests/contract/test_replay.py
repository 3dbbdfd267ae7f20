"""Replays of journals that dead engines left: cut anywhere, done twice, interrupted at any step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maitre.billing.journal_jsonl import FileJournals
from maitre.billing.journals_memory import MemoryJournal, MemoryJournals
from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.row import Call, Words
from maitre.errors import StoreDown
from tests.contract.moody import Engine, MoodyLedger
from tests.contract.rows import NOON, PRICES, TTL, call, ended, sums

pytestmark = pytest.mark.contract
WORDS = Words("in", "out", NOON)
LATE = TTL.total_seconds() + 1


async def test_the_journal_of_a_dead_engine_is_replayed_by_another(tmp_path: Path) -> None:
    """What was over is settled; what was not becomes a row that is lost when its hold expires, at what it relayed; the
    piece of a line that the crash left is kept and reported."""
    under = MoodyLedger(MemoryLedger(PRICES))
    dead, alive = FileJournals(tmp_path, "dead"), FileJournals(tmp_path, "alive")
    engine, other = Engine(under, dead), Engine(under, alive)
    under.mood = "down"
    for name in ("done", "cut", "never"):
        await engine.serve(name)
    await engine.ledger.beat({"cut": 6}, NOON + TTL)
    await engine.ledger.settle(ended("done"), WORDS)
    await engine.ledger.withdraw("never")
    with pytest.raises(StoreDown):
        await other.ledger.open(call("other"))
    under.mood = "up"
    assert await other.ledger.replay() == 0, "its engine lives"
    await dead.close()
    with (tmp_path / "dead.jsonl").open("ab") as file:
        file.write(b'[1,"0000')
    assert await other.ledger.replay() == 3
    assert other.told == [frozenset(call().subjects)]
    assert set((await sums(other.ledger)).holds) == {"cut"}
    assert (await sums(other.ledger, after=LATE)).fields["tokens:total"] == 25 + 36
    assert os.listdir(tmp_path) == ["dead.aside"]
    assert (tmp_path / "dead.aside").read_bytes() == b'[1,"0000\n'
    assert (tmp_path / "dead.aside").stat().st_mode & 0o777 == 0o600


async def test_a_journal_cut_anywhere_is_replayed_up_to_there_and_twice_is_once() -> None:
    """For every length of the file: each whole line is in the ledger, and a second replay changes nothing."""
    under = MoodyLedger(MemoryLedger(PRICES))
    engine = Engine(under, MemoryJournals())
    under.mood = "down"
    await engine.serve("r1")
    await engine.serve("r2")
    await engine.ledger.beat({"r2": 7}, NOON + TTL)
    await engine.ledger.settle(ended("r1"), WORDS)
    data = await engine.journals.own.read()
    for cut in range(len(data) + 1):
        ledger, whole = MemoryLedger(PRICES), data[:cut].count(b"\n")
        for _ in range(2):
            left = MemoryJournal()
            left.data = data[:cut]
            await JournaledLedger(ledger, MemoryJournals(left), engine.heard).replay()
            assert list(ledger.calls) == ["r1", "r2"][:whole]
            assert ledger.relayed.get("r2") == ([None, None, 0, 7, 7][whole])
            assert list(ledger.settled) == (["r1"] if whole == 4 else [])
            assert left.aside == (
                [] if data[:cut].endswith(b"\n") or not cut else [data[data[:cut].rfind(b"\n") + 1 : cut]]
            )


async def test_a_replay_that_is_cut_short_anywhere_is_done_again() -> None:
    """Whichever step the ledger goes away at, or the engine dies at, the next replay leaves what one replay leaves."""
    under = MoodyLedger(MemoryLedger(PRICES))
    engine = Engine(under, MemoryJournals())
    under.mood = "down"
    for name in ("done", "cut", "never"):
        await engine.serve(name)
    await engine.ledger.beat({"cut": 6}, NOON + 2 * TTL)
    await engine.ledger.settle(ended("done"), WORDS)
    await engine.ledger.withdraw("never")
    data = await engine.journals.own.read()

    async def left_after(*patience: int | None) -> tuple[object, ...]:
        ledger, left = MemoryLedger(PRICES), MemoryJournal()
        for steps in patience:
            left.data = data  # the engine died: the next one reads it from the beginning
            moody = MoodyLedger(ledger)
            moody.patience = steps
            try:
                await JournaledLedger(moody, MemoryJournals(left), engine.heard).replay()
            except StoreDown:
                assert left.data == data
        return ledger.calls, ledger.relayed, ledger.settled, ledger.words

    expected = await left_after(None)
    for steps in range(7):
        assert await left_after(steps, None) == expected
        assert await left_after(steps, steps, None) == expected


async def test_a_sweep_in_the_middle_of_a_replay_charges_what_was_relayed() -> None:
    """A dead engine's call whose hold expired long ago may be swept the moment its row is there."""

    class Swept(MemoryLedger):
        async def open(self, call: Call, relayed: int = 0) -> None:
            await super().open(call, relayed)
            await self.sweep(NOON + 9 * TTL)

    rows = Swept(PRICES)
    engine = Engine(MoodyLedger(rows), MemoryJournals())
    engine.under.mood = "down"
    await engine.serve("r1")
    await engine.ledger.beat({"r1": 9}, NOON + TTL)
    engine.under.mood = "up"
    await engine.ledger.replay()
    assert (rows.settled["r1"].status, rows.settled["r1"].completion_tokens) == ("lost", 9)
