"""The models that Ollama pulls, and what they need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from compose.stack.selection import of_ollama
from compose.stack.settings import Size
from maitre.settings import House


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A model. `memory`: gigabytes of one loaded copy with 4,096 tokens of context; `call`: those of each further call
    at once; `size`: the house that pulls it unasked: small, gpu, or all."""

    model: str
    memory: float
    call: float
    note: str
    size: str | None = None


@cache
def known_models() -> tuple[OllamaModel, ...]:
    """The models of which we know what they need."""
    rows = yaml.safe_load((Path(__file__).parent / "models.yaml").read_text("utf-8"))
    return tuple(OllamaModel(**row) for row in rows)


def models_of(house: House, size: Size) -> tuple[str, ...]:
    """The models to pull where `stack.ollama.models` says nothing: those that the house's providers ask Ollama for;
    those of the size where they ask for none."""
    asked = {one.name for one in of_ollama(house)}
    wanted = sorted({one.upstream for one in house.models.values() if one.provider in asked})
    return tuple(wanted) or of_size(size)


def of_size(size: Size) -> tuple[str, ...]:
    """The models that a house of this size pulls unasked: one to chat with, one for embeddings."""
    return tuple(one.model for one in known_models() if one.size in (size, "all"))
