"""`cli close` and `cli open`: stop and resume admission."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from commands.output import HouseOption, VerboseOption, console, house_of, one_sentence
from commands.people import note
from maitre.errors import HouseError
from maitre.settings import House

#: A sentence longer than this is none. Characters.
LONGEST = 500


def close(
    sentence: Annotated[str, typer.Argument(metavar="SENTENCE", help="What guests read while the house is closed.")],
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Admit nobody until `cli open`. Answers that are being written go on, and who waits in a line is still served;
    whoever asks now reads the sentence."""
    with one_sentence(verbose):
        text = " ".join(sentence.split())
        if not text or len(text) > LONGEST or not text.isprintable():
            raise HouseError(f"The sentence must be one line of 1 to {LONGEST} characters.")
        asyncio.run(_close(house_of(house), text))
    console.print(f"The house is closed. Guests read: {text}", markup=False, highlight=False)


def open_again(house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Admit guests again after `cli close`."""
    with one_sentence(verbose):
        asyncio.run(_close(house_of(house), None))
    console.print("The house is open.")


async def _close(house: House, sentence: str | None) -> None:
    from maitre.books import open_books

    async with open_books(house) as books:
        await books.close_house(sentence)
        await note(books, "house.open" if sentence is None else "house.close", sentence=sentence or "")
