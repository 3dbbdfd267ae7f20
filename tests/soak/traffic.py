"""Guests without end, so many visits at once, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import aiohttp

from tests.soak.guests import VISITS, Street, Visitor
from tests.soak.house import MOODS, Soaked

AT_ONCE = 12  # visits under way
PAUSE = 0.15  # seconds that somebody rests between two visits, on average: the machine has others to serve
MOOD = 1.5  # seconds that a mood of the shaky upstream lasts
GUESTS, TIGHT = 12, 3
PATIENCE = 40.0  # seconds that a client waits for an answer


def visitors(soaked: Soaked, plan: str, count: int) -> list[Visitor]:
    """Fresh guests with keys."""
    guests = [soaked.hall.guest(plan) for _ in range(count)]
    return [Visitor(guest, soaked.hall.key(guest, manages=True)) for guest in guests]


@contextmanager
def traffic(soaked: Soaked, seed: int) -> Iterator[Street]:
    """Within, guests come and go; at its end the last ones are served."""
    over = threading.Event()
    house = soaked.hall.house
    street = Street(
        soaked.hall.parts["gateway"].url,
        None,  # type: ignore[arg-type] # made on the loop
        {name: house.secret(name) for name in ("gateway_key", "user_jwt")},
        visitors(soaked, "wide", GUESTS),
        visitors(soaked, "tight", TIGHT),
        Random(seed),
        patience=14.0,
    )
    thread = threading.Thread(target=lambda: asyncio.run(_all(soaked, street, over)), name="traffic")
    thread.start()
    try:
        yield street
    finally:
        over.set()
        thread.join()


async def _all(soaked: Soaked, street: Street, over: threading.Event) -> None:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE)) as street.http:
        moods = asyncio.create_task(_moods(soaked, over))
        await asyncio.gather(*(_come(street, over) for _ in range(AT_ONCE)))
        await moods


async def _moods(soaked: Soaked, over: threading.Event) -> None:
    while not over.is_set():
        for mood in MOODS:
            soaked.shaky.always = mood
            await asyncio.sleep(0 if over.is_set() else MOOD)


async def _come(street: Street, over: threading.Event) -> None:
    kinds, weights = list(VISITS), list(VISITS.values())
    while not over.is_set():
        (visit,) = street.chance.choices(kinds, weights)
        try:
            await visit(street)
        except TimeoutError:
            street.odd.append(f"{visit.__name__}: nothing was heard for {PATIENCE:g} seconds")
        except (aiohttp.ClientError, OSError) as fault:
            street.odd.append(f"{visit.__name__}: {type(fault).__name__}: {fault}")
        except Exception as fault:  # noqa: BLE001 - the verdict tells of it
            street.odd.append(f"{visit.__name__} failed: {fault!r}")
        await asyncio.sleep(street.chance.expovariate(1 / PAUSE))
