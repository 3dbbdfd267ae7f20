"""The twin of the index of turns: turns that share words with a question are like it."""

from __future__ import annotations

import re
from collections.abc import Collection

from maitre.memory.session import Session, SessionTurn
from maitre.memory.turn_index import text_of


class MemoryTurnIndex:
    """Words of turns, by account and id, with their session."""

    def __init__(self) -> None:
        self._turns: dict[str, dict[str, tuple[Session, set[str]]]] = {}

    async def put(self, user_id: str, session: Session, turn: SessionTurn) -> bool:
        self._turns.setdefault(user_id, {})[turn.id] = session, _words(text_of(turn))
        return True

    async def find(
        self, user_id: str, session: Session, question: str, limit: int, *, turn_id: str = "", key_id: str = ""
    ) -> list[str]:
        wanted, found = _words(question), list[tuple[int, str]]()
        for id, (one, words) in self._turns.get(user_id, {}).items():
            others = one.browser and session.browser and one.assistant == session.assistant and one.id != session.id
            if others or (not session.browser and one.id == session.id):
                found.append((len(words & wanted), id))
        return [id for count, id in sorted(found, key=lambda one: -one[0]) if count][:limit]

    async def forget(self, user_id: str, turns: Collection[str]) -> None:
        for id in turns:
            self._turns.get(user_id, {}).pop(id, None)


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w+", text)}
