"""`cli up`: the house on embedded parts, seeded, with its addresses and logins on the screen."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.output import FAILED, HouseOption, VerboseOption, console, house_of, one_sentence
from maitre.settings import House


def up(
    once: Annotated[bool, typer.Option("--once", help="Start, seed, let one guest chat, show the bill, stop.")] = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Start what is missing, seed it, and show where it is. On a running house it changes nothing."""
    from commands.rotating import finish_embedded

    with one_sentence(verbose):
        checked = house_of(house)
        for name in finish_embedded(checked):
            console.print(f"A rotation of {name} had been broken off; it is finished.", highlight=False)
        if once:
            _once(checked)
        else:
            _up(checked)


def _up(house: House) -> None:
    from commands.house_view import show, watching
    from devstack.house import down
    from devstack.house import up as start

    with watching() as watch:
        fresh = start(house, watch)
    try:
        _seed(house)
    except KeyboardInterrupt:
        if fresh:
            down(house.state)
        raise
    if not show(house):
        raise typer.Exit(FAILED)


def _once(house: House) -> None:
    from commands.house_view import Watch
    from commands.story import tell
    from devstack.house import running

    with running(house, Watch()):
        _seed(house)
        tell(house)


def _seed(house: House) -> None:
    from provisioning.seed import seed

    changes = [change for change in seed(house) if change.action != "skip"]
    console.print(f"Seeded: {len(changes)} changes." if changes else "Seeded: nothing to do.", highlight=False)
