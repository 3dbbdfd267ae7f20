"""The in-memory twin of what the index of turns is still to be told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from maitre.memory.indexing import Gone, Untold
from maitre.memory.sessions_memory import MemorySessions


class MemoryIndexing:
    """Looks into the sessions of the twin. A turn is gone when somebody first asks: there is no clock here."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def untold(self, now: datetime, until: datetime, limit: int) -> list[Untold]:
        found: list[Untold] = []
        for key, turns in self._sessions.turns.items():
            for one in turns:
                if one.index_at is not None and one.index_at <= now and len(found) < limit:
                    one.index_at = until
                    found.append(Untold(key[0], self._sessions.sessions[key], one.turn, until))
        return found

    async def told(self, one: Untold) -> None:
        for kept in self._sessions.turns.get((one.user_id, one.session.id), ()):
            if kept.turn.id == one.turn.id and kept.index_at == one.until:
                kept.index_at = None

    async def gone(self, now: datetime, until: datetime, limit: int) -> list[Gone]:
        found: list[Gone] = []
        for number, one in self._sessions.gone.items():
            one.at = one.at or now
            if (one.next_at is None or one.next_at <= now) and len(found) < limit:
                one.next_at = until
                found.append(Gone(number, one.user_id, one.turn_id))
        return found

    async def forgotten(self, numbers: Collection[int], before: datetime, again: datetime) -> None:
        for number in numbers:
            one = self._sessions.gone.get(number)
            if one is not None and one.at is not None and one.at <= before:
                del self._sessions.gone[number]
            elif one is not None:
                one.next_at = again
