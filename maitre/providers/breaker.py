"""A circuit breaker: whether an upstream's address is worth asking. Pure; times are seconds of any steady clock.

Closed: it is asked. Open: it failed again and again, and is left alone for a while. Half-open: the while is over, and
one call may try it; its first event closes the breaker, its failure opens it for twice as long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

#: It opens after so many failures in a row, or when half of at least so many calls of the last minute failed.
IN_A_ROW, AT_LEAST, RECENT = 5, 10, 60.0

#: How long it stays open: at first, and at most. Seconds.
FIRST, LONGEST = 5.0, 60.0

#: How long one call may take to prove that an address is well again, before another one may try. Seconds.
PROBE = 10.0

#: How long an address that failed once is rather not chosen while there is another. Seconds.
SHY = 5.0

#: No Retry-After keeps us away for longer. Seconds.
LONGEST_REST = 600.0


@dataclass(slots=True)
class Breaker:
    """One address's. `failures`: how many opened it, and have kept it open since."""

    failures: int = 0
    _in_a_row: int = 0
    _ends: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=2 * AT_LEAST))  # when, failed
    _opened: bool = False
    _period: float = FIRST
    _until: float = float("-inf")  # left alone until then
    _probe_until: float = float("-inf")
    _failed_at: float = float("-inf")

    def state(self, now: float) -> str:
        """`closed`, `open` or `half-open`."""
        if now < self._until:
            return "open"
        return "half-open" if self._opened else "closed"

    def shy(self, now: float) -> bool:
        """Whether it failed just now."""
        return now < self._failed_at + SHY

    def probe(self, now: float) -> bool:
        """Take the one try that a half-open breaker allows; whether it was there."""
        if self.state(now) != "half-open" or now < self._probe_until:
            return False
        self._probe_until = now + PROBE
        return True

    def answered(self, now: float) -> None:
        """A call's first event came, or an error that is the request's own."""
        if self.state(now) == "half-open":
            self._opened, self._period = False, FIRST
            self._in_a_row = 0
            self._ends.clear()

    def succeeded(self, now: float) -> None:
        """A call came to its end."""
        self.answered(now)
        self._in_a_row = 0
        self._ends.append((now, False))

    def failed(self, now: float) -> None:
        """A call failed for a reason of the upstream's."""
        self._failed_at = now
        self._in_a_row += 1
        self._ends.append((now, True))
        match self.state(now):
            case "half-open":
                self._period = min(LONGEST, 2 * self._period)
                self.failures += 1
                self._open(now)
            case "closed" if self._in_a_row >= IN_A_ROW or self._half(now):
                self.failures = max(self._in_a_row, sum(self._recent(now)))
                self._open(now)

    def rest(self, now: float, seconds: float) -> None:
        """It asked to be left alone for so long."""
        self._until = max(self._until, now + min(max(0.0, seconds), LONGEST_REST))

    def _open(self, now: float) -> None:
        self._opened, self._until, self._probe_until = True, max(self._until, now + self._period), float("-inf")

    def _recent(self, now: float) -> list[bool]:
        return [failed for at, failed in self._ends if at > now - RECENT]

    def _half(self, now: float) -> bool:
        recent = self._recent(now)
        return len(recent) >= AT_LEAST and 2 * sum(recent) >= len(recent)
