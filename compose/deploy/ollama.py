"""The Ollamas of a stack, and what they say of their models."""

from __future__ import annotations

import re

from compose.running import Running

_NAME = re.compile(r"^ollama(_?\d+)?$")
_COLUMNS = ("name", "id", "size", "modified")
_GAP = re.compile(r"\s{2,}|\t")


def ollamas(running: Running) -> tuple[str, ...]:
    """The services that are an Ollama and run; each has a disk of its own."""
    return tuple(name for name in wanted(running) if any(one.state == "running" for one in running.of(name)))


def wanted(running: Running) -> tuple[str, ...]:
    """The services that are an Ollama, whether they run or not."""
    return tuple(name for name in running.services if _NAME.match(name))


def models_of(table: str) -> list[dict[str, str]]:
    """The rows of `ollama list`: name, id, size, modified; empty what it does not say."""
    lines = [_GAP.split(line.strip()) for line in table.splitlines()[1:] if line.strip()]
    return [dict(zip(_COLUMNS, [*line, "", "", ""], strict=False)) for line in lines]
