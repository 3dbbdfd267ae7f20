"""The embeddings of what assistants say of themselves, by the mark of their text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class Likenesses(Protocol):
    """Where they are kept; `cli seed` puts them there."""

    async def read(self) -> Mapping[str, Sequence[float]]:
        """All of them, by mark. Raises StoreDown."""

    async def put(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Keep these, too."""

    async def keep_only(self, marks: Iterable[str]) -> int:
        """Forget all others; how many."""
