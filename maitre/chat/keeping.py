"""A turn put into its session when it is over: off the guest's path, bounded and never fatal. What cannot be kept is
forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from maitre.chat.prepared import Prepared
from maitre.chat.recalled import Recalled
from maitre.errors import StoreDown
from maitre.faults import outline
from maitre.memory.fitting import newest
from maitre.memory.hearing import Hearing
from maitre.memory.session import SessionTurn
from maitre.memory.sessions import Sessions

log = logging.getLogger(__name__)

#: Turns that may be being kept at once; a further one is forgotten.
MOST = 1000

#: Characters of one turn that are kept: of a longer one its last messages.
LARGEST = 256 * 1024


class Keeping:
    """Keeps turns in the background, those of one session in their order. One for a process. `indexed`: whether turns
    of memories by relevance are put down for the index. `kept` hears of each turn that was kept."""

    def __init__(
        self, sessions: Sessions, retention: timedelta, *, indexed: bool, kept: Callable[[Prepared, Recalled], None]
    ) -> None:
        self._sessions, self._retention = sessions, retention
        self._indexed, self._told = indexed, kept
        self._last: dict[tuple[str, str], asyncio.Task[None]] = {}  # by account and session
        self._tasks: set[asyncio.Task[None]] = set()

    async def done(self, user_id: str, session_id: str) -> None:
        """Wait until nothing of the session is being kept in this process: a client that asks again as soon as it was
        answered finds its last turn."""
        if (last := self._last.get((user_id, session_id))) is not None:
            await asyncio.wait({last})

    def told(self, prepared: Prepared, whole: dict[str, Any]) -> dict[str, Any]:
        """A whole answer with its session's id; it is kept."""
        if (recalled := prepared.recalled) is None:
            return whole
        hearing = Hearing()
        hearing.hear(whole)
        self.keep(prepared, recalled, hearing)
        return {**whole, "session_id": recalled.shown} if recalled.shown else whole

    def keep(self, prepared: Prepared, recalled: Recalled, hearing: Hearing) -> None:
        """Keep a turn, if anything was answered."""
        answer = hearing.message
        if answer is None:
            return
        messages = newest([*recalled.talk, answer], LARGEST)
        if not messages or len(self._tasks) >= MOST:
            log.warning("The turn %s is not remembered: it is too long, or too many are being kept.", prepared.turn_id)
            return
        turn = SessionTurn(prepared.turn_id, recalled.session.used_at, messages)
        key = prepared.account.user_id, recalled.session.id
        task = asyncio.create_task(self._keep(prepared, recalled, turn, self._last.get(key)))
        self._last[key] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._kept(key, done))

    async def _keep(
        self, prepared: Prepared, recalled: Recalled, turn: SessionTurn, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            delete_at = turn.at + self._retention
            user_id, session, memory = prepared.account.user_id, recalled.session, recalled.memory
            index_at = turn.at if self._indexed and memory.relevant else None
            if await self._sessions.keep(
                user_id, session, turn, memory.keep, delete_at, known=recalled.known, index_at=index_at
            ):
                self._told(prepared, recalled)
            else:
                log.warning("The turn %s is not remembered: its session was deleted, or is another's.", turn.id)
        except StoreDown as down:
            log.warning("The turn %s is not remembered: %s", turn.id, down)

    def _kept(self, key: tuple[str, str], done: asyncio.Task[None]) -> None:
        self._tasks.discard(done)
        if self._last.get(key) is done:
            del self._last[key]
        if not done.cancelled() and (fault := done.exception()) is not None:
            log.error("A turn could not be remembered: %s", outline(fault))

    async def drain(self, seconds: float) -> None:
        """Wait for what is being kept, so long."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
