"""Collections and chunks with as few words as possible; vectors come from a seed."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from rag_service.chunk import Chunk, Collection, Index

DIMENSION = 8


def collection(number: int = 1, language: str = "english", index: Index = "hnsw", dimension: int = 8) -> Collection:
    """A collection as the service has it."""
    return Collection(number, f"c{number}", "", "", language, "m", dimension, index)


def vector(seed: object, dimension: int = DIMENSION) -> list[float]:
    """A direction of its own for every seed."""
    source = random.Random(str(seed))
    return [source.gauss(0, 1) for _ in range(dimension)]


def chunk(
    name: str, text: str = "", document: str = "d1", embedding: list[float] | None = None, **metadata: Any
) -> Chunk:
    """A chunk whose vector follows from its name."""
    return Chunk(name, document, text or f"text of {name}", embedding or vector(name), metadata)


def nearest(question: list[float], rows: list[Chunk], limit: int) -> list[str]:
    """The node ids of the nearest by cosine, by brute force."""
    q = np.asarray(question)

    def distance(one: Chunk) -> float:
        e = np.asarray(one.embedding, dtype=np.float16).astype(float)
        return float(1 - e @ q / (np.linalg.norm(e) * np.linalg.norm(q)))

    return [one.node_id for one in sorted(rows, key=distance)[:limit]]
