"""`cli usage`: the newest rows of the ledger."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from commands.moments import SinceOption, past
from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from commands.people import OptionalUser, guest
from maitre.settings import House

_NUMBERS = ("prompt", "answer", "cost")


def usage(
    user: OptionalUser = None,
    since: SinceOption = None,
    id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Only the calls of one turn: an answer's x-router-log-id.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many rows at most.")] = 20,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the ledger: one row for every upstream call, the newest first."""
    with one_sentence(verbose):
        checked = house_of(house)
        rows = asyncio.run(rows_of(checked, user, past(since, checked), limit, id))
    if as_json:
        print_json([_plain(row) for row in rows])
    elif rows:
        console.print(table(rows, checked))
    else:
        whose = f"No calls of {user}." if user else "No calls yet."
        console.print(f"No call has the id {id}." if id else whose, markup=False)


async def rows_of(
    house: House, user: str | None, since: datetime | None, limit: int, id: str | None = None
) -> list[dict[str, Any]]:
    """The newest rows, or those of one turn. Raises HouseError for an unknown user."""
    from maitre.books import open_books

    async with open_books(house) as books:
        account = None if user is None else await guest(books, user)
        return await books.usage(account, since, limit, id)


def money(nano: int, currency: str) -> str:
    """An amount in 10⁻⁹ of the currency as people read it."""
    return f"{Decimal(nano) / Decimal(10**9):.6f} {currency}"


def table(rows: list[dict[str, Any]], house: House) -> Table:
    """The rows for people."""
    names = ("at", "user", "what", "kind", "door", "prompt", "answer", "cost", "status")
    columns = (Column(name, no_wrap=True, justify="right" if name in _NUMBERS else "left") for name in names)
    shown = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        about = "~" if row["estimated"] else ""
        shown.add_row(
            f"{row['at'].astimezone(house.zone):%d %b %H:%M:%S}",
            escape(row["email"] or row["user"][:13]),
            escape(row["assistant"] or row["model"]),
            row["kind"] + ("" if row["counted"] else " ·"),
            row["door"],
            str(row["prompt_tokens"]),
            about + str(row["completion_tokens"]),
            money(row["cost"], row["currency"]),
            row["status"] if row["status"] == "done" else f"[yellow]{row['status']}[/]",
        )
    return shown


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
