"""The in-memory twin of the sessions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from maitre.memory.session import Session, SessionTurn

Key = tuple[str, str]


@dataclass(slots=True)
class KeptTurn:
    """A turn at its place in its session."""

    turn: SessionTurn
    number: int
    delete_at: datetime
    indexed: bool
    index_at: datetime | None


@dataclass(slots=True)
class KeptSummary:
    """How far a session is summed up."""

    since: int = 0
    delete_at: datetime | None = None
    until: datetime | None = None


@dataclass(slots=True)
class GoneTurn:
    """A turn that the index may still have."""

    user_id: str
    turn_id: str
    at: datetime | None = None  # when it was first asked for: this store has no clock
    next_at: datetime | None = None


class MemorySessions:
    """Sessions in dictionaries, by account and id; the twins of indexing and of summaries look into them."""

    def __init__(self) -> None:
        self.sessions: dict[Key, Session] = {}
        self.turns: dict[Key, list[KeptTurn]] = {}
        self.summaries: dict[Key, KeptSummary] = {}
        self.gone: dict[int, GoneTurn] = {}
        self._count = 0

    async def read(self, user_id: str, id: str, limit: int) -> tuple[Session, list[SessionTurn]] | None:
        session = self.sessions.get((user_id, id))
        if session is None:
            return None
        return session, [one.turn for one in self.turns[user_id, id][-limit:]]

    async def elsewhere(self, user_id: str, assistant: str, but: str, limit: int) -> list[SessionTurn]:
        chats = [
            key
            for key, one in self.sessions.items()
            if key[0] == user_id and one.assistant == assistant and one.browser and one.id != but
        ]
        turns = [one.turn for key in chats for one in self.turns[key]]
        return sorted(turns, key=lambda turn: (turn.at, turn.id))[-limit:]

    async def those(self, user_id: str, session: Session, ids: Collection[str]) -> list[SessionTurn]:
        if session.browser:
            found = await self.elsewhere(user_id, session.assistant, session.id, 1_000_000)
        else:
            found = [one.turn for one in self.turns.get((user_id, session.id), ())]
        return [turn for turn in found if turn.id in ids]

    async def keep(
        self,
        user_id: str,
        session: Session,
        turn: SessionTurn,
        keep: int,
        delete_at: datetime,
        *,
        known: bool = False,
        index_at: datetime | None = None,
    ) -> bool:
        key = user_id, session.id
        if known and key not in self.sessions:
            return False
        before = self.sessions.setdefault(key, session)
        if before.assistant != session.assistant:
            return False
        self.sessions[key] = replace(before, used_at=max(before.used_at, session.used_at))
        turns = self.turns.setdefault(key, [])
        places = [place for place, one in enumerate(turns) if one.turn.id == turn.id]
        if places:
            old = turns[places[0]]
            turns[places[0]] = KeptTurn(turn, old.number, delete_at, old.indexed or index_at is not None, index_at)
        else:
            number = turns[-1].number + 1 if turns else 1
            turns.append(KeptTurn(turn, number, delete_at, index_at is not None, index_at))
        self._gone(user_id, turns[:-keep])
        del turns[:-keep]
        return True

    async def of(
        self, user_id: str, limit: int, after: str | None, assistants: Collection[str] | None
    ) -> list[Session] | None:
        mine = [replace(one, summary="") for (owner, _), one in self.sessions.items() if owner == user_id]
        mine.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        if after is not None:
            places = [place for place, one in enumerate(mine) if one.id == after]
            if not places:
                return None
            mine = mine[places[0] + 1 :]
        return [one for one in mine if assistants is None or one.assistant in assistants][:limit]

    async def drop(self, user_id: str, id: str) -> bool:
        self._gone(user_id, self.turns.pop((user_id, id), ()))
        self.summaries.pop((user_id, id), None)
        return self.sessions.pop((user_id, id), None) is not None

    async def forget(self, now: datetime) -> int:
        count = 0
        for key, turns in list(self.turns.items()):
            left = [one for one in turns if one.delete_at >= now]
            self._gone(key[0], [one for one in turns if one.delete_at < now])
            count += len(turns) - len(left)
            self.turns[key] = left
            if not left:
                await self.drop(*key)
        for key, summary in list(self.summaries.items()):
            if summary.delete_at is not None and summary.delete_at < now:
                del self.summaries[key]
                self.sessions[key] = replace(self.sessions[key], summary="")
        return count

    def _gone(self, user_id: str, turns: Iterable[KeptTurn]) -> None:
        for one in turns:
            if one.indexed:
                self._count += 1
                self.gone[self._count] = GoneTurn(user_id, one.turn.id)
