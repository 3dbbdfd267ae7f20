"""The in-memory twin of the counted failures."""

from __future__ import annotations

from collections.abc import Callable

SPAN = 60.0  # seconds


class MemoryFailures:
    """Failures in a dictionary. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}

    async def count(self, origin: str) -> tuple[int, float]:
        """Count one more; how many there are, and the seconds left of their minute."""
        now = self._clock()
        count, until = self._counts.get(origin, (0, 0.0))
        if until <= now:
            count, until = 0, now + SPAN
        self._counts[origin] = count + 1, until
        return count + 1, until - now
