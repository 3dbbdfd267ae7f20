"""Where sessions are. Each belongs to one account, so every question names the account: equal ids of two accounts are
two sessions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from maitre.memory.session import Session, SessionTurn


class Sessions(Protocol):
    """The sessions of a house. All methods raise StoreDown."""

    async def read(self, user_id: str, id: str, limit: int) -> tuple[Session, list[SessionTurn]] | None:
        """A session of the account and its newest turns, the newest last; None when there is none."""

    async def elsewhere(self, user_id: str, assistant: str, but: str, limit: int) -> list[SessionTurn]:
        """The newest turns of the account's other chats of the browser with the assistant, the newest last."""

    async def those(self, user_id: str, session: Session, ids: Collection[str]) -> list[SessionTurn]:
        """The turns of these ids, as far as they are there, in the order of their time: the session's, or for a chat of
        the browser those of the account's other chats with the assistant."""

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
        """Put a turn to the end of its session, which is made if there is none, and let only the newest `keep` stay; a
        turn that is there already is replaced in its place. `known`: the session was there when its turn began, so one
        that is gone was deleted meanwhile. False then, and when it is another assistant's. `index_at`: from when on the
        index of turns is to be told of it, if it is."""

    async def of(
        self, user_id: str, limit: int, after: str | None, assistants: Collection[str] | None
    ) -> list[Session] | None:
        """The account's sessions, the newest made first: those after the one of that id, of these assistants if any
        are named. None when there is no session `after`."""

    async def drop(self, user_id: str, id: str) -> bool:
        """Delete a session of the account with its turns; False when there is none."""

    async def forget(self, now: datetime) -> int:
        """Delete the turns that are past their retention, the sessions, and summaries with words that are; how many
        turns."""
