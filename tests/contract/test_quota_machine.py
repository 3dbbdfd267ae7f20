"""The live windows under any sequence of events: the twin, Valkey and one simple model side by side, over several
subjects and a small ledger."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from maitre.billing.row import Totals
from maitre.quota.memory_store import MemoryQuotaStore
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Denied, Granted, Unloaded
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import WINDOWS, periods, second_field
from maitre.valkey.redis_wire import Valkey
from tests.contract.house import NOON, ZONE, wish
from tests.contract.window_model import Model, Taken

pytestmark = pytest.mark.contract
T = TypeVar("T")
GUESTS = [Subject("account", "u1"), Subject("account", "u2")]
WIDER = [Subject("model", "m"), HOUSE]
EVERYBODY = [*GUESTS, *WIDER]

#: Steps between events in milliseconds; whole minutes and their neighbours come often.
STEPS = st.sampled_from([0, 1, 999, 20_001, 29_999, 30_000, 59_999, 60_000, 60_001, 86_400_000]) | st.integers(
    0, 30_000
)
SIZES = {"requests": 5, "tokens": 250, "money": 900, "calls": 3}
LIMITS = st.dictionaries(st.sampled_from(sorted(WINDOWS)), st.floats(0, 1), max_size=4).map(
    lambda parts: {name: round(part * SIZES[WINDOWS[name].resource]) for name, part in parts.items()}
)
KINDS = ["turn", "task", "task", "repair", "fallback", "summary"]
CALL: dict[str, Any] = {
    "user": st.sampled_from(GUESTS),
    "limits": LIMITS,
    "wider": st.dictionaries(st.sampled_from(WIDER), LIMITS),
    "size": st.tuples(st.integers(0, 30), st.integers(1, 60), st.integers(1, 60)),
    "prices": st.sampled_from([(0, 0), (1, 3), (0, 2), (4, 0)]),
    "ttl": st.sampled_from([20, 660, 660]),
    "loads": st.sampled_from([True, True, True, False]),
    "writes": st.sampled_from([True, True, False]),
}


@dataclass(frozen=True)
class Row:
    """A row of the small ledger. `spent` is None while it is open."""

    taken: Taken
    expires: datetime
    spent: Counter[str] | None = None
    lost: bool = False


class Trio(RuleBasedStateMachine):
    """All three hear the same, and all three must answer the same."""

    url = ""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.twin, self.model = MemoryQuotaStore(), Model()
        self.valkey = Valkey(self.url)
        self.real = RedisQuotaStore(self.valkey, prefix=f"m-{uuid.uuid4().hex[:12]}")
        self.now = NOON
        self.taken: dict[str, Taken] = {}
        self.rows: dict[str, Row] = {}
        self.reads: list[tuple[Subject, str, Totals, int, int, int]] = []
        for subject in EVERYBODY:
            self.load(subject)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def all(self, expected: Any, method: str, *values: Any) -> Any:
        """What all three say to this, which must be one."""
        twin = self.run(getattr(self.twin, method)(*values))
        real = self.run(getattr(self.real, method)(*values))
        assert twin == real == expected, (method, values)
        return expected

    def some(self, which: int) -> Taken | None:
        """One of the latest calls."""
        latest = list(self.taken.values())[-6:]
        return latest[which % len(latest)] if latest else None

    @rule(milliseconds=STEPS)
    def time_passes(self, milliseconds: int) -> None:
        self.now += timedelta(milliseconds=milliseconds)

    @rule(kind=st.just("turn"), turn=st.integers(0, 2), **CALL)
    def reserve_a_turn(self, **words: Any) -> None:
        self.reserve(**words)

    @rule(kind=st.sampled_from(KINDS), turn=st.integers(0, 20), **CALL)
    def reserve_another(self, **words: Any) -> None:
        self.reserve(**words)

    def reserve(self, size: tuple[int, int, int], turn: int, ttl: int, loads: bool, writes: bool, **words: Any) -> None:
        asked = wish(
            turn=f"t{turn}",
            prompt=size[0],
            answer=max(size[1:]),
            least=min(size[1:]),
            after=(self.now - NOON).total_seconds(),
            ttl=timedelta(seconds=ttl),
            **words,
        )
        answer = self.all(self.model.reserve(asked), "reserve", asked)
        if isinstance(answer, Unloaded) and loads:
            for subject in answer.subjects:
                self.load(subject)
            answer = self.all(self.model.reserve(asked), "reserve", asked)
        if isinstance(answer, Granted):
            self.taken[asked.hold_id] = self.model.taken[asked.hold_id]
            assert self.all(self.model.reserve(asked), "reserve", asked) == answer
            if writes:
                self.rows[asked.hold_id] = Row(self.taken[asked.hold_id], asked.expires_at)

    @precondition(lambda self: self.taken)
    @rule(which=st.integers(0, 5))
    def write_and_confirm(self, which: int) -> None:
        taken = self.some(which)
        if taken and self.now - taken.ask.now < timedelta(minutes=1):
            row = self.rows.setdefault(taken.ask.hold_id, Row(taken, taken.ask.expires_at))
            if row.spent is None:
                asked = taken.ask.again(taken.granted)
                known = self.all(self.model.knows(asked), "knows", asked.hold_id, asked.subjects)
                answer = self.all(self.model.reserve(asked), "reserve", asked)
                if known:
                    assert isinstance(answer, Granted)
                if isinstance(answer, Granted):
                    assert replace(answer, near=()) == replace(taken.granted, near=())
                elif isinstance(answer, Denied):
                    self.give_back(taken)

    @precondition(lambda self: self.rows)
    @rule(which=st.integers(0, 5), tokens=st.integers(0, 90), again=st.sampled_from([False, False, True]))
    def settle(self, which: int, tokens: int, again: bool) -> None:
        rows = list(self.rows.values())[-6:]
        if rows:
            taken = rows[which % len(rows)].taken
            row, when = self.rows[taken.ask.hold_id], taken.ask.periods
            spent = Counter({**dict.fromkeys(when.fields("tokens"), tokens), when.fields("money")[2]: tokens * 3})
            spent[second_field(taken.ask.now)] += tokens
            if row.spent is None or row.lost:
                self.rows[taken.ask.hold_id] = replace(row, spent=spent, lost=False)
            for _ in range(1 + again):
                end = (taken.ask.hold_id, taken.ask.subjects, spent)
                self.all(self.model.settle(*end), "settle", *end)

    @precondition(lambda self: self.taken)
    @rule(which=st.integers(0, 5))
    def release(self, which: int) -> None:
        taken = self.some(which)
        if taken and (taken.ask.hold_id not in self.rows or self.rows[taken.ask.hold_id].spent is None):
            self.give_back(taken)

    def give_back(self, taken: Taken) -> None:
        self.rows.pop(taken.ask.hold_id, None)
        del self.taken[taken.ask.hold_id]
        words = (taken.ask.hold_id, taken.ask.subjects)
        self.all(self.model.release(*words), "release", *words, taken.ask.periods.fields("requests"))

    @precondition(lambda self: self.taken)
    @rule(which=st.sets(st.integers(0, 5)), seconds=st.integers(0, 90), in_the_ledger=st.booleans())
    def beat(self, which: set[int], seconds: int, in_the_ledger: bool) -> None:
        names = {taken.ask.hold_id for taken in map(self.some, which) if taken}
        until = self.now + timedelta(seconds=seconds)
        if in_the_ledger:
            for name in names & self.rows.keys():
                self.rows[name] = replace(self.rows[name], expires=max(self.rows[name].expires, until))
            names = set(list(names)[1:])  # one of them reaches only the ledger
        self.model.beat(names, until)
        self.all(None, "beat", names, until)

    @rule(subjects=st.sets(st.sampled_from(EVERYBODY)) | st.none())
    def unload(self, subjects: set[Subject] | None) -> None:
        self.all(self.model.unload(EVERYBODY if subjects is None else subjects), "unload", subjects)

    @rule(subject=st.sampled_from(EVERYBODY), ever=st.booleans())
    def read_the_ledger(self, subject: Subject, ever: bool = True) -> None:
        twin, real = self.run(self.twin.generation(subject)), self.run(self.real.generation(subject))
        day = periods(self.now, ZONE).day
        self.reads.append((subject, day, self.totals(subject, ever), self.model.heard(subject), twin, real))

    @precondition(lambda self: self.reads)
    @rule(which=st.integers(0, 3))
    def load_what_was_read(self, which: int) -> None:
        subject, day, totals, heard, twin, real = self.reads.pop(-1 - which % len(self.reads))
        expected = self.model.load(subject, day, totals, heard)
        assert self.run(self.twin.load(subject, day, totals, twin)) == expected
        assert self.run(self.real.load(subject, day, totals, real)) == expected

    @rule(subject=st.sampled_from(EVERYBODY))
    def load(self, subject: Subject) -> None:
        self.read_the_ledger(subject)
        self.load_what_was_read(0)

    def totals(self, subject: Subject, ever: bool) -> Totals:
        """The sums of the small ledger; late rows are closed as lost first."""
        when, fields, turns = periods(self.now, ZONE), Counter[str](), Counter[str]()
        spans = (when.day, when.month, "total") if ever else (when.day, when.month)
        mine = {name: row for name, row in self.rows.items() if subject in row.taken.ask.subjects}
        for name, row in mine.items():
            if row.spent is None and row.expires < self.now:
                hold = row.taken.hold
                tokens = dict.fromkeys(row.taken.ask.periods.fields("tokens"), hold.prompt_tokens)
                tokens[second_field(row.taken.ask.now)] = hold.prompt_tokens
                mine[name] = self.rows[name] = replace(row, spent=Counter(tokens), lost=True)
            fields.update({**row.taken.counters(), **(mine[name].spent or {})})
            if subject == row.taken.ask.account:
                fields.update(row.taken.tasks())
                turns[row.taken.ask.turn_id] += row.taken.ask.kind == "turn"
        return Totals(
            fields={
                name: n for name, n in fields.items() if name.split(":")[-1] in spans or name in self.seconds(mine)
            },
            recent={
                name: row.taken.ask.now
                for name, row in mine.items()
                if row.taken.granted.counted and row.taken.ask.now >= self.now - timedelta(minutes=1)
            },
            turns=dict(turns),
            holds={
                name: replace(row.taken.hold, expires_at=row.expires) for name, row in mine.items() if row.spent is None
            },
            ever=ever,
        )

    def seconds(self, rows: dict[str, Row]) -> set[str]:
        """The counters of those that began in the last minute, by whole seconds."""
        begun = [row.taken.ask.now for row in rows.values()]
        return {second_field(at) for at in begun if at >= (self.now - timedelta(minutes=1)).replace(microsecond=0)}

    @invariant()
    def all_know_the_same(self) -> None:
        """Among it that what is held is the sum of the live holds."""
        if hasattr(self, "runner"):
            for subject in EVERYBODY:
                self.all(self.model.live(subject, self.now), "live", subject, self.now)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.valkey.close())
            self.runner.close()


def test_the_twin_valkey_and_the_model_never_differ(valkey_url: str) -> None:
    """Any sequence of events gets the same answers from all and leaves the same windows."""
    machine = type("TrioOnValkey", (Trio,), {"url": valkey_url})
    run_machine(
        machine,
        settings=settings(
            max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
