"""What `cli doctor` says of a house that is deployed, or shall be: its machine, and the recommendations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from compose.host.finding import Finding
from compose.host.known import known_of, needs_of, recommendations
from compose.host.machine import Machine, machine_findings
from compose.host.machine_facts import read_machine
from compose.host.production import Advice, evaluate
from compose.stack.selection import selection
from compose.stack.wishes import read_stack
from maitre.errors import ConfigError
from maitre.settings import House


def has_stack(directory: Path) -> bool:
    """Whether the house in this folder, which has been read, says anything of a stack."""
    return "stack" in yaml.safe_load((directory / "maitre.yaml").read_text("utf-8"))


def machine_for(house: House, machine: Machine | None = None) -> Iterator[Finding]:
    """This machine against what the house's stack needs. A stack with mistakes ends the tour with them."""
    try:
        stack, services = read_stack(house)
    except ConfigError as wrong:
        for problem in wrong.problems:
            yield Finding("stack", False, problem, "mend the file")
        return
    chosen = selection(house, stack, services)
    yield from machine_findings(machine or read_machine(), stack, needs_of(stack, chosen))


def production_for(house: House, machine: Machine | None = None) -> list[Advice]:
    """How the house stands to each recommendation. Raises ConfigError when its stack has mistakes."""
    stack, services = read_stack(house)
    chosen = selection(house, stack, services)
    return list(evaluate(recommendations(), known_of(house, stack, chosen, machine or read_machine())))
