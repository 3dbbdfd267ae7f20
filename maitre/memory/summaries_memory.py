"""The in-memory twin of the summaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from maitre.memory.sessions_memory import KeptSummary, MemorySessions
from maitre.memory.summaries import MOST, Fold, staying


class MemorySummaries:
    """Looks into the sessions of the twin."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def begin(self, user_id: str, session_id: str, load: int, now: datetime, until: datetime) -> Fold | None:
        key = user_id, session_id
        session = self._sessions.sessions.get(key)
        if session is None:
            return None
        known = self._sessions.summaries.setdefault(key, KeptSummary())
        left = [one for one in self._sessions.turns[key] if one.number > known.since]
        if len(left) <= load or (known.until is not None and known.until > now):
            return None
        known.until = until
        turns = tuple((one.number, one.delete_at, one.turn) for one in left[: len(left) - staying(load)][:MOST])
        return Fold(user_id, session_id, session.created_at, session.summary, known.since, until, turns)

    async def end(self, fold: Fold, summary: str, count: int) -> bool:
        known = self._mine(fold)
        if known is None:
            return False
        key = fold.user_id, fold.session_id
        ends = [delete_at for _, delete_at, _ in fold.turns[:count]]
        known.delete_at = min([*ends, known.delete_at or ends[0]])
        known.since, known.until = fold.turns[count - 1][0], None
        self._sessions.sessions[key] = replace(self._sessions.sessions[key], summary=summary)
        return True

    async def put_off(self, fold: Fold, until: datetime) -> None:
        if (known := self._mine(fold)) is not None:
            known.until = until

    def _mine(self, fold: Fold) -> KeptSummary | None:
        key = fold.user_id, fold.session_id
        session, known = self._sessions.sessions.get(key), self._sessions.summaries.get(key)
        same = session is not None and session.created_at == fold.created_at
        return known if same and known is not None and (known.since, known.until) == (fold.since, fold.until) else None
