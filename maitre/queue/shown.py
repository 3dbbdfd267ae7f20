"""What a waiting guest is shown: a position that does not grow without a reason, and a time in steps."""

from __future__ import annotations

from dataclasses import dataclass

from maitre.queue.line import Waiting


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown last."""

    position: int
    eta: int | None  # seconds, rounded; 0 for less than 10
    clock: int  # the line's, then


def shown(before: Shown | None, now: Waiting) -> Shown:
    """What to show now. A position grows only when a heavier user has come before the guest since: others who are
    put before by their share (whoever asks for the first time goes before another's second request) are not shown."""
    position = now.position
    if before is not None and now.heavier <= before.clock:
        position = min(position, before.position)
    return Shown(position, None if now.eta is None else in_steps(now.eta), now.clock)


def in_steps(seconds: float) -> int:
    """Rounded as one would say it: tens of seconds, then minutes, five minutes, hours. 0 is less than 10 seconds."""
    if seconds < 10:
        return 0
    for below, step in ((55, 10), (570, 60), (3450, 300)):
        if seconds < below:
            return max(step, round(seconds / step) * step)
    return max(3600, round(seconds / 3600) * 3600)
