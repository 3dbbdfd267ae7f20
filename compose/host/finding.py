"""What a look at something found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: what was looked at, whether it is well, what was seen, and what to do if it is not.

    A finding that is well may have a remedy too: then it is advice.
    """

    what: str
    ok: bool
    seen: str
    remedy: str = ""
