"""How much of what a provider was asked may be asked again, so that an outage does not double the load. Pure; times
are seconds of any steady clock."""

from __future__ import annotations

from collections import deque

#: Of the calls of the last minute so many in a hundred may be made again, and so many in any case.
PERCENT, FLOOR = 20, 10
RECENT = 60.0


class RetryBudget:
    """One provider's. Calls are counted by the second, retries among them."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()  # second, calls, retries
        self._calls = self._retries = 0

    def asked(self, now: float) -> None:
        """A call is made."""
        self._second(now)[1] += 1
        self._calls += 1

    def again(self, now: float) -> bool:
        """Take a retry for a call that failed; whether there was one."""
        second = self._second(now)
        if self._retries >= FLOOR and 100 * self._retries >= PERCENT * self._calls:
            return False
        second[2] += 1
        self._retries += 1
        return True

    def _second(self, now: float) -> list[int]:
        while self._seconds and self._seconds[0][0] <= now - RECENT:
            _, calls, retries = self._seconds.popleft()
            self._calls -= calls
            self._retries -= retries
        if not self._seconds or self._seconds[-1][0] != int(now):
            self._seconds.append([int(now), 0, 0])
        return self._seconds[-1]
