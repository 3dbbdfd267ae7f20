"""`cli seed`: users, plans and assistants into Maitre's database and into Open WebUI."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from commands.people import note
from maitre.settings import House
from provisioning.change import Change

STYLES = {"create": "green", "update": "yellow", "remove": "red", "skip": "dim"}


def seed(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan that would run; change nothing.")] = False,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Bring Open WebUI and Maitre's database to what the house's files say. Twice is once.

    What the files do not name (other people's users, groups, connections, models) is left alone.

    Examples: `cli seed --dry-run` shows the plan. `cli seed --json` prints what was done.
    """
    from provisioning.seed import seed as provision

    with one_sentence(verbose):
        checked = house_of(house)
        changes = provision(checked, dry_run=dry_run, progress=None if as_json or dry_run else _tick)
        made = [change for change in changes if change.action != "skip"]
        if made and not dry_run:
            asyncio.run(_note(checked, made))
    if as_json:
        print_json({"dry_run": dry_run, "changes": [change.to_json() for change in changes]})
        return
    report(changes, dry_run)


async def _note(house: House, made: list[Change]) -> None:
    from maitre.books import open_books

    async with open_books(house) as books:
        for change in made:
            await note(books, f"seed.{change.action}", f"{change.resource} {change.key}")


def _tick(sentence: str) -> None:
    console.print(f"[green]✓[/] {escape(sentence)}", highlight=False)


def report(changes: list[Change], dry_run: bool) -> None:
    """Print the plan of a dry run, the notes, and how it ended."""
    notes = [change for change in changes if change.action == "skip"]
    work = [change for change in changes if change.action != "skip"]
    if dry_run and work:
        console.print(_table(work))
    for one in notes:
        console.print(f"[yellow]![/] {escape(one.sentence)}", highlight=False)
    if not work:
        console.print("Nothing to do: Open WebUI and Maitre's database are as the house's files say.")
    elif dry_run:
        console.print(f"{_count(work)} would be made; nothing was changed. `cli seed` makes them.")
    else:
        console.print(f"{_count(work)} made.")


def _table(changes: list[Change]) -> Table:
    table = Table("", "where", "what would be done", box=None, pad_edge=False)
    for change in changes:
        style = STYLES[change.action]
        table.add_row(f"[{style}]{change.action}[/]", change.resource, escape(change.sentence))
    return table


def _count(changes: list[Change]) -> str:
    return "1 change" if len(changes) == 1 else f"{len(changes)} changes"
