"""What a host needs for a stack: cores, memory and disk, summed up from the table of `sizing.yaml`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compose.stack.settings import Stack


@dataclass(frozen=True, slots=True)
class Needs:
    """What a stack needs of its host, in GB (10^9 bytes) and cores. `memory` is the host's; `models` is what the models
    take, of it or of the GPU's. `unknown`: models of which nobody knows; `slow`: those that are slow on a CPU."""

    cores: int
    memory: float
    disk: float
    models: float = 0
    unknown: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()


def needs(stack: Stack, table: Mapping[str, Any], models: Mapping[str, float | None]) -> Needs:
    """What the stack needs by the table, which is `sizing.yaml`.

    `models`: what each model that the stack's own Ollama serves takes in memory, in GB; None where that is unknown.
    Every instance of Ollama holds all of them.
    """
    parts = [table["sizes"][stack.size], *(table["profiles"][name] for name in stack.profiles)]
    taken = sum(one or 0 for one in models.values()) * stack.ollama.instances
    return Needs(
        cores=sum(one["cores"] for one in parts),
        memory=sum(one["memory"] for one in parts) + (0 if stack.ollama.gpu else taken),
        disk=sum(one["disk"] for one in parts),
        models=taken,
        unknown=tuple(name for name, memory in models.items() if memory is None),
        slow=tuple(name for name, memory in models.items() if memory is not None and memory >= table["slow"]),
    )
