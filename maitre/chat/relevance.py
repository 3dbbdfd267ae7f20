"""Older turns that are like what the guest says now: looked for beside the read of the newest ones, within the same
time.

The index tells ids, the words come from where the turns are kept. Whatever goes wrong, the turn goes on without them
and says so (`X-Memory: partial`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence

from maitre.chat.message import Message
from maitre.chat.outlook import Outlook
from maitre.chat.prepared import Prepared
from maitre.errors import KnowledgeDown, StoreDown
from maitre.memory.memory import Memory
from maitre.memory.session import Session, SessionTurn
from maitre.memory.sessions import Sessions
from maitre.memory.turn_index import TurnIndex, question_of

log = logging.getLogger(__name__)

#: Sessions that are known to have nothing older than their newest turns: nothing is looked for, and no embedding paid.
SHORT = 10_000


class Relevance:
    """Looks for older turns. One for a process. `index` is None in a house without a RAG service."""

    def __init__(self, sessions: Sessions, index: TurnIndex | None, outlook: Outlook) -> None:
        self.sessions, self.index, self._outlook = sessions, index, outlook
        self._short: OrderedDict[tuple[str, str], None] = OrderedDict()

    def looking(self, prepared: Prepared, memory: Memory, session: Session, talk: Sequence[Message]) -> Looking:
        """Begin to look, where there may be something."""
        question = question_of(talk)
        key = prepared.account.user_id, session.id
        if self.index is None or not memory.relevant or not question or key in self._short:
            return Looking(self, prepared, memory, session, None)
        finding = asyncio.create_task(self._find(self.index, prepared, memory, session, question))
        return Looking(self, prepared, memory, session, finding)

    async def _find(
        self, index: TurnIndex, prepared: Prepared, memory: Memory, session: Session, question: str
    ) -> list[str]:
        await self._outlook.check(prepared)
        key = prepared.request.key
        return await index.find(
            prepared.account.user_id,
            session,
            question,
            memory.relevant + memory.load,
            turn_id=prepared.turn_id,
            key_id=key.id if key is not None else "",
        )

    def note(self, user_id: str, session: Session, *, short: bool) -> None:
        """Whether the session has nothing older than its newest turns, so that nothing need be looked for next time."""
        key = user_id, session.id
        self._short.pop(key, None)
        if short:
            self._short[key] = None
            if len(self._short) > SHORT:
                self._short.popitem(last=False)


class Looking:
    """One search, under way or not."""

    def __init__(
        self,
        relevance: Relevance,
        prepared: Prepared,
        memory: Memory,
        session: Session,
        finding: asyncio.Task[list[str]] | None,
    ) -> None:
        self._relevance, self._prepared, self._memory, self._session = relevance, prepared, memory, session
        self._finding = finding

    async def beyond(self, newest: Sequence[SessionTurn], there: bool, until: float) -> list[SessionTurn]:
        """The turns found that are not among the newest, the likest first; none when the loop's time is `until`.
        `there`: whether there is such a session at all."""
        user_id, ids = self._prepared.account.user_id, {turn.id for turn in newest}
        short = len(newest) < self._memory.load
        if not self._session.browser:  # there the other chats may grow meanwhile
            self._relevance.note(user_id, self._session, short=short)
        if self._finding is None or not there or (short and not self._session.browser):
            return []
        try:
            async with asyncio.timeout_at(until):
                found = [id for id in await self._finding if id not in ids]
                turns = await self._relevance.sessions.those(user_id, self._session, found) if found else []
        except (KnowledgeDown, StoreDown, TimeoutError) as down:
            log.warning("A turn goes on without its older turns: %s", str(down) or "they are not found in time")
            self._prepared.request.notes["X-Memory"] = "partial"
            return []
        return sorted(turns, key=lambda turn: found.index(turn.id))

    def over(self) -> None:
        """Whatever became of it, nobody waits for it any more."""
        if self._finding is not None:
            self._finding.cancel()
            self._finding.add_done_callback(lambda done: done.cancelled() or done.exception())
