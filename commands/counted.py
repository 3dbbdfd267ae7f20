"""What the doors of a house count, and who is suspended: asked of its stores, from where they can be reached.

python -m commands.counted      within a container of a stack: `cli status` asks it there
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from maitre.errors import MaitreError, StoreDown
from maitre.settings import House, find_house, load_house

if TYPE_CHECKING:
    from compose.workshop import Workshop

#: Those of a stack that reach its stores, the house's own door first.
ASKED = ("gateway", "pipelines")
PATIENCE = 60  # seconds


def nothing() -> dict[str, Any]:
    """What is told while the stores are not there to be asked."""
    return {"counters": {}, "suspended": []}


def counted(house: House) -> dict[str, Any]:
    """The counters of the last day, `traces_dropped` among them, and who is suspended."""
    from maitre.books import open_books

    async def ask() -> dict[str, Any]:
        async with open_books(house) as books:
            suspended = [one.email or one.user_id for one in (await books.accounts()).values() if one.suspended]
            return {"counters": await books.counters(), "suspended": sorted(suspended)}

    try:
        return asyncio.run(ask())
    except StoreDown:
        return nothing()


def counted_inside(workshop: Workshop) -> dict[str, Any]:
    """The same of a stack, whose stores publish no port: a container that runs is asked."""
    running = workshop.engine.containers()
    service = next((name for name in ASKED if any(one.well for one in running.of(name))), None)
    if service is None:
        return nothing()
    argv = workshop.compose("exec", "-T", service, "python", "-m", "commands.counted")
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        told = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return nothing()
    return {**nothing(), **told}


if __name__ == "__main__":
    try:
        print(json.dumps(counted(load_house(find_house(None)))))
    except MaitreError as fault:
        sys.exit(str(fault))
