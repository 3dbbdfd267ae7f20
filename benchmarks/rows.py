"""Passages that resemble nothing but behave like real ones: clustered vectors, some 740 bytes of text, 100 tenants."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

DIMENSION = 384
CLUSTERS = 200
SPREAD = 0.7  # how far a vector is from its cluster's middle, which is at 1
TENANTS = 100
BYTES = 740
BATCH = 5000


@dataclass(frozen=True)
class Rows:
    """So many rows, the same for the same seed. The tenant of a row says nothing of its vector."""

    count: int
    seed: int = 0

    @cached_property
    def vectors(self) -> np.ndarray:
        """Of all rows, of length 1."""
        return self._vectors(self.count, "rows")

    def questions(self, count: int) -> np.ndarray:
        """Vectors of the same clusters."""
        return self._vectors(count, "questions")

    def tenant(self, number: int) -> str:
        """Whose a row is: each has one in a hundred."""
        return f"tenant-{number % TENANTS}"

    def batches(self) -> Iterator[list[TextNode]]:
        """All rows as LlamaIndex's nodes, with their embeddings."""
        words = _words()
        for start in range(0, self.count, BATCH):
            yield [self._node(number, words) for number in range(start, min(start + BATCH, self.count))]

    def nearest(self, question: np.ndarray, limit: int, tenant: str | None = None) -> set[str]:
        """The ids of the nearest rows, by looking at all of them."""
        near = self.vectors @ question
        if tenant is not None:
            near[[number for number in range(self.count) if self.tenant(number) != tenant]] = -2
        return {f"n{number}" for number in np.argpartition(-near, limit)[:limit]}

    def _node(self, number: int, words: list[str]) -> TextNode:
        source = random.Random(f"{self.seed} {number}")
        text = ""
        while len(text) < BYTES:
            text += f" {source.choice(words)}"
        node = TextNode(
            id_=f"n{number}",
            text=text[1:],
            embedding=self.vectors[number].tolist(),
            metadata={"tenant": self.tenant(number)},
        )
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"d{number // 10}")
        return node

    def _vectors(self, count: int, what: str) -> np.ndarray:
        source = np.random.default_rng([self.seed, len(what)])
        middles = _unit(np.random.default_rng(self.seed).standard_normal((CLUSTERS, DIMENSION), dtype=np.float32))
        noise = _unit(source.standard_normal((count, DIMENSION), dtype=np.float32))
        return _unit(middles[source.integers(CLUSTERS, size=count)] + SPREAD * noise)


def _unit(vectors: np.ndarray) -> np.ndarray:
    made: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made


def _words() -> list[str]:
    source = random.Random("words")
    return ["".join(source.choices("aeioudrstlnmk", k=source.randint(3, 10))) for _ in range(5000)]
