"""Several lists of candidates as one. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

#: How much less the second place counts than the first: the constant of the paper on reciprocal rank fusion.
CONSTANT = 60


def fused(lists: Sequence[Sequence[Key]], weights: Sequence[float] | None = None) -> list[tuple[Key, float]]:
    """All keys by reciprocal rank fusion, best first, with their scores; equal scores in the order of the lists."""
    scores: dict[Key, float] = {}
    for weight, keys in zip(weights or [1.0] * len(lists), lists, strict=True):
        for rank, key in enumerate(keys, 1):
            scores[key] = scores.get(key, 0.0) + weight / (CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: -item[1])
