"""`cli down`: stop the house and leave nothing behind."""

from __future__ import annotations

from commands.output import HouseOption, VerboseOption, console, one_sentence
from maitre.settings import find_house


def down(house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Stop everything that `cli up` started. Data, secrets and logs stay. A house that is down stays down."""
    from commands.house_view import watching
    from devstack.house import down as stop

    with one_sentence(verbose):
        directory = find_house(house)  # not checked: a house with mistakes in its files must stop too
        with watching() as watch:
            stopped = stop(directory / ".maitre", watch)
        if not stopped:
            console.print(f"Nothing to do: the house in {directory} is down.", markup=False, highlight=False)
