"""The house's clock: Postgres's, carried on by this machine's monotonic one.

Days, minutes and leases must be one thing for all processes of a house, and must not jump when somebody sets a
machine's clock. So each process asks Postgres now and then what time it is, and reckons on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class HouseClock:
    """Tells the time. `monotonic` gives seconds; until it is first set, the clock reckons on from `start`."""

    def __init__(self, start: datetime, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at, self._since = start, monotonic()

    def __call__(self) -> datetime:
        """The time now, in UTC."""
        return self._at + timedelta(seconds=self._monotonic() - self._since)

    def set(self, now: datetime) -> timedelta:
        """It is `now`; how far the clock was set, ahead or back."""
        before = self()
        self._at, self._since = now.astimezone(UTC), self._monotonic()
        return self._at - before
