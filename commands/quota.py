"""`cli quota explain`: every window of an account."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from commands.people import UserArgument, guest, note
from commands.usage import money
from maitre.settings import House

app = typer.Typer(help="What guests may use, and what they have used.", no_args_is_help=True)

EPILOG = """\
[bold]Examples[/]

cli quota explain free@maitre.example

cli quota explain free@maitre.example --json
"""

REBUILD = """\
[bold]Example[/]

cli quota rebuild
"""


@app.callback()
def quota() -> None:
    """What guests may use, and what they have used."""


@app.command(epilog=EPILOG)
def explain(
    user: UserArgument,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show every window of a guest and their API keys: the limit, what is used, held and left, and when it resets."""
    with one_sentence(verbose):
        checked = house_of(house)
        found = asyncio.run(windows_of(checked, user))
    if as_json:
        print_json(found)
        return
    state = ", [red]suspended[/] (`cli suspend --undo` takes them back)" if found["suspended"] else ""
    console.print(f"[bold]{escape(found['user'])}[/], plan: {escape(found['plan'] or 'none')}{state}", highlight=False)
    console.print(table(found["windows"], checked))


async def windows_of(house: House, user: str) -> dict[str, Any]:
    """The account's windows, as `--json` prints them. Raises HouseError for an unknown user."""
    from maitre.books import open_books

    async with open_books(house) as books:
        return await books.explain(await guest(books, user))


@app.command(epilog=REBUILD)
def rebuild(house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Forget the live windows, so that each is loaded from the ledger when it is next asked for.

    Nobody is over-granted meanwhile: a guest whose windows are not loaded waits for them. It happens by itself when
    Valkey comes back empty; by hand it is for a ledger that somebody has changed.
    """
    with one_sentence(verbose):
        count = asyncio.run(_rebuild(house_of(house)))
    console.print(f"Forgotten: {count}. Each is loaded from the ledger again when it is next asked for.")


async def _rebuild(house: House) -> int:
    from maitre.books import open_books

    async with open_books(house) as books:
        count = await books.rebuild()
        await note(books, "quota.rebuild", subjects=count)
        return count


def table(windows: list[dict[str, Any]], house: House) -> Table:
    """The windows for people: a dash where nothing limits."""
    shown = Table("", "whose", "window", "limit", "used", "held", "left", "resets", box=None, pad_edge=False)
    for column in shown.columns[3:7]:
        column.justify = "right"
    for window in windows:
        reset = window["resets_at"]
        when = f"{datetime.fromisoformat(reset).astimezone(house.zone):%d %b %H:%M:%S}" if reset else "–"
        numbers = [_number(window, name, house.currency) for name in ("limit", "used", "held", "left")]
        whose = "guest" if window["scope"] == "account" else escape(window["scope"])
        shown.add_row(_mark(window), whose, f"{window['resource']} / {window['window']}", *numbers, when)
    return shown


def _mark(window: dict[str, Any]) -> str:
    """What an operator should see at once: a window that is full, or four fifths full."""
    if window["left"] == 0:
        return "[red]full[/]"
    taken = window["used"] + window["held"]
    return "[yellow]80 %[/]" if window["limit"] and 5 * taken >= 4 * window["limit"] else ""


def _number(window: dict[str, Any], name: str, currency: str) -> str:
    value = window[name]
    if value is None:
        return "–"
    return money(value, currency) if window["resource"] == "cost" else f"{value:,}".replace(",", " ")
