"""Engines that die, a ledger that comes and goes, a disk that fills up: in any order, every call is one row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from maitre.billing.journals_memory import MemoryJournal, MemoryJournals
from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.errors import StoreDown
from tests.contract.moody import MoodyLedger
from tests.contract.rows import NOON, PRICES, TTL, call, ended

Event = tuple[str, Any]
EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.tuples(st.just("mood"), st.sampled_from(["up", "down", "deaf"])),
        st.tuples(st.just("disk"), st.booleans()),
        st.tuples(st.just("open"), st.none()),
        st.tuples(st.just("settle"), st.integers(0, 9)),
        st.tuples(st.just("withdraw"), st.integers(0, 9)),
        st.tuples(st.just("beat"), st.integers(0, 60)),
        st.tuples(st.just("replay"), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.tuples(st.just("crash"), st.integers(0, 9)),
    ),
    max_size=50,
)


class SlowJournal(MemoryJournal):
    """A journal whose disk takes its time, before and after it did what it was asked."""

    async def append(self, line: bytes, *, bounded: bool) -> None:
        await asyncio.sleep(0)
        await super().append(line, bounded=bounded)
        await asyncio.sleep(0)

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        found = await super().read()
        await asyncio.sleep(0)
        return found[: found.find(b"\n", 400) + 1 or len(found)]

    async def remove(self) -> bool:
        await asyncio.sleep(0)
        gone = await super().remove()
        await asyncio.sleep(0)
        return gone


class SlowLedger(MoodyLedger):
    """A ledger that takes its time likewise."""

    async def _do(self, name: str, *words: Any) -> Any:
        await asyncio.sleep(0)
        try:
            return await super()._do(name, *words)
        finally:
            await asyncio.sleep(0)


class House:
    """One engine after another over one ledger. Everything happens at once; what was confirmed is remembered."""

    def __init__(self) -> None:
        self.rows, self.mood, self.broken = MemoryLedger(PRICES), "up", False
        self.left: list[MemoryJournal] = []
        self.begun = 0
        self.confirmed: set[str] = set()
        self.ends: dict[str, int | None] = {}  # how each ends that somebody wants to end; None: withdrawn
        self.finished: set[str] = set()  # whose end is confirmed
        self.relayed: dict[str, int] = {}
        self.now = NOON
        self.start()

    def start(self) -> None:
        """A new engine."""
        self.under, self.journals = SlowLedger(self.rows), MemoryJournals(*self.left)
        self.journals.own = SlowJournal()
        self.engine = JournaledLedger(self.under, self.journals, self._changed)
        self.under.mood, self.journals.own.broken = self.mood, self.broken
        self.alive: list[str] = []  # confirmed, and not finished
        self.tasks: list[asyncio.Task[None]] = []

    async def _changed(self, _: object) -> None:
        await asyncio.sleep(0)

    def _do(self, step: Callable[..., Coroutine[Any, Any, None]], *words: Any) -> None:
        """Begin something. What is not confirmed is StoreDown; nothing else is ever raised."""

        async def confirmed_or_not() -> None:
            with suppress(StoreDown):
                await step(*words)

        self.tasks.append(asyncio.create_task(confirmed_or_not()))

    async def open(self, name: str) -> None:
        await self.engine.open(call(name, expires_at=self.now + 9 * TTL), fail_open=True)
        self.confirmed.add(name)
        self.alive.append(name)

    async def finish(self, name: str) -> None:
        """Settle the call, or withdraw it if that was begun. What is not confirmed is asked for again some time."""
        try:
            if self.ends[name] is None:
                await self.engine.withdraw(name)
            else:
                await self.engine.settle(ended(name, self.ends[name] or 0), None)
        except StoreDown:
            self.alive.append(name)
            raise
        self.finished.add(name)

    async def beat(self, tokens: int, expires_at: Any) -> None:
        beating = {name: max(tokens, self.relayed.get(name, 0)) for name in self.alive}
        await self.engine.beat(dict(beating), expires_at)
        self.relayed |= {name: max(told, self.relayed.get(name, 0)) for name, told in beating.items()}

    async def replay(self) -> None:
        await self.engine.replay()

    async def event(self, what: str, how: Any) -> None:
        """One thing happens."""
        self.now += timedelta(seconds=1)
        match what:
            case "mood":
                self.mood = self.under.mood = how
            case "disk":
                self.broken = self.journals.own.broken = how
            case "open":
                self.begun += 1
                self._do(self.open, f"r{self.begun}")
            case "settle" | "withdraw":
                for name in self.alive[how : how + 1]:
                    self.alive.remove(name)
                    self.ends.setdefault(name, how if what == "settle" else None)
                    self._do(self.finish, name)
            case "beat":
                self._do(self.beat, how, self.now + 9 * TTL)
            case "replay":
                self._do(self.replay)
            case "wait":
                for _ in range(how):
                    await asyncio.sleep(0)
            case "crash":
                for task in self.tasks:
                    task.cancel()
                await asyncio.gather(*self.tasks, return_exceptions=True)
                self.journals.own.data += b'[1,"01234'[:how]
                await self.journals.own.close()
                self.left = [journal for journal in (*self.left, self.journals.own) if journal.data]
                self.start()

    async def end(self) -> None:
        """What was begun comes to its end; then everything answers, another engine starts, and long enough passes."""
        await asyncio.gather(*self.tasks)
        for event in (("mood", "up"), ("disk", False), ("crash", 0)):
            await self.event(*event)
        await self.engine.replay()
        await self.engine.sweep(self.now + 99 * TTL)


@given(EVENTS)
@settings(max_examples=300, deadline=None)
def test_every_confirmed_call_is_one_row_and_every_row_a_call(events: list[Event]) -> None:
    """A confirmed end is as it was told; a call without one is lost, at no less than its last confirmed beat and no
    more than its hold; what was confirmed as withdrawn is nowhere."""

    async def run() -> None:
        house = House()
        for event in events:
            await house.event(*event)
        await house.end()
        rows = house.rows.settled
        assert set(house.rows.calls) == set(rows)
        gone = {name for name, end in house.ends.items() if end is None}
        assert house.confirmed - gone <= set(rows)
        assert not gone & house.finished & set(rows)
        for name, end in rows.items():
            if name in house.finished:
                assert (end.status, end.prompt_tokens) == ("done", house.ends[name])
            elif name not in house.ends:
                assert (end.status, end.prompt_tokens) == ("lost", 30)
                assert house.relayed.get(name, 0) <= end.completion_tokens <= 70
        assert not any(journal.data for journal in house.left)

    asyncio.run(run())
