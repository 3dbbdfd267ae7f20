"""B10 and B11: a question to many passages, and to one tenant's hundredth of them, by LlamaIndex's `query`: our store
beside the stock one, both with their HNSW index, on the same rows."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery
from rich.console import Console
from rich.table import Table

from benchmarks.b9 import empty, load
from benchmarks.database import database
from benchmarks.goal import Goal
from benchmarks.rows import Rows
from benchmarks.work import Spread, Work, late, spread
from maitre.errors import HouseError

TITLES = {
    "all": "B10: the five nearest of all rows",
    "tenant": "B11: the ten nearest of a tenant that has one row in a hundred",
}
FEATURES = {
    "maitre": "PgVectorStore.query; half vectors in an HNSW index; both legs' words and metadata are indexed",
    "stock": "PGVectorStore.query; HNSW with m 16, ef_construction 64, ef_search 40, as its documentation has them",
}
TARGETS = ("maitre", "stock")
WORK = Work(rounds=5, streams=0, chunks=0, interval_ms=0, ramp=0, rows=100_000)
QUESTIONS = 200  # in each round
TOP = {"all": 5, "tenant": 10}
TIME = {"all": 1 / 1.8, "tenant": 1.0}
CPU = 1 / 3
LOST = 0.01  # of the nearest rows, at most


@dataclass(frozen=True, slots=True)
class Asked:
    """One target's round of questions."""

    work: str  # all, tenant
    target: str
    number: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float  # the client's, for a question
    recall: float  # of the nearest rows
    rows: float  # that an answer has


@dataclass(frozen=True, slots=True)
class _Question:
    query: VectorStoreQuery
    nearest: set[str]
    tenant: str | None


def run(work: Work) -> list[Asked]:
    """Both targets in every round, with the same questions. HouseError when a row is not the tenant's, or when there
    are too few without a filter."""
    order, rounds = random.Random(work.seed), []
    rows = Rows(work.rows, work.seed)
    asked = {what: _questions(rows, what) for what in TITLES}
    with database(work.cpus) as url:
        stores = {
            "maitre": load(url, "maitre, words", "many", rows.batches()),
            "stock": load(url, "stock, index last", "many", rows.batches()),
        }
        gc.collect()
        gc.freeze()  # or every question pays for walking over all that the benchmark itself holds
        for number in range(work.rounds + 1):
            pairs = [(what, target) for what in TITLES for target in TARGETS]
            order.shuffle(pairs)
            measured = [_ask(stores[target], what, target, number, asked[what], rows) for what, target in pairs]
            rounds += measured if number else []  # the first one warms up
        for store in stores.values():
            empty(store)
    return rounds


def _questions(rows: Rows, what: str) -> list[_Question]:
    found = []
    for number, vector in enumerate(rows.questions(QUESTIONS)):
        tenant = rows.tenant(number) if what == "tenant" else None
        filters = MetadataFilters(filters=[MetadataFilter(key="tenant", value=tenant)]) if tenant else None
        query = VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=TOP[what], filters=filters)
        found.append(_Question(query, rows.nearest(vector, TOP[what], tenant), tenant))
    return found


def _ask(store: Any, what: str, target: str, number: int, asked: Sequence[_Question], rows: Rows) -> Asked:
    times, answers = [], []
    cpu = time.process_time()
    for one in asked:
        began = time.perf_counter()
        answers.append(store.query(one.query))
        times.append((time.perf_counter() - began) * 1000)
    used = (time.process_time() - cpu) * 1000 / len(asked)
    shares = []
    for one, answer in zip(asked, answers, strict=True):
        nodes = answer.nodes
        if one.tenant is not None and any(node.metadata["tenant"] != one.tenant for node in nodes):
            raise HouseError(f"{target}: a row of another tenant is in an answer to {one.tenant}.")
        if (one.tenant is None or target == "maitre") and len(nodes) < min(TOP[what], len(one.nearest)):
            raise HouseError(f"{target}: {len(nodes)} of {TOP[what]} rows are in an answer.")
        shares.append(len(one.nearest & {node.node_id for node in nodes}) / len(one.nearest))
    count = fmean(len(answer.nodes) for answer in answers)
    return Asked(what, target, number, median(times), late(times), used, fmean(shares), count)


def ratio(rounds: Sequence[Asked], what: str, number_of: str) -> Spread:
    """Ours as a part of theirs, round by round."""
    found = {(one.target, one.number): getattr(one, number_of) for one in rounds if one.work == what}
    numbers = sorted({number for _, number in found})
    return spread([found["maitre", number] / found["stock", number] for number in numbers])


def _own(rounds: Sequence[Asked], what: str, target: str, number_of: str) -> list[float]:
    return [getattr(one, number_of) for one in rounds if (one.work, one.target) == (what, target)]


def goals(rounds: Sequence[Asked]) -> list[Goal]:
    """What must hold."""
    ours, theirs = (_own(rounds, "all", target, "recall") for target in TARGETS)
    behind = spread([their - own for own, their in zip(ours, theirs, strict=True)])
    lost = spread([1 - one for one in _own(rounds, "tenant", "maitre", "recall")])
    return [
        Goal("B10: p50, maitre / stock", ratio(rounds, "all", "p50_ms"), TIME["all"]),
        Goal("B10: client CPU, maitre / stock", ratio(rounds, "all", "cpu_ms"), CPU),
        Goal("B10: recall@5, stock - maitre", behind, LOST),
        Goal("B11: 1 - recall@10 of maitre", lost, LOST),
        Goal("B11: p50, maitre / stock", ratio(rounds, "tenant", "p50_ms"), TIME["tenant"]),
    ]


def tell(console: Console, work: Work, rounds: Sequence[Asked]) -> None:
    """Print what was measured and whether the targets hold."""
    console.print(f"{work.rounds} rounds of {QUESTIONS} questions to {work.rows} rows, one at a time; seed {work.seed}")
    for target, does in FEATURES.items():
        console.print(f"  {target}: {does}")
    for what, title in TITLES.items():
        shown = Table(title=title, caption="medians (least..most of the rounds)")
        columns = {
            "p50 ms": "p50_ms",
            "p95 ms": "p95_ms",
            "client CPU ms": "cpu_ms",
            f"recall@{TOP[what]}": "recall",
            f"rows of {TOP[what]}": "rows",
        }
        for column in ("target", *columns):
            shown.add_column(column, justify="left" if column == "target" else "right")
        for target in TARGETS:
            shown.add_row(target, *(str(spread(_own(rounds, what, target, name))) for name in columns.values()))
        console.print(shown)
    for goal in goals(rounds):
        console.print(str(goal))


def as_json(work: Work, rounds: Sequence[Asked]) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    return {
        "bench": "b10",
        "work": asdict(work) | {"questions": QUESTIONS},
        "features": FEATURES,
        "goals": [goal.as_json() for goal in goals(rounds)],
        "rounds": [asdict(one) for one in rounds],
    }
