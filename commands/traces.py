"""`cli traces`: the newest traces, asked over Langfuse's public API (the real one's or the embedded receiver's)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import requests
import typer
from rich.markup import escape
from rich.table import Column, Table

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from commands.people import OptionalUser, guest
from maitre.errors import HouseError
from maitre.settings import House
from maitre.tracing.untraced import NOWHERE


def traces(
    user: OptionalUser = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many traces at most.")] = 20,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the newest traces: one for every turn."""
    with one_sentence(verbose):
        checked = house_of(house)
        found = traces_of(checked, asyncio.run(_user_id(checked, user)) if user else None, limit)
    if as_json:
        print_json(found)
    elif found:
        console.print(table(found, checked))
    else:
        console.print("No traces yet.")


def traces_of(house: House, user_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest traces. Raises HouseError when Langfuse does not answer."""
    url = house.endpoint("traces")
    if url == NOWHERE:
        raise HouseError("This house keeps no traces. A stack has a Langfuse with `profiles: [langfuse]`.")
    try:
        answer = requests.get(
            f"{url}/api/public/traces",
            params={"limit": str(limit), "page": "1", **({"userId": user_id} if user_id else {})},
            auth=(house.secret("langfuse_public_key"), house.secret("langfuse_secret_key")),
            timeout=10,
        )
        answer.raise_for_status()
        return list(answer.json()["data"])
    except requests.ConnectionError as away:
        raise HouseError(f"Nobody answers at {url}. A stack has a Langfuse with `profiles: [langfuse]`.") from away
    except (requests.RequestException, ValueError, KeyError) as fault:
        raise HouseError(f"Langfuse at {url} does not answer: {fault}") from fault


def table(found: list[dict[str, Any]], house: House) -> Table:
    """The traces for people."""
    shown = Table(
        Column("at", no_wrap=True), "turn", "user", "tags", "seconds", "cost", "trace", box=None, pad_edge=False
    )
    for trace in found:
        at = datetime.fromisoformat(trace["timestamp"].replace("Z", "+00:00")).astimezone(house.zone)
        latency, cost = trace.get("latency"), trace.get("totalCost")
        shown.add_row(
            f"{at:%d %b %H:%M:%S}",
            escape(trace.get("name") or "–"),
            escape((trace.get("userId") or "–")[:13]),
            escape(" ".join(trace.get("tags") or ())),
            "–" if latency is None else f"{latency:.2f}",
            "–" if cost is None else f"{cost:.6f}",
            trace["id"][:12],
        )
    return shown


async def _user_id(house: House, user: str) -> str:
    from maitre.books import open_books

    async with open_books(house) as books:
        return (await guest(books, user)).user_id
