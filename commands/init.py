"""`cli init`: a house's files, secrets and demo passwords, each only where it is missing."""

from __future__ import annotations

from commands.output import HouseOption, VerboseOption, console, one_sentence
from maitre.settings import find_house, load_house


def init(house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Make a house: the example's files, its secrets, and passwords for its demo users. Changes nothing that exists."""
    from devstack import scaffold

    with one_sentence(verbose):
        directory = find_house(house)
        made = {
            "Files": scaffold.copy_example(directory),
            "Secrets": scaffold.make_secrets(directory),
            "Passwords": scaffold.make_logins(load_house(directory)),
        }
    for what, names in made.items():
        if names:
            console.print(f"{what} made: {', '.join(names)}", markup=False, highlight=False)
    if any(made.values()):
        console.print(f"The house is in {directory}. `cli up` starts it.", markup=False, highlight=False)
    else:
        console.print(f"Nothing to do: the house in {directory} has all its files and secrets.", markup=False)
