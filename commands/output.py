"""How every command speaks: the house it works on, tables for people, JSON for machines, one sentence for an error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from maitre.errors import ConfigError, MaitreError
from maitre.settings import House, find_house, load_house

HouseOption = Annotated[
    Path | None,
    typer.Option(
        "--house",
        metavar="DIR",
        help="The house's folder. Default: MAITRE_HOUSE, else the nearest maitre.yaml, else config/.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the plan and every command; run nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an error.")]

#: Exit codes: 1 the work failed, 2 the command or the house's files are wrong.
FAILED, WRONG = 1, 2

# rich leaves colours out by itself when the output is a pipe, and honours NO_COLOR.
# A pipe has no width: tables are then as wide as a wide terminal.
console = Console(width=None if sys.stdout.isatty() else 160)
errors = Console(stderr=True, soft_wrap=not sys.stderr.isatty(), highlight=False)


def house_of(given: Path | None) -> House:
    """The checked house that a command works on."""
    return load_house(find_house(given))


def print_json(value: Any) -> None:
    """One JSON document on standard output, without colours or wrapping."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


@contextmanager
def one_sentence(verbose: bool = False) -> Iterator[None]:
    """Turn an error that Maitre knows into its sentence and an exit code; hide the traceback unless asked."""
    try:
        yield
    except MaitreError as error:
        if verbose or os.environ.get("MAITRE_VERBOSE"):
            raise
        if isinstance(error, ConfigError):
            count = len(error.problems)
            errors.print(
                f"{count} mistakes in the house:" if count > 1 else "A mistake in the house:", style="bold red"
            )
            for problem in error.problems:
                errors.print(f"  {problem}", markup=False)
            raise typer.Exit(WRONG) from error
        errors.print(str(error), markup=False, style="red")
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt:
        errors.print("Stopped.")
        raise typer.Exit(130) from None
