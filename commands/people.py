"""Finding a guest by what an operator types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maitre.errors import HouseError

if TYPE_CHECKING:
    from maitre.accounts.account import Account
    from maitre.app import Books

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="An e-mail or an Open WebUI user id.")]


async def guest(books: Books, who: str) -> Account:
    """The account with this e-mail or user id. Raises HouseError when there is none."""
    account = await books.find_account(who)
    if account is None:
        raise HouseError(f"Nobody here is called “{who}”. An account begins with `cli seed` or a first message.")
    return account
