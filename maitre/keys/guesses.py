"""Wrong keys by the address that they come from: whoever sends too many is not listened to for the rest of a minute.

An address counts for all of a house's processes. Behind a translated address all its people share one count, so an
address is let go after a minute, and only failures are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from maitre.keys.address import origin

#: Origins that are remembered as refused.
REMEMBERED = 10_000


class Failures(Protocol):
    """Counts failures: Valkey in a house, the in-memory twin in tests."""

    async def count(self, origin: str) -> tuple[int, float]:
        """Count one more; how many there are within the minute that the first began, and the seconds left of it."""


class Guesses:
    """One for a process."""

    def __init__(self, failures: Failures, most: int, clock: Callable[[], float]) -> None:
        """`most` failures a minute are borne. `clock` is monotonic, in seconds."""
        self._failures, self._most, self._clock = failures, most, clock
        self._refused: dict[str, float] = {}  # until when

    def wait(self, address: str) -> int:
        """The seconds until requests from the address are listened to again; 0: they are."""
        if not self._refused or (until := self._refused.get(origin(address))) is None:
            return 0
        return max(0, math.ceil(until - self._clock()))

    async def failed(self, address: str) -> int:
        """Count a wrong key; the seconds as `wait` tells them. Raises StoreDown."""
        whose, now = origin(address), self._clock()
        count, left = await self._failures.count(whose)
        if count > self._most:
            self._refused = {one: until for one, until in self._refused.items() if until > now}
            if len(self._refused) < REMEMBERED:
                self._refused[whose] = now + left
            return max(1, math.ceil(left))
        return 0
