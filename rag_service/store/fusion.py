"""Several lists of candidates as one. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

#: How much less the second place counts than the first. Of 10, 20 and 60 (the paper on reciprocal rank fusion) it was
#: the best for the tuning questions of benchmarks/corpus, for every trust that was tried.
CONSTANT = 10

#: The part of a question that a chunk says, from which on its place by words counts in full.
SAID = 0.5


def fused(lists: Sequence[Sequence[tuple[Key, float]]]) -> list[tuple[Key, float]]:
    """All keys by reciprocal rank fusion, best first, with their scores; equal scores in the order of the lists. Beside
    each key stands what its place in the list counts."""
    scores: dict[Key, float] = {}
    for keys in lists:
        for rank, (key, counts) in enumerate(keys, 1):
            scores[key] = scores.get(key, 0.0) + counts / (CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: -item[1])


def trust(said: float) -> float:
    """What a place by words counts, by the part of the question that the chunk says. One that shares only a few common
    words, as with a question in another language, has its place by chance."""
    return min(1.0, said / SAID) ** 2
