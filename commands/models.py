"""`cli models`: what the stack's Ollamas have on their disks."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.output import FAILED, HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from maitre.errors import HouseError
from maitre.settings import House

if TYPE_CHECKING:
    from compose.workshop import Workshop

app = typer.Typer(help="The models on the disks of the stack's Ollamas.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As Ollama names it, such as llama3.2:1b.")]


@app.command("list")
def listed(as_json: JsonOption = False, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Show the models that are there, with their size."""
    from compose.deploy.ollama import models_of

    with one_sentence(verbose):
        workshop, services = _ollamas(house_of(house))
        rows = [{"service": name, **one} for name in services for one in models_of(_said(workshop, name, "list"))]
    if as_json:
        print_json(rows)
    elif not rows:
        console.print("There is no model yet. `cli models pull MODEL` fetches one.")
    else:
        table = Table("model", "size", "changed", "service", "id", box=None, pad_edge=False)
        for row in rows:
            table.add_row(row["name"], row["size"], row["modified"], row["service"], row["id"])
        console.print(table)


@app.command()
def pull(model: Model, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Fetch a model into every Ollama of the stack. What is there already is only checked."""
    with one_sentence(verbose):
        _everywhere(house_of(house), "pull", model)


@app.command()
def rm(model: Model, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Remove a model from every Ollama of the stack."""
    with one_sentence(verbose):
        _everywhere(house_of(house), "rm", model)


def _everywhere(house: House, word: str, model: str) -> None:
    workshop, services = _ollamas(house)
    for name in services:
        if subprocess.call(workshop.compose("exec", "-T", name, "ollama", word, "--", model)) != 0:
            console.print(f"{name}: `ollama {word} {model}` failed.", markup=False, style="red")
            raise typer.Exit(FAILED)


def _ollamas(house: House) -> tuple[Workshop, tuple[str, ...]]:
    """The stack and the names of its Ollamas that run. Raises HouseError when there is none."""
    from commands.stack import deployed
    from compose.deploy.ollama import ollamas, wanted

    workshop = deployed(house)
    containers = workshop.engine.containers()
    services = ollamas(containers)
    if stopped := not services and wanted(containers):
        raise HouseError(
            f"{', '.join(stopped)} does not run. `cli deploy` starts it, `cli logs {stopped[0]}` says why."
        )
    if not services:
        raise HouseError("No Ollama runs in this stack; its models come from the providers of maitre.yaml.")
    return workshop, services


def _said(workshop: Workshop, service: str, word: str) -> str:
    argv = workshop.compose("exec", "-T", service, "ollama", word)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HouseError(f"{service} does not say what it has: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
