"""`cli audit`: who did what, from where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from commands.moments import SinceOption, past
from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from commands.people import guest
from maitre.settings import House

#: The kind of an entry that is a turn and no action.
TURN = "turn"


def audit(
    who: Annotated[
        str | None, typer.Argument(metavar="WHO", help="An e-mail, an Open WebUI user id, or “operator NAME”.")
    ] = None,
    what: Annotated[
        str | None, typer.Option("--what", metavar="NAME", help="Only these: key, key.generate, house, turn, …")
    ] = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many entries at most.")] = 50,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the action log, the newest first: keys, sign-ins, operators' commands, and every turn of the ledger."""
    with one_sentence(verbose):
        checked = house_of(house)
        entries = asyncio.run(entries_of(checked, who, what, past(since, checked), limit))
    if as_json:
        print_json([{**one, "at": one["at"].isoformat()} for one in entries])
    elif entries:
        console.print(table(entries, checked))
    else:
        console.print("Nothing was done yet." if who is None else f"Nothing of {who}.", markup=False)


async def entries_of(
    house: House, who: str | None, what: str | None, since: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """Actions and turns together, the newest first. Raises HouseError for an unknown user."""
    from maitre.books import open_books

    async with open_books(house) as books:
        account = None if who is None or who.startswith("operator ") else await guest(books, who)
        name = account.user_id if account else who
        names = {id: one.email or id for id, one in (await books.accounts()).items()}
        entries: list[dict[str, Any]] = []
        if what != TURN:
            for one in await books.actions(name, since, what, limit):
                owner = names.get(one.who, one.who)
                entries.append(entry(one.at, owner, one.address, one.what, one.target, one.key, one.detail))
        if what in (None, TURN) and (who is None or account is not None):
            entries += [_turn(row) for row in await books.usage(account, since, limit)]
    return sorted(entries, key=lambda one: one["at"], reverse=True)[:limit]


def entry(
    at: datetime, who: str, address: str, what: str, target: str, key: str, detail: Mapping[str, object]
) -> dict[str, Any]:
    """One entry, in the order of `--json`."""
    return {
        "at": at, "who": who, "from": address, "what": what, "target": target, "key": key, "detail": dict(detail)
    }  # fmt: skip


def _turn(row: dict[str, Any]) -> dict[str, Any]:
    target = f"assistants.{row['assistant']}" if row["assistant"] else f"models.{row['model']}"
    detail = {name: row[name] for name in ("turn_id", "door", "kind", "status")}
    return entry(row["at"], row["email"] or row["user"], row["address"], TURN, target, row["key"], detail)


def table(entries: list[dict[str, Any]], house: House) -> Table:
    """The entries for people."""
    shown = Table(
        *(Column(name, no_wrap=name != "detail") for name in ("at", "who", "from", "what", "target", "detail")),
        box=None,
        pad_edge=False,
    )
    for one in entries:
        detail = ", ".join(f"{name}: {_told(value)}" for name, value in one["detail"].items() if value != "")
        shown.add_row(
            f"{one['at'].astimezone(house.zone):%d %b %H:%M:%S}",
            *(escape(text) for text in (one["who"] or "·", one["from"] or "·", one["what"], one["target"], detail)),
        )
    return shown


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
