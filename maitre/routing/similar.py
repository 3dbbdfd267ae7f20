"""Which assistant a question is most like, by the embeddings of what the assistants say of themselves. Pure.

Embedders squeeze their scores into a narrow band (multilingual-e5: 0.70 to 0.90), so no score means “like” by itself:
the best is believed only when it is ahead of the next best.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

Vector = Sequence[float]


def most_like(question: Vector, said: Mapping[str, Sequence[Vector]], margin: float) -> str | None:
    """The assistant one of whose texts is nearest to the question, by cosine; None when it is unsure: another one is
    less than `margin` behind, or nobody says anything. Texts of another dimension are passed over."""
    scores = {
        name: max((_cosine(question, text) for text in texts if len(text) == len(question)), default=-2.0)
        for name, texts in said.items()
    }
    ranked = sorted(((score, name) for name, score in scores.items() if score >= -1), reverse=True)
    if len(ranked) < 2:
        return None  # nothing to compare with
    (best, name), (second, _) = ranked[:2]
    return name if best - second >= margin else None


def _cosine(one: Vector, other: Vector) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    length = math.hypot(*one) * math.hypot(*other)
    return product / length if length else -1.0


def mark(text: str, model: str) -> str:
    """By what the embedding of a text is kept: the same for the same text and model."""
    return hashlib.sha256(f"{model}\0{text}".encode("utf-8", "replace")).hexdigest()
