"""A tool as a model sees it, and what came of using one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maitre.knowledge.passage import Passage, Reader
from maitre.knowledge.wish import KnowledgeWish

#: OpenAI's limit for a function's name. Characters.
LONGEST_NAME = 64

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Tool:
    """`name` is the house's: `calculator`, `crm.findCustomer`; `parameters` a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def function(self) -> str:
        """The name under which a model asks for it."""
        return function_name(self.name)

    def to_openai(self) -> dict[str, Any]:
        """As the OpenAI API describes a tool."""
        told = {"name": self.function, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": told}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the model reads of a tool, and whether it is what was asked for. `passages`: what was found, which the
    model reads with the numbers that they get in its turn."""

    text: str
    failed: bool = False
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Behalf:
    """On whose behalf a tool is used: a turn's guest, and what the assistant may look into for them."""

    reader: Reader
    knowledge: KnowledgeWish | None = None


def function_name(name: str) -> str:
    """A tool's name in the letters that the OpenAI API allows."""
    return _NOT_ALLOWED.sub("_", name)
