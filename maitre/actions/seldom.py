"""What is noted once in a while only, however often it happens. Pure."""

from __future__ import annotations

from collections.abc import Hashable


class Seldom:
    """Says whether something happens for the first time within so many seconds. While `most` things are remembered
    nothing is new: whoever makes up names fills no table."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._seen: dict[Hashable, float] = {}  # in the order in which they were seen

    def first(self, what: Hashable, now: float) -> bool:
        """Whether it is; it is remembered. `now` is in seconds."""
        if (seen := self._seen.get(what)) is not None and now - seen < self._seconds:
            return False
        self._seen.pop(what, None)
        while self._seen and now - (oldest := next(iter(self._seen.items())))[1] >= self._seconds:
            del self._seen[oldest[0]]
        if len(self._seen) >= self._most:
            return False
        self._seen[what] = now
        return True
