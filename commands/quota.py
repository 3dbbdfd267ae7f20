"""`cli quota explain`: every window of an account."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from maitre.errors import HouseError
from maitre.settings import House

app = typer.Typer(help="What guests may use, and what they have used.", no_args_is_help=True)

EPILOG = """\
[bold]Examples[/]

cli quota explain free@maitre.example

cli quota explain free@maitre.example --json
"""

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="An e-mail or an Open WebUI user id.")]


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
    """Show every window of a guest: the limit, what is used, held and left, and when it resets."""
    with one_sentence(verbose):
        checked = house_of(house)
        found = asyncio.run(windows_of(checked, user))
    if as_json:
        print_json(found)
        return
    console.print(f"[bold]{escape(found['user'])}[/], plan: {escape(found['plan'] or 'none')}", highlight=False)
    console.print(table(found["windows"], checked))


async def windows_of(house: House, user: str) -> dict[str, Any]:
    """The account's windows, as `--json` prints them. Raises HouseError for an unknown user."""
    from maitre.app import open_books

    async with open_books(house) as books:
        account = await books.find_account(user)
        if account is None:
            raise HouseError(f"Nobody here is called “{user}”. An account begins with `cli seed` or a first message.")
        return await books.explain(account)


def table(windows: list[dict[str, Any]], house: House) -> Table:
    """The windows for people: a dash where nothing limits."""
    shown = Table("", "window", "limit", "used", "held", "left", "resets", box=None, pad_edge=False)
    for column in shown.columns[2:6]:
        column.justify = "right"
    for window in windows:
        reset = window["resets_at"]
        when = f"{datetime.fromisoformat(reset).astimezone(house.zone):%d %b %H:%M:%S}" if reset else "–"
        empty = window["left"] == 0
        numbers = [
            "–" if window[name] is None else f"{window[name]:,}".replace(",", " ")
            for name in ("limit", "used", "held", "left")
        ]
        shown.add_row("[red]full[/]" if empty else "", f"{window['resource']} / {window['window']}", *numbers, when)
    return shown
