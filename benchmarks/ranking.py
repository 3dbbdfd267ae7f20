"""How good a ranking is, and how sure that is. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from statistics import fmean

DEPTH = 10
SAMPLES = 10_000
SURE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of questions, with the interval that the bootstrap gives it."""

    mean: float
    low: float
    high: float
    questions: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.2f}..{self.high:.2f})"


def ndcg(ranking: Sequence[str], relevant: Mapping[str, int], depth: int = DEPTH) -> float:
    """Normalised discounted cumulative gain, with the gain 2^grade - 1: 1 is the best order that there is."""
    best = _gain(sorted(relevant.values(), reverse=True)[:depth])
    return _gain([relevant.get(one, 0) for one in ranking[:depth]]) / best


def recall(ranking: Sequence[str], relevant: Mapping[str, int], depth: int = DEPTH) -> float:
    """The part of the relevant documents, of any grade, that is among the first."""
    return sum(one in relevant for one in ranking[:depth]) / len(relevant)


def first_of_each(names: Iterable[str]) -> list[str]:
    """A ranking of documents from one of their chunks: a document stands where its best chunk does."""
    return list(dict.fromkeys(names))


def estimate(values: Sequence[float], seed: int = 0, samples: int = SAMPLES) -> Estimate:
    """The mean of at least one value, with the percentile interval of the bootstrap. Give the differences of pairs for
    a paired comparison. The same seed draws the same."""
    draw = random.Random(seed)
    means = sorted(fmean(draw.choices(values, k=len(values))) for _ in range(samples))
    outside = round(samples * (1 - SURE) / 2)
    return Estimate(fmean(values), means[outside], means[-1 - outside], len(values))


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / log2(place + 1) for place, grade in enumerate(grades, 1))
