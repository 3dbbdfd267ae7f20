"""The kinds of index that a collection may have, on the same rows: how long each takes to build, how fast it answers
and how much of the truth it finds."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any, get_args

from llama_index.core.vector_stores.types import VectorStoreQuery
from rich.console import Console
from rich.table import Table

from benchmarks.b9 import empty
from benchmarks.database import database
from benchmarks.goal import Goal
from benchmarks.rows import Rows
from benchmarks.vector_stores import ours
from benchmarks.work import Work, late, spread
from maitre.errors import HouseError
from rag_service.chunk import Index

TITLE = "The ten nearest of all rows, by each kind of index"
KINDS: tuple[Index, ...] = get_args(Index)
WORK = Work(rounds=3, streams=0, chunks=0, interval_ms=0, ramp=0, rows=100_000)
QUESTIONS = 100  # in each round
TOP = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind's round of questions."""

    kind: Index
    number: int
    build_seconds: float  # the same in every round
    p50_ms: float
    p95_ms: float
    recall: float


def run(work: Work) -> list[Asked]:
    """All kinds in every round, with the same questions. HouseError when an answer is too short."""
    rows, order, rounds = Rows(work.rows, work.seed), random.Random(work.seed), []
    asked = [(vector.tolist(), rows.nearest(vector, TOP)) for vector in rows.questions(QUESTIONS)]
    with database(work.cpus) as url:
        stores, built = {}, {}
        for kind in KINDS:
            stores[kind] = ours(url, kind, words=False, index=kind)
            for batch in rows.batches():
                stores[kind].add(batch)
            began = time.perf_counter()
            stores[kind].tend()
            built[kind] = time.perf_counter() - began
        for number in range(work.rounds + 1):
            for kind in order.sample(KINDS, len(KINDS)):
                times, shares = [], []
                for vector, nearest in asked:
                    began = time.perf_counter()
                    ids = stores[kind].query(VectorStoreQuery(vector, TOP)).ids or []
                    times.append((time.perf_counter() - began) * 1000)
                    if len(ids) < TOP:
                        raise HouseError(f"{kind}: {len(ids)} of {TOP} rows are in an answer.")
                    shares.append(len(nearest & set(ids)) / TOP)
                if number:  # the first one warms up
                    rounds.append(Asked(kind, number, built[kind], median(times), late(times), fmean(shares)))
        for store in stores.values():
            empty(store)
    return rounds


def goals(rounds: Sequence[Asked]) -> list[Goal]:
    """None: what is right for a collection is its owner's choice."""
    return []


def tell(console: Console, work: Work, rounds: Sequence[Asked]) -> None:
    """Print what was measured."""
    console.print(f"{work.rounds} rounds of {QUESTIONS} questions to {work.rows} rows, one at a time; seed {work.seed}")
    shown = Table(title=TITLE, caption="medians (least..most of the rounds)")
    for column in ("index", "tend s", "p50 ms", "p95 ms", f"recall@{TOP}"):
        shown.add_column(column, justify="left" if column == "index" else "right")
    for kind in KINDS:
        own = [one for one in rounds if one.kind == kind]
        columns = [spread([getattr(one, name) for one in own]) for name in ("p50_ms", "p95_ms", "recall")]
        shown.add_row(kind, f"{own[0].build_seconds:.1f}", *map(str, columns))
    console.print(shown)


def as_json(work: Work, rounds: Sequence[Asked]) -> dict[str, Any]:
    """The whole result; the same fields in every run."""
    return {
        "bench": "kinds",
        "work": asdict(work) | {"questions": QUESTIONS},
        "goals": [],
        "rounds": [asdict(one) for one in rounds],
    }
