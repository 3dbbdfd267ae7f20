"""`cli queue`: who runs and who waits, live."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from maitre.settings import House

if TYPE_CHECKING:
    from maitre.queue.line import Seen, Snapshot

#: Seconds between looks.
EVERY = 1.0


def queue(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing it until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the line in front of each provider: who runs, who waits in which place, and for about how long."""
    with one_sentence(verbose):
        asyncio.run(_show(house_of(house), watch=watch, as_json=as_json))


async def _show(house: House, *, watch: bool, as_json: bool) -> None:
    from maitre.books import open_books

    async with open_books(house) as books:
        names = {id: account.email or id for id, account in (await books.accounts()).items()}
        if as_json:
            print_json(_plain(await books.lines(), names))
            return
        if not watch:
            console.print(view(_plain(await books.lines(), names)))
            return
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(view(_plain(await books.lines(), names)), refresh=True)
                await asyncio.sleep(EVERY)


def _plain(lines: dict[str, Snapshot], names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "provider": provider,
            "running": [_one(seen, names) for seen in line.seated],
            "waiting": [{"position": place, **_one(seen, names)} for place, seen in enumerate(line.waiting, 1)],
        }
        for provider, line in lines.items()
    ]


def _one(seen: Seen, names: dict[str, str]) -> dict[str, Any]:
    ticket = seen.ticket
    return {
        "user": names.get(ticket.user_id, ticket.user_id),
        "model": ticket.model,
        "weight": ticket.weight,
        "tokens": ticket.tokens,
        "since": seen.since.isoformat(),
        "eta": None if seen.eta is None else round(seen.eta),
    }


def view(lines: list[dict[str, Any]]) -> RenderableType:
    """The lines for people."""
    if not lines:
        return "No provider has a line: none has max_concurrent in maitre.yaml."
    return Group(*(_table(line) for line in lines))


def _table(line: dict[str, Any]) -> Table:
    title = f"{line['provider']}: {len(line['running'])} running, {len(line['waiting'])} waiting"
    shown = Table("", "user", "model", "weight", "tokens", "since", "about", box=None, pad_edge=False, title=title)
    shown.title_justify = "left"
    now = datetime.now(UTC)
    for state in ("running", "waiting"):
        for row in line[state]:
            place = "[green]runs[/]" if state == "running" else f"[yellow]{row['position']}.[/]"
            since = f"{max(0, round((now - datetime.fromisoformat(row['since'])).total_seconds()))} s"
            about = "" if row["eta"] is None else f"{row['eta']} s"
            who = (escape(row["user"]), escape(row["model"]))
            shown.add_row(place, *who, str(row["weight"]), str(row["tokens"]), since, about)
    return shown
