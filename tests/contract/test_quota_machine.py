"""The live windows under any sequence of events: twin and Valkey side by side, and a minute that truly slides."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from maitre.billing.row import Totals
from maitre.quota.memory_store import MemoryQuotaStore
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Denied, Granted, Unloaded
from maitre.quota.store import QuotaStore
from maitre.quota.window import periods
from tests.contract.house import NOON, NOTHING, REQUESTS, ZONE, loaded, plan, wish

pytestmark = pytest.mark.contract
T = TypeVar("T")
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
#: Steps between events in milliseconds; whole minutes and their neighbours come often.
STEPS = st.sampled_from([0, 1, 29_999, 30_000, 59_999, 60_000, 60_001]) | st.integers(0, 70_000)


class Pair(RuleBasedStateMachine):
    """Both stores hear the same; both must answer the same."""

    url = ""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.twin = MemoryQuotaStore()
        self.real = RedisQuotaStore(self.url, prefix=f"m-{uuid.uuid4().hex[:12]}")
        self.after = 0.0
        self.holds: list[tuple[str, str]] = []
        self.generation = 0
        self.totals = NOTHING
        self.both("load", "u1", self.day(), NOTHING, 0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def both(self, method: str, *values: Any) -> Any:
        """What both say to this, which must be one."""
        twin = self.run(getattr(self.twin, method)(*values))
        real = self.run(getattr(self.real, method)(*values))
        assert twin == real, (method, values)
        return twin

    @rule(milliseconds=STEPS)
    def time_passes(self, milliseconds: int) -> None:
        self.after += milliseconds / 1000

    @rule()
    def a_day_passes(self) -> None:
        self.after += 24 * 3600

    @rule(
        kind=st.sampled_from(["turn", "turn", "task", "repair"]),
        turn=st.integers(0, 2),
        tokens=st.integers(1, 60),
        per_minute=st.none() | st.integers(0, 3),
        month=st.none() | st.integers(0, 6),
        total=st.none() | st.integers(0, 200),
        ttl=st.sampled_from([20, 660]),
    )
    def reserve(
        self, kind: str, turn: int, tokens: int, per_minute: int | None, month: int | None, total: int | None, ttl: int
    ) -> None:
        limits = {"requests_per_minute": per_minute, "requests_per_month": month, "tokens_total": total}
        asked = wish(
            limits=plan(**{name: limit for name, limit in limits.items() if limit is not None}),
            tokens=tokens,
            kind=kind,
            turn=f"t{turn}",
            after=self.after,
            ttl=timedelta(seconds=ttl),
        )
        answer = self.both("reserve", asked)
        if isinstance(answer, Granted):
            self.holds.append((asked.hold_id, asked.turn_id))
            assert self.both("reserve", asked) == answer
        elif isinstance(answer, Denied):
            assert not self.both("settle", "u1", asked.hold_id, {"tokens:total": 1})

    @rule(which=st.integers(0, 5), tokens=st.integers(0, 90), again=st.booleans())
    def settle(self, which: int, tokens: int, again: bool) -> None:
        if self.holds:
            hold, _ = self.holds[which % len(self.holds)]
            done = self.both("settle", "u1", hold, {"tokens:total": tokens, f"tokens:day:{self.day()}": tokens})
            if again and done:
                assert not self.both("settle", "u1", hold, {"tokens:total": tokens})

    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        if self.holds:
            hold, turn = self.holds[which % len(self.holds)]
            self.both("release", "u1", hold, turn, REQUESTS)

    @rule(total=st.integers(0, 100), ago=st.integers(0, 70_000), held=st.integers(0, 40))
    def read_the_ledger(self, total: int, ago: int, held: int) -> None:
        now = NOON + timedelta(seconds=self.after)
        self.generation = self.run(self.real.generation("u1"))
        self.totals = Totals(
            {"tokens:total": total},
            {"l": now - timedelta(milliseconds=ago)},
            {"t0": 1},
            {"l": (held, now + timedelta(seconds=30), True)} if held else {},
        )

    @rule()
    def load(self) -> None:
        changed = self.run(self.real.generation("u1")) != self.generation
        known = self.run(self.real.live("u1", NOON)) is not None
        generation = self.run(self.twin.generation("u1"))
        twin = self.run(self.twin.load("u1", self.day(), self.totals, generation - changed))
        real = self.run(self.real.load("u1", self.day(), self.totals, self.generation))
        assert twin == real == (not changed and not known)

    def day(self) -> str:
        return periods(NOON + timedelta(seconds=self.after), ZONE).day

    @invariant()
    def both_know_the_same(self) -> None:
        if hasattr(self, "runner"):
            self.both("live", "u1", NOON + timedelta(seconds=self.after))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.real.close())
            self.runner.close()


def test_the_twin_and_valkey_never_differ(valkey_url: str) -> None:
    """Any sequence of events gets the same answers from both and leaves the same windows."""
    machine = type("PairOnValkey", (Pair,), {"url": valkey_url})
    run_state_machine_as_test(machine, settings=settings(QUICK, max_examples=80, stateful_step_count=30))


def most_in_a_minute(moments: list[float]) -> int:
    """The most moments that any 60 seconds hold, both ends included, wherever they start."""
    return max((sum(start <= at <= start + 60 for at in moments) for start in moments), default=0)


@pytest.mark.parametrize("kind", ["memory", "valkey"])
@given(steps=st.lists(STEPS, min_size=1, max_size=25), limit=st.integers(1, 4))
@QUICK
def test_no_minute_wherever_it_starts_holds_more_than_the_limit(
    request: pytest.FixtureRequest, kind: str, steps: list[int], limit: int
) -> None:
    """The granted moments are at most N in any 60 seconds; and a request after a free minute is always granted."""

    async def play() -> list[float]:
        real = RedisQuotaStore(request.getfixturevalue("valkey_url"), prefix=f"s-{uuid.uuid4().hex[:12]}")
        store: QuotaStore = MemoryQuotaStore() if kind == "memory" else real
        await loaded(store)
        moments: list[float] = []
        after = 0.0
        for step in steps:
            after += step / 1000
            answer = await store.reserve(
                wish(limits=plan(requests_per_minute=limit), after=after, ttl=timedelta(hours=9))
            )
            recent = sum(after - 60.002 <= at for at in moments)
            assert not isinstance(answer, Unloaded)
            if isinstance(answer, Granted):
                moments.append(after)
            else:
                assert recent >= limit
        await real.close()
        return moments

    assert most_in_a_minute(asyncio.run(play())) <= limit


async def test_a_request_that_arrives_late_still_sees_its_own_minute(store: QuotaStore) -> None:
    """Two processes, or one slow load, bring requests out of order; by their own times no minute may hold more."""
    await loaded(store)
    two = plan(requests_per_minute=2)
    moments = [1.0, 1.2, 61.5, 60.9]
    granted = [at for at in moments if isinstance(await store.reserve(wish(limits=two, after=at)), Granted)]
    assert most_in_a_minute(granted) <= 2
