"""`cli import`: another gateway's configuration as the sections of a maitre.yaml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
import yaml

from commands.output import VerboseOption, console, errors, one_sentence
from maitre.errors import HouseError
from provisioning.litellm import Imported, imported

app = typer.Typer(help="Configurations of other gateways, as sections of a maitre.yaml.", no_args_is_help=True)

EPILOG = "[bold]Examples[/]\n\ncli import litellm config.yaml\n\ncli import litellm config.yaml --write ~/my-house"

#: Where the sections are written beneath the given folder.
SECTIONS = "litellm-import.yaml"


@app.callback()
def importing() -> None:
    """Configurations of other gateways, as sections of a maitre.yaml."""


@app.command(epilog=EPILOG)
def litellm(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="LiteLLM's config.yaml.")],
    write: Annotated[
        Path | None,
        typer.Option(
            "--write",
            metavar="DIR",
            help=f"Write the sections into {SECTIONS} there, and keys that the config holds into .maitre/secrets/.",
        ),
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Show LiteLLM's model_list as the sections providers, models and prices; what could not be carried over is listed.
    Existing files are never changed."""
    with one_sentence(verbose):
        made = imported(_read(file), os.environ)
        text = yaml.safe_dump(made.sections(), sort_keys=False, allow_unicode=True, width=120)
        if write is None:
            console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
        else:
            _write(write, text, made)
    for name, source in made.secrets.items():
        done = write is not None and name in made.keys
        place = f".maitre/secrets/{name}" if done else f".maitre/secrets/{name} or MAITRE_SECRET_{name.upper()}"
        errors.print(f"Secret: {place}, from {source}{' (written)' if done else ''}.", markup=False)
    for sentence in made.left:
        errors.print(f"Not carried over: {sentence}", markup=False, style="yellow")


def _read(file: Path) -> object:
    try:
        return yaml.safe_load(file.read_text("utf-8"))
    except OSError as bad:
        raise HouseError(f"{file} cannot be read ({bad.strerror}).") from bad
    except (yaml.YAMLError, ValueError, RecursionError) as bad:
        raise HouseError(f"{file} is no YAML.") from bad


def _write(folder: Path, text: str, made: Imported) -> None:
    """Write what is new. Raises HouseError when the sections are there already."""
    secrets = folder / ".maitre" / "secrets"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / SECTIONS).open("x", encoding="utf-8") as file:
            file.write(text)
        if made.keys:
            secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, key in made.keys.items():
            place = os.open(secrets / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(place, "w", encoding="utf-8") as file:
                file.write(key + "\n")
    except FileExistsError as there:
        raise HouseError(f"{there.filename} is there already; nothing of it was changed.") from there
    except OSError as bad:
        raise HouseError(f"{folder} cannot be written to ({bad.strerror}).") from bad
    console.print(f"The sections are in {folder / SECTIONS}; put them into maitre.yaml.", markup=False, highlight=False)
