"""What stands behind the service in its tests: an embedder that counts words, and a model that is told what to say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from maitre.errors import MaitreError
from rag_service.ports import Answer

DIMENSION = 32


def embedding(text: str, dimension: int = DIMENSION) -> list[float]:
    """Texts with the same words are near to each other."""
    found = [0.01] * dimension
    for word in text.lower().split():
        found[int(hashlib.sha256(word.encode()).hexdigest(), 16) % dimension] += 1.0
    return found


class Words:
    """An embedder. `fault` is raised instead of an answer; `asked` are the tokens that came along."""

    def __init__(self) -> None:
        self.long = DIMENSION
        self.fault: MaitreError | None = None
        self.asked: list[str] = []

    async def question(self, text: str, on_behalf: str) -> list[float]:
        """The embedding of a question."""
        self.asked.append(on_behalf)
        if self.fault is not None:
            raise self.fault
        return embedding(text, self.long)

    async def dimension(self, on_behalf: str) -> int:
        """How long an embedding is."""
        return len(await self.question("?", on_behalf))


class Told:
    """A model that says `text`; `asked` is what it was asked, by model, messages and token."""

    def __init__(self) -> None:
        self.text = "Yes [1]."
        self.asked: list[tuple[str, list[Mapping[str, str]], str]] = []

    async def answer(self, model: str, messages: Sequence[Mapping[str, str]], on_behalf: str) -> Answer:
        """What it says."""
        self.asked.append((model, list(messages), on_behalf))
        return Answer(self.text, model, {"total_tokens": 3})
