"""Likenesses in memory: the twin of Postgres's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


class MemoryLikenesses:
    """Vectors in a dictionary."""

    def __init__(self) -> None:
        self._vectors: dict[str, tuple[float, ...]] = {}

    async def read(self) -> Mapping[str, Sequence[float]]:
        return dict(self._vectors)

    async def put(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self._vectors |= {mark: tuple(vector) for mark, vector in vectors.items()}

    async def keep_only(self, marks: Iterable[str]) -> int:
        gone = self._vectors.keys() - set(marks)
        for mark in gone:
            del self._vectors[mark]
        return len(gone)
