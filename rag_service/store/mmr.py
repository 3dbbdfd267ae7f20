"""Maximal marginal relevance: passages that are near to the question and not to each other. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def differing(
    question: Sequence[float], candidates: Sequence[Sequence[float]], limit: int, relevance: float
) -> list[tuple[int, float]]:
    """The places of at most `limit` candidates in the order of their choice, with the score at that moment.
    `relevance` is 0 (differing) to 1 (relevant)."""
    if not candidates:
        return []
    vectors = _directions(np.asarray(candidates, dtype=np.float64))
    near = vectors @ _directions(np.asarray(question, dtype=np.float64)[None, :])[0]
    alike = np.full(len(candidates), -np.inf)  # to the nearest chosen one
    free = np.ones(len(candidates), dtype=bool)
    chosen: list[tuple[int, float]] = []
    while len(chosen) < min(limit, len(candidates)):
        seen = alike if chosen else np.zeros(len(candidates))
        scores = np.where(free, relevance * near - (1 - relevance) * seen, -np.inf)
        best = int(scores.argmax())
        chosen.append((best, float(scores[best])))
        free[best] = False
        alike = np.maximum(alike, vectors @ vectors[best])
    return chosen


def _directions(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))
