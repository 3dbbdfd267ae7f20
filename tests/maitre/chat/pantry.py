"""What stands around the turn engine in its tests: a clock, stores that fail on demand, a listener, a registry."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue import Catalogue
from maitre.errors import StoreDown
from maitre.quota.plan import Plan
from maitre.tracing.trace import Report, ToolReport

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass."""
        self.now += timedelta(seconds=seconds)


class Shaky:
    """Stands before a store. `down` counts by method how often it fails; `lost` how often it works but fails to say
    so; `slow` holds a call until its event is set. `fault`: how it fails."""

    def __init__(self, store: Any, fault: type[Exception] = StoreDown) -> None:
        self._store, self._fault = store, fault
        self.down: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.slow: dict[str, asyncio.Event] = {}
        self.waiting = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        async def call(*values: Any, **named: Any) -> Any:
            if name in self.slow:
                self.waiting.set()
                await self.slow[name].wait()
            if self.down[name]:
                self.down[name] -= 1
                raise self._fault(f"{name} does not answer")
            answer = await getattr(self._store, name)(*values, **named)
            if self.lost[name]:
                self.lost[name] -= 1
                raise self._fault(f"{name} was not confirmed")
            return answer

        return call


class Heard:
    """A Tracer that keeps what it hears."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.tools: list[ToolReport] = []

    def report(self, report: Report | ToolReport) -> None:
        if isinstance(report, ToolReport):
            self.tools.append(report)
        else:
            self.reports.append(report)

    def counters(self) -> Mapping[str, int]:
        return {}


class Registry:
    """Accounts and the catalogue, in memory."""

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.plans_of: dict[str, str | None] = {}
        self.suspended: set[str] = set()
        self.reads = 0

    async def arrive(self, user_id: str, email: str, name: str) -> tuple[Account, int]:
        suspended = user_id in self.suspended
        account = Account(user_id, email, name, plan=self.plans_of.get(user_id), suspended=suspended)
        return account, self.catalogue.version

    async def read(self) -> Catalogue:
        self.reads += 1
        return self.catalogue

    def offer(self, *things: Plan | Assistant) -> None:
        """Make or change plans and assistants, as `cli seed` does."""
        plans = {**self.catalogue.plans, **{one.slug: one for one in things if isinstance(one, Plan)}}
        assistants = {**self.catalogue.assistants, **{one.slug: one for one in things if isinstance(one, Assistant)}}
        self.catalogue = Catalogue(self.catalogue.version + 1, plans, assistants)
