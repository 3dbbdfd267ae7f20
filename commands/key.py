"""`cli key`: API keys made, listed, ended and renewed."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.key_view import plain, table
from commands.moments import future, span
from commands.output import HouseOption, JsonOption, VerboseOption, console, errors, house_of, one_sentence, print_json
from commands.people import OptionalUser, UserArgument, guest, note
from maitre.chat.inlet import is_ours
from maitre.errors import HouseError
from maitre.keys.bounds import bounded
from maitre.keys.key import Key, is_id
from maitre.keys.wish import wished
from maitre.settings import House

if TYPE_CHECKING:
    from maitre.accounts.account import Account
    from maitre.books import Books
    from maitre.quota.plan import Plan

app = typer.Typer(help="API keys of the gateway.", no_args_is_help=True)

CREATE = """\
[bold]Examples[/]

cli key create free@maitre.example --name laptop

cli key create pro@maitre.example --name ci --expires 30d --model assistants.general --limit tokens_per_day=1000

cli key create admin@maitre.example --name back-office --manages --allow 10.0.0.0/8
"""
LIST = "[bold]Examples[/]\n\ncli key list\n\ncli key list pro@maitre.example --json"
REVOKE = "[bold]Example[/]\n\ncli key revoke 0f3c9a517be2d846"
ROTATE = "[bold]Examples[/]\n\ncli key rotate 0f3c9a517be2d846\n\ncli key rotate 0f3c9a517be2d846 --grace 24h"

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `cli key list` shows it.")]


@app.callback()
def key() -> None:
    """API keys of the gateway."""


@app.command(epilog=CREATE)
def create(
    user: UserArgument,
    name: Annotated[str, typer.Option("--name", help="What the key is for; people read it in lists.")],
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="30d, 12h, 90m, or a date (2026-12-31). Default: never."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="MODEL", help="What it may ask for; may be repeated. Default: all of the plan's."
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="NAME=NUMBER", help="Below the plan's: tokens_per_day=1000. May be repeated."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="NET", help="A network that it may be used from; may be repeated."),
    ] = None,
    deny: Annotated[
        list[str] | None,
        typer.Option("--deny", metavar="NET", help="A network that it may not be used from; may be repeated."),
    ] = None,
    manages: Annotated[bool, typer.Option("--manages", help="It may make and end keys of its account.")] = False,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Make an API key, and print it once: only a digest of it is kept."""
    with one_sentence(verbose):
        checked = house_of(house)
        told = {
            "name": name,
            "models": model,
            "limits": dict(_pair(one) for one in limit or ()),
            "networks": {"allow": allow or [], "deny": deny or []},
            "manages": manages,
            **({"expires_at": future(expires, checked).isoformat()} if expires else {}),
        }
        text, made, account = asyncio.run(_create(checked, user, told))
    if as_json:
        print_json({"key": text, **plain(made, account.email)})
    else:
        _show(text, "Keep it now: it cannot be shown again.")


@app.command(name="list", epilog=LIST)
def every(
    user: OptionalUser = None,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the API keys of a guest, or of everybody: the newest first, without their secrets."""
    with one_sentence(verbose):
        checked = house_of(house)
        keys = asyncio.run(_every(checked, user))
    if as_json:
        print_json([plain(one, email) for one, email in keys])
    elif keys:
        console.print(table(keys, checked))
    else:
        console.print("No API keys yet." if user is None else f"No API keys of {user}.", markup=False)


@app.command(epilog=REVOKE)
def revoke(id: IdArgument, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """End an API key at once, with all its tokens."""
    with one_sentence(verbose):
        asyncio.run(_revoke(house_of(house), id))
    console.print(f"{id} is revoked.", markup=False, highlight=False)


@app.command(epilog=ROTATE)
def rotate(
    id: IdArgument,
    grace: Annotated[
        str | None, typer.Option("--grace", metavar="SPAN", help="How long the old one lives on: 24h, 7d.")
    ] = None,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Give an API key another secret, and print it once. The old one ends at once, or after `--grace`."""
    with one_sentence(verbose):
        text = asyncio.run(_rotate(house_of(house), id, span(grace) if grace else timedelta(0)))
    _show(text, "Keep it now: it cannot be shown again.")


def _show(text: str, hint: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    errors.print(hint, style="dim")  # beside the key, for `KEY=$(cli key create …)`


# ── the books ──


async def _create(house: House, user: str, told: dict[str, Any]) -> tuple[str, Key, Account]:
    from maitre.books import open_books

    async with open_books(house) as books:
        account = await guest(books, user)
        plans = await books.plans()
        plan = plans.get(account.plan or "") or plans.get(house.default_plan or "")
        if plan is None:
            raise HouseError(f"{user} has no plan yet, so a key would open nothing.")
        offered = await _offered(books, plan)
        slugs = {id.partition(".")[2] for id in offered if id.startswith("assistants.")}

        def public(name: str) -> str:
            return name if is_ours(name) else f"{'assistants' if name in slugs else 'models'}.{name}"

        now = datetime.now(UTC)
        wish = wished(told, id=secrets.token_hex(8), user_id=account.user_id, now=now, public=public)
        made = bounded(wish, plan, offered, None)
        text = await books.keys.add(made)
        await note(books, "key.generate", made.id, name=made.name, manages=made.manages, user=account.user_id)
        return text, made, account


async def _offered(books: Books, plan: Plan) -> set[str]:
    assistants = (await books.assistants()).values()
    return {f"assistants.{one.slug}" for one in assistants if one.open_to(plan.slug)} | {
        f"models.{id}" for id in plan.models
    }


async def _every(house: House, user: str | None) -> list[tuple[Key, str]]:
    from maitre.books import open_books

    async with open_books(house) as books:
        owner = None if user is None else (await guest(books, user)).user_id
        emails = {id: account.email for id, account in (await books.accounts()).items()}
        return [(one, emails.get(one.user_id, "")) for one in await books.keys.of(owner)]


async def _revoke(house: House, id: str) -> None:
    from maitre.books import open_books

    async with open_books(house) as books:
        if not is_id(id) or not await books.keys.revoke(id):
            raise HouseError(f"There is no live key “{id}”. `cli key list` shows the ids.")
        await note(books, "key.revoke", id)


async def _rotate(house: House, id: str, grace: timedelta) -> str:
    from maitre.books import open_books

    async with open_books(house) as books:
        text = await books.keys.rotate(id, grace) if is_id(id) else None
        if text is None:
            raise HouseError(f"There is no key “{id}” that is not revoked. `cli key list` shows the ids.")
        await note(books, "key.rotate", id, grace_seconds=grace.total_seconds())
        return text


def _pair(text: str) -> tuple[str, str]:
    name, equals, number = text.partition("=")
    if not equals:
        raise HouseError(f"“{text}” is no limit; write tokens_per_day=1000.")
    return name.strip(), number.strip()
