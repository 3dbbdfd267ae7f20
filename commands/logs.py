"""`cli logs`: what the parts of the house wrote, deployed or embedded."""

from __future__ import annotations

import shutil
import subprocess
from typing import Annotated

import typer

from commands.output import FAILED, HouseOption, VerboseOption, house_of, one_sentence
from maitre.errors import HouseError
from maitre.settings import House


def logs(
    service: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]", help="Default: all of them.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="A stretch (2h, 30m) or a moment. A stack only.")
    ] = None,
    tail: Annotated[int, typer.Option("--tail", min=0, metavar="N", help="So many last lines of each.")] = 100,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the end of the logs of a stack's services, or of the embedded house's parts."""
    from compose.workshop import is_begun

    with one_sentence(verbose):
        checked, names = house_of(house), tuple(service or ())
        if is_begun(checked.state):
            argv = _stack(checked, names, follow, since, tail)
        else:
            argv = _embedded(checked, names, follow, since, tail)
        code = subprocess.call(argv)
    if code not in (0, 130):
        raise typer.Exit(FAILED)


def _stack(house: House, names: tuple[str, ...], follow: bool, since: str | None, tail: int) -> tuple[str, ...]:
    from commands.stack import known, looked_at

    workshop = looked_at(house)
    words = ["logs", "--tail", str(tail), *(["--follow"] if follow else []), *(["--since", since] if since else [])]
    return workshop.compose(*words, *known(workshop, names))


def _embedded(house: House, names: tuple[str, ...], follow: bool, since: str | None, tail: int) -> tuple[str, ...]:
    there = {file.stem: file for file in sorted((house.state / "logs").glob("*.log")) if ".before" not in file.name}
    if not there:
        raise HouseError(f"The house in {house.directory} has no logs yet. `cli up` or `cli deploy` starts it.")
    if since:
        raise HouseError("An embedded house's logs know no --since; use --tail.")
    for name in names:
        if name not in there:
            raise HouseError(f"There is no log of “{name}” (there is: {', '.join(there)}).")
    tool = shutil.which("tail") or "tail"
    return (tool, "-n", str(tail), *(["-F"] if follow else []), "--", *(str(there[name]) for name in names or there))
