"""What the index of turns is still to be told: turns that were kept, and turns that are gone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from maitre.memory.session import Session, SessionTurn


@dataclass(frozen=True, slots=True)
class Untold:
    """A turn that the index does not have yet. `until`: how long nobody else tells it."""

    user_id: str
    session: Session
    turn: SessionTurn
    until: datetime


@dataclass(frozen=True, slots=True)
class Gone:
    """A turn that is deleted, and that the index may still have."""

    number: int
    user_id: str
    turn_id: str


class Indexing(Protocol):
    """The list of what is to be told. All methods raise StoreDown."""

    async def untold(self, now: datetime, until: datetime, limit: int) -> list[Untold]:
        """Turns whose time has come, the oldest first; until that moment they are nobody else's to tell."""

    async def told(self, one: Untold) -> None:
        """The index has the turn; unless it was changed or taken by somebody else meanwhile, that is all."""

    async def gone(self, now: datetime, until: datetime, limit: int) -> list[Gone]:
        """Deleted turns whose time has come, in the same way."""

    async def forgotten(self, numbers: Collection[int], before: datetime, again: datetime) -> None:
        """The index was told to forget these. Those that were deleted before that moment are done with; for the others
        it is told once more, at `again`: somebody may just have been telling it of them."""
