"""Handing a command of a deployed house over to a container of its stack."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.inside import argv, errand
from maitre.errors import HouseError
from maitre.settings import find_house

if TYPE_CHECKING:
    from compose.deploy.steps import Compose

#: Without it nothing of the house can be asked.
STORE = "postgres"


def dispatch(words: Sequence[str]) -> None:
    """Run the command inside, if it belongs there and the house is deployed: this process becomes that one, with its
    input, output, signals and exit code. Else return. Raises HouseError when the engine is away or the house is down.
    """
    here = os.getcwd()
    wanted = errand(words, here, os.path.exists)
    if wanted is None:
        return
    state = find_house(Path(wanted.house) if wanted.house else None) / ".maitre"
    try:
        compose = _deployed(state)
    except PermissionError as closed:
        raise HouseError(f"{closed.filename} may be read by the house's operator only; run it with sudo.") from closed
    if compose is None:
        return
    from compose.workshop import who

    line = compose(*argv(wanted, here, os.environ, who(), sys.stdin.isatty() and sys.stdout.isatty()))
    if not (wanted.reads or sys.stdin.isatty()):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execvpe(line[0], line, {**os.environ, "COMPOSE_PROGRESS": "quiet", "COMPOSE_IGNORE_ORPHANS": "1"})


def _deployed(state: Path) -> Compose | None:
    """How Compose is called for a house that is deployed and up; None for one that is not deployed. Raises HouseError
    when it is down."""
    if not (state / "stack" / "compose.yaml").is_file():
        return None  # an embedded house does not wait for the imports below
    from compose.workshop import is_deployed, running_stack

    if not is_deployed(state):
        return None
    compose, running = running_stack(state)
    if not any(one.state == "running" for one in running.of(STORE)):
        raise HouseError(
            f"The house is down: no {STORE} runs in the project {compose.project}. `cli deploy` starts it."
        )
    return compose
