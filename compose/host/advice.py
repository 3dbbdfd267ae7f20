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

#: What of a deploy's look is among the findings already.
_TOLD = ("disk", "memory", "secrets")


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


def stack_findings(house: House) -> Iterator[Finding]:
    """This machine, what a deploy asks of it before it begins, and what of the stack runs."""
    from compose.host.preflight import preflight
    from compose.workshop import Workshop, is_deployed

    machine = list(machine_for(house))
    yield from machine
    if any(one.what == "stack" for one in machine):
        return
    workshop = Workshop(house)
    facts = workshop.facts()
    yield from (one for one in preflight(workshop.asked(), facts) if one.what not in _TOLD)
    if facts.engine is None or facts.compose is None:
        return
    if not is_deployed(house.state):
        yield Finding("running", True, "the house is not deployed yet; `cli deploy` does that")
        return
    running = workshop.engine.containers()
    for name, service in workshop.deployed.items():
        if not service.job:
            seen = running.of(name)
            fault = next((f"{one.name} {one.fault}" for one in seen if one.fault), "" if seen else "does not run")
            yield Finding(
                name, not fault, fault or "healthy", f"cli logs {name}; `cli deploy` starts it" if fault else ""
            )


def production_for(house: House, machine: Machine | None = None) -> list[Advice]:
    """How the house stands to each recommendation. Raises ConfigError when its stack has mistakes."""
    stack, services = read_stack(house)
    chosen = selection(house, stack, services)
    return list(evaluate(recommendations(), known_of(house, stack, chosen, machine or read_machine())))
