"""How long a job waits before it is tried again. Pure."""

from __future__ import annotations

import math

LONGEST = 300  # seconds between two attempts that nobody prescribed
#: An upstream that wants more seconds than these is out of reach: a used-up month is no reason to wait in a queue.
PATIENCE = 3600


def pause(attempt: int, last: int, wanted: float | None = None) -> int | None:
    """Whole seconds until the next attempt after the `attempt`-th (from 1); None: `attempt` was the last, or what the
    upstream wants (`wanted`, its Retry-After) is too long."""
    if attempt >= last or (wanted is not None and wanted > PATIENCE):
        return None
    grown = min(LONGEST, 2 ** min(attempt, 20))
    return max(1, math.ceil(wanted)) if wanted is not None else grown
