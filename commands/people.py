"""People: finding a guest by what an operator types, and who the operator is."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from maitre.errors import HouseError

if TYPE_CHECKING:
    from maitre.accounts.account import Account
    from maitre.books import Books

OptionalUser = Annotated[
    str | None, typer.Argument(metavar="USER", help="An e-mail or an Open WebUI user id. Default: everybody.")
]
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="An e-mail or an Open WebUI user id.")]


async def guest(books: Books, who: str) -> Account:
    """The account with this e-mail or user id. Raises HouseError when there is none."""
    account = await books.find_account(who)
    if account is None:
        raise HouseError(f"Nobody here is called “{who}”. An account begins with `cli seed` or a first message.")
    return account


async def note(books: Books, what: str, target: str = "", **detail: object) -> None:
    """Write into the action log what the operator has just done."""
    from maitre.actions.action import Action

    address = os.environ.get("SSH_CLIENT", "").partition(" ")[0]  # where the operator sits, if not at the machine
    await books.note(Action(datetime.now(UTC), operator(), what, target, "", address, detail))


def operator() -> str:
    """The operator's name in the action log."""
    try:
        return f"operator {getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as containers have
        return f"operator {os.getuid()}"
