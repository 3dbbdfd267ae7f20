"""Knowledge in memory: the twin of the RAG service for tests. It finds what shares words with the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from maitre.knowledge.collection import Readers
from maitre.knowledge.passage import Passage, Reader


class MemoryKnowledge:
    """Collections by name: who may read each, and its passages."""

    def __init__(self) -> None:
        self._readers: dict[str, Readers] = {}
        self._passages: list[Passage] = []

    def offer(self, name: str, readers: Readers, *passages: Passage) -> None:
        """Make a collection, or add to it."""
        self._readers[name] = readers
        self._passages += [replace(one, collection=name) for one in passages]

    def open_to(self, reader: Reader, names: Sequence[str]) -> list[str]:
        """Those of the collections that the reader may read."""
        return [name for name in names if name in self._readers and may_read(self._readers[name], reader)]

    async def find(
        self, reader: Reader, question: str, collections: Sequence[str], limit: int, seconds: float
    ) -> list[Passage]:
        wanted, names = _words(question), self.open_to(reader, collections)
        scored = [
            replace(one, score=float(len(wanted & _words(f"{one.title} {one.text}"))))
            for one in self._passages
            if one.collection in names
        ]
        best = sorted((one for one in scored if one.score), key=lambda one: -one.score)
        return best[:limit]


def may_read(readers: Readers, reader: Reader) -> bool:
    """Whether somebody may read a collection with these readers."""
    named = reader.user_id in readers.users or (reader.email and reader.email.lower() in readers.users)
    through = reader.assistant and reader.assistant in readers.assistants
    return bool(readers.everyone or named or through or set(reader.groups) & set(readers.groups))


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w+", text)}
