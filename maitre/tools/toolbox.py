"""The tools that the house runs: which there are, and one use of one, which never fails to answer the model."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from maitre.errors import ToolFault
from maitre.faults import outline
from maitre.tools import calculator
from maitre.tools.tool import Behalf, Outcome, Tool

log = logging.getLogger(__name__)

#: Arguments that are longer are not read. Characters.
LONGEST_ARGUMENTS = 64 * 1024


class Use(Protocol):
    """Does what a tool does."""

    async def __call__(self, arguments: Mapping[str, Any], behalf: Behalf) -> Outcome:
        """What the model reads; the arguments fit the tool's schema. Raises ToolFault."""


class Check(Protocol):
    """Whether arguments fit a tool's schema."""

    def __call__(self, value: object, schema: Mapping[str, Any]) -> str | None:
        """None when they do, else the problem in a few words."""


@dataclass(frozen=True, slots=True)
class _Kept:
    tool: Tool
    use: Use


class Toolbox:
    """All tools of a house, by name. The calculator is in every one."""

    def __init__(self, check: Check, tools: Iterable[tuple[Tool, Use]] = ()) -> None:
        self._check = check
        every = [(calculator.TOOL, _calculate), *tools]
        self._missed: set[str] = set()  # what was asked for and is not there; said once
        self._kept = {tool.name: _Kept(tool, use) for tool, use in every}

    def tools(self, names: Sequence[str]) -> list[Tool]:
        """Those of the named ones that there are."""
        if missing := [name for name in names if name not in self._kept and name not in self._missed]:
            self._missed.update(missing)
            log.warning("There is no tool %s; `cli seed` tells the database what the files say.", ", ".join(missing))
        return [self._kept[name].tool for name in names if name in self._kept]

    async def use(self, tool: Tool | None, arguments: str, behalf: Behalf) -> Outcome:
        """What the model reads of a tool that it asked for, with the arguments that it wrote."""
        if tool is None:
            return Outcome("There is no such tool.", failed=True)
        try:
            return await self._kept[tool.name].use(self._read(tool, arguments), behalf)
        except ToolFault as fault:
            return Outcome(str(fault), failed=True)
        except asyncio.CancelledError:
            raise
        except Exception as fault:  # noqa: BLE001 - a tool that fails must not end the guest's turn
            log.error("The tool %s failed: %s", tool.name, outline(fault))
            return Outcome("The tool failed.", failed=True)

    def _read(self, tool: Tool, written: str) -> Mapping[str, Any]:
        if len(written) > LONGEST_ARGUMENTS:
            raise ToolFault("The arguments are too long.")
        try:
            arguments = json.loads(written or "{}")
        except (ValueError, RecursionError):
            raise ToolFault("The arguments are no JSON.") from None
        if not isinstance(arguments, dict):
            raise ToolFault("The arguments are no JSON object.")
        if problem := self._check(arguments, tool.parameters):
            raise ToolFault(f"The arguments do not fit: {problem}")
        return arguments


async def _calculate(arguments: Mapping[str, Any], behalf: Behalf) -> Outcome:
    return Outcome(calculator.use(arguments))
