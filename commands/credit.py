"""`cli credit`: what a prepaid account has paid in."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from commands.output import HouseOption, VerboseOption, console, house_of, one_sentence
from commands.people import UserArgument, guest, note
from commands.usage import money
from maitre.errors import HouseError
from maitre.settings import House

#: The largest single amount, in the currency.
MOST = Decimal(1_000_000)


def credit(
    user: UserArgument,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In the house's currency: 10, 2.50, or -2.50.")],
    why: Annotated[str, typer.Option("--note", help="Why; kept beside the amount.")] = "",
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Pay money in for a guest whose plan is prepaid; a negative amount takes it back. (`--` before a negative one.)"""
    with one_sentence(verbose):
        checked = house_of(house)
        total = asyncio.run(_deposit(checked, user, nano_of(amount), why))
    console.print(f"{user} has paid in {money(total, checked.currency)} altogether.", markup=False, highlight=False)


def nano_of(text: str) -> int:
    """An amount as 10⁻⁹ of the currency. Raises HouseError."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount == 0 or abs(amount) > MOST or amount != round(amount, 9):
        raise HouseError(f"“{text}” is no amount; write 10, 2.50 or -2.50 (at most {MOST:,}).")
    return int(amount * 10**9)


async def _deposit(house: House, user: str, amount: int, why: str) -> int:
    from maitre.books import open_books

    async with open_books(house) as books:
        account = await guest(books, user)
        total = await books.deposit(account, amount, why)
        await note(books, "credit.deposit", account.user_id, nano=amount, currency=house.currency, note=why)
        return total
