"""The running summaries of sessions: what is to be summed up next, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from maitre.memory.session import SessionTurn

#: Turns that are folded at once.
MOST = 40


@dataclass(frozen=True, slots=True)
class Fold:
    """Turns of a session that are to be folded into its summary, the oldest first, each with its place and the time of
    its deletion. `since`: the place of the newest one that the summary has; `until`: how long nobody else is at it."""

    user_id: str
    session_id: str
    created_at: datetime
    summary: str
    since: int
    until: datetime
    turns: tuple[tuple[int, datetime, SessionTurn], ...]


class Summaries(Protocol):
    """The summaries of a house's sessions. All methods raise StoreDown."""

    async def begin(self, user_id: str, session_id: str, load: int, now: datetime, until: datetime) -> Fold | None:
        """What is to be folded as soon as a turn that is older than the newest `load` is in no summary: all turns but
        the newest half of `load`, at most MOST. None when there is nothing to do, and while somebody else is at it."""

    async def end(self, fold: Fold, summary: str, count: int) -> bool:
        """Put the summary, with the first `count` of the turns folded into it, in place of the one before. False when
        the session was deleted, or its summary forgotten, meanwhile: then nothing is kept."""

    async def put_off(self, fold: Fold, until: datetime) -> None:
        """Leave the summary as it is, and let nobody try before that moment."""


def staying(load: int) -> int:
    """How many of a session's newest turns are left out of its summary when it is made."""
    return load - max(1, load // 2)
