"""`cli suspend`: an account that is refused at every door."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from commands.output import HouseOption, VerboseOption, console, house_of, one_sentence
from commands.people import UserArgument, guest, note
from maitre.settings import House


def suspend(
    user: UserArgument,
    undo: Annotated[bool, typer.Option("--undo", help="Take the account back.")] = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Refuse a guest at every door from now on: browser, filters and API keys. Answers that are being written go on."""
    with one_sentence(verbose):
        email = asyncio.run(_suspend(house_of(house), user, suspended=not undo))
    console.print(f"{email} is {'served again' if undo else 'suspended'}.", markup=False, highlight=False)


async def _suspend(house: House, user: str, *, suspended: bool) -> str:
    from maitre.books import open_books

    async with open_books(house) as books:
        account = await guest(books, user)
        await books.suspend(account, suspended=suspended)
        await note(books, "account.suspend" if suspended else "account.restore", account.user_id)
        return account.email or account.user_id
