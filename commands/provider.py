"""`cli provider key`: the keys of providers that lie sealed in the house's database."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from commands.people import note
from maitre.errors import HouseError
from maitre.settings import House

app = typer.Typer(help="Providers: the keys that the house pays them with.", no_args_is_help=True)
keys = typer.Typer(help="The keys of providers that lie sealed in the database.", no_args_is_help=True)
app.add_typer(keys, name="key")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As in maitre.yaml's `api_key: sealed:NAME`.")]

#: The longest key that anybody gives; a service account's JSON is one too. Characters.
LONGEST = 16_384


@keys.command(
    "set",
    epilog="[bold]Examples[/]\n\ncli provider key set anthropic\n\ncli provider key set anthropic < key.txt",
)
def put(name: NameArgument, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Seal a provider's key and put it in; it is read from a hidden prompt or standard input. Running processes take it
    within seconds."""
    with one_sentence(verbose):
        checked = house_of(house)
        if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name) is None:
            raise HouseError(f"“{name}” is no name for a key: lower-case letters, digits, hyphens and underscores.")
        asyncio.run(_put(checked, name, _asked(name)))
    users = [provider.name for provider in checked.providers.values() if provider.sealed_key == name]
    console.print(f"The key “{name}” is in. " + _used(users, name), markup=False, highlight=False)


@keys.command("list", epilog="[bold]Example[/]\n\ncli provider key list")
def listed(house: HouseOption = None, json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """The names of the sealed keys, who uses each, and which are missing. The keys themselves are shown to nobody."""
    with one_sentence(verbose):
        checked = house_of(house)
        there = asyncio.run(_listed(checked))
    wanted = {one.sealed_key for one in checked.providers.values() if one.sealed_key}
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "set_at": there[name].astimezone(checked.zone).isoformat(" ", "minutes") if name in there else None,
            "providers": [one.name for one in checked.providers.values() if one.sealed_key == name],
        }
        for name in sorted(wanted | there.keys())
    ]
    if json:
        print_json(rows)
        return
    table = Table("key", "put in", "used by", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["set_at"] or "[yellow]missing[/]", ", ".join(row["providers"]) or "–")
    console.print(table if rows else "No provider key is sealed here, and maitre.yaml asks for none.")


@keys.command("remove", epilog="[bold]Example[/]\n\ncli provider key remove anthropic")
def remove(name: NameArgument, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Take a key out; calls of the providers that use it fail from then on."""
    with one_sentence(verbose):
        checked = house_of(house)
        if not asyncio.run(_remove(checked, name)):
            raise HouseError(f"There is no key “{name}”. `cli provider key list` shows those that there are.")
    console.print(f"The key “{name}” is gone.", markup=False, highlight=False)


def _asked(name: str) -> str:
    """The key, from a hidden prompt or standard input. Raises HouseError for what can be none."""
    prompted = sys.stdin.isatty()
    key = str(typer.prompt(f"Key “{name}”", hide_input=True) if prompted else sys.stdin.read(LONGEST + 2)).strip()
    if not key or len(key) > LONGEST or not (key.isascii() and key.isprintable()):
        raise HouseError("That is no key: it must be one line of letters, digits and signs.")
    return key


def _used(users: list[str], name: str) -> str:
    if users:
        return f"Used by: {', '.join(users)}."
    return f"No provider uses it yet: write “api_key: sealed:{name}” into maitre.yaml."


async def _put(house: House, name: str, key: str) -> None:
    from maitre.books import open_books

    async with open_books(house) as books:
        await books.provider_keys.put(name, key, datetime.now(UTC))
        await note(books, "provider_key.set", name)


async def _listed(house: House) -> dict[str, datetime]:
    from maitre.books import open_books

    async with open_books(house) as books:
        return await books.provider_keys.listed()


async def _remove(house: House, name: str) -> bool:
    from maitre.books import open_books

    async with open_books(house) as books:
        removed = await books.provider_keys.remove(name)
        if removed:
            await note(books, "provider_key.remove", name)
        return removed
