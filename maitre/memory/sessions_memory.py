"""The in-memory twin of the sessions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from maitre.memory.session import Session, SessionTurn


class MemorySessions:
    """Sessions in dictionaries, by account and id; turns with the time of their deletion."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Session] = {}
        self._turns: dict[tuple[str, str], list[tuple[SessionTurn, datetime]]] = {}

    async def read(self, user_id: str, id: str, limit: int) -> tuple[Session, list[SessionTurn]] | None:
        session = self._sessions.get((user_id, id))
        if session is None:
            return None
        return session, [turn for turn, _ in self._turns[user_id, id][-limit:]]

    async def elsewhere(self, user_id: str, assistant: str, but: str, limit: int) -> list[SessionTurn]:
        chats = [
            key
            for key, one in self._sessions.items()
            if key[0] == user_id and one.assistant == assistant and one.browser and one.id != but
        ]
        turns = [turn for key in chats for turn, _ in self._turns[key]]
        return sorted(turns, key=lambda turn: (turn.at, turn.id))[-limit:]

    async def keep(
        self, user_id: str, session: Session, turn: SessionTurn, keep: int, delete_at: datetime, *, known: bool = False
    ) -> bool:
        key = user_id, session.id
        if known and key not in self._sessions:
            return False
        before = self._sessions.setdefault(key, session)
        if before.assistant != session.assistant:
            return False
        self._sessions[key] = replace(before, used_at=max(before.used_at, session.used_at))
        turns = self._turns.setdefault(key, [])
        places = [place for place, (one, _) in enumerate(turns) if one.id == turn.id]
        if places:
            turns[places[0]] = turn, delete_at
        else:
            turns.append((turn, delete_at))
        del turns[:-keep]
        return True

    async def of(
        self, user_id: str, limit: int, after: str | None, assistants: Collection[str] | None
    ) -> list[Session] | None:
        mine = [one for (owner, _), one in self._sessions.items() if owner == user_id]
        mine.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        if after is not None:
            places = [place for place, one in enumerate(mine) if one.id == after]
            if not places:
                return None
            mine = mine[places[0] + 1 :]
        return [one for one in mine if assistants is None or one.assistant in assistants][:limit]

    async def drop(self, user_id: str, id: str) -> bool:
        self._turns.pop((user_id, id), None)
        return self._sessions.pop((user_id, id), None) is not None

    async def forget(self, now: datetime) -> int:
        count = 0
        for key, turns in list(self._turns.items()):
            left = [(turn, delete_at) for turn, delete_at in turns if delete_at >= now]
            count += len(turns) - len(left)
            self._turns[key] = left
            if not left:
                await self.drop(*key)
        return count
