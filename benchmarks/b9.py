"""B9: how soon passages can be searched through an index, by LlamaIndex's `add`: our store beside the stock one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery
from rich.console import Console
from rich.table import Table

from benchmarks.database import database
from benchmarks.goal import Goal
from benchmarks.rows import BATCH, Rows
from benchmarks.vector_stores import ours, stock
from benchmarks.work import Spread, Work, spread
from maitre.errors import HouseError

TITLE = "B9: passages that can be searched through an index"
FEATURES = {
    "maitre": "PgVectorStore.add in batches, then tend: COPY, then HNSW of half vectors; metadata too, no words",
    "maitre, words": "the same with an index of words, as it comes",
    "stock": "PGVectorStore.add in batches into its HNSW index, as its documentation makes it; no words",
    "stock, index last": "the same into a table without an index, which is built at the end",
}
TARGETS = tuple(FEATURES)
WORK = Work(rounds=2, streams=0, chunks=0, interval_ms=0, ramp=0, rows=20_000)
RATIO = {"stock": 1 / 5, "stock, index last": 1 / 2}  # of "maitre", which does the same work


@dataclass(frozen=True, slots=True)
class Loaded:
    """One target's round."""

    target: str
    number: int
    rows: int
    seconds: float
    cpu_seconds: float  # the client's

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def run(work: Work) -> list[Loaded]:
    """All targets in every round, each into a table of its own. HouseError unless the rows are found."""
    order, rounds = random.Random(work.seed), []
    rows = Rows(work.rows, work.seed)
    batches = list(rows.batches())
    with database(work.cpus) as url:
        for number in range(1, work.rounds + 1):
            targets = list(TARGETS)
            order.shuffle(targets)
            for target in targets:
                cpu, began = time.process_time(), time.perf_counter()
                store = load(url, target, f"r{number}", batches)
                seconds, used = time.perf_counter() - began, time.process_time() - cpu
                _check(store, target, rows)
                rounds.append(Loaded(target, number, work.rows, seconds, used))
                empty(store)
    return rounds


def load(url: str, target: str, name: str, batches: Iterable[list[TextNode]]) -> Any:
    """Make a store with these rows, and with its index; the store."""
    if target.startswith("maitre"):
        store: Any = ours(url, name if target == "maitre" else f"{name}_words", words=target != "maitre")
        for batch in batches:
            store.add(batch)
        store.tend()
        return store
    table = f"{name}_{'last' if target.endswith('last') else 'first'}"
    store = stock(url, table, indexed=target == "stock")
    for batch in batches:
        store.add(batch)
    if target == "stock":
        return store
    _close(store)
    indexed = stock(url, table, indexed=True)
    indexed.add([])  # builds it
    return indexed


def empty(store: Any) -> None:
    """Take the rows away, so that every round finds the same room."""
    store.clear()
    _close(store)


def _close(store: Any) -> None:
    close: Callable[[], Any] = store.close
    if hasattr(store, "tend"):
        close()
    else:
        store._engine.dispose()


def _check(store: Any, target: str, rows: Rows) -> None:
    for number in range(0, rows.count, max(1, rows.count // 20)):
        asked = VectorStoreQuery(query_embedding=rows.vectors[number].tolist(), similarity_top_k=5)
        if f"n{number}" not in (store.query(asked).ids or []):
            raise HouseError(f"{target}: the row n{number} is not found by its own vector.")


def ratio(rounds: Sequence[Loaded], theirs: str) -> Spread:
    """Our time as a part of theirs, round by round."""
    seconds = {(one.target, one.number): one.seconds for one in rounds}
    numbers = sorted({one.number for one in rounds})
    return spread([seconds["maitre", number] / seconds[theirs, number] for number in numbers])


def goals(rounds: Sequence[Loaded]) -> list[Goal]:
    """What must hold."""
    return [Goal(f"time, maitre / {theirs}", ratio(rounds, theirs), most) for theirs, most in RATIO.items()]


def tell(console: Console, work: Work, rounds: Sequence[Loaded]) -> None:
    """Print what was measured and whether the targets hold."""
    console.print(f"{work.rounds} rounds of {work.rows} rows in batches of {BATCH}; seed {work.seed}")
    shown = Table(title=TITLE, caption="medians (least..most of the rounds)")
    for column in ("target", "seconds", "rows / s", "client CPU ms / row"):
        shown.add_column(column, justify="left" if column == "target" else "right")
    for target in TARGETS:
        own = [one for one in rounds if one.target == target]
        cost = spread([one.cpu_seconds * 1000 / one.rows for one in own])
        seconds, rate = spread([one.seconds for one in own]), spread([one.rate for one in own])
        shown.add_row(target, str(seconds), str(rate), str(cost))
    for target, does in FEATURES.items():
        console.print(f"  {target}: {does}")
    console.print(shown)
    for goal in goals(rounds):
        console.print(str(goal))


def as_json(work: Work, rounds: Sequence[Loaded]) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    return {
        "bench": "b9",
        "work": asdict(work),
        "features": FEATURES,
        "goals": [goal.as_json() for goal in goals(rounds)],
        "rounds": [asdict(one) | {"rate": one.rate} for one in rounds],
    }
