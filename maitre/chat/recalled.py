"""What a turn knows of the session that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from maitre.chat.message import Message
from maitre.memory.memory import Memory
from maitre.memory.session import Session, SessionTurn


@dataclass(frozen=True, slots=True)
class Recalled:
    """A turn's session as it was read: its turns that the client's messages do not hold, and what is new in those.
    `taken`: how many of the turns go upstream, and `messages`: as how many messages. `read`: whether the store
    answered. `known`: whether the session was there. `earlier`: older turns that are like what the guest says, the
    likest first, and `summary`: of the older ones; `text`: what the system message tells of both."""

    memory: Memory
    session: Session
    turns: tuple[SessionTurn, ...] = ()
    talk: tuple[Message, ...] = ()
    taken: int = 0
    messages: int = 0
    read: bool = True
    known: bool = False
    earlier: tuple[SessionTurn, ...] = ()
    summary: str = ""
    text: str = ""

    @property
    def shown(self) -> str:
        """The id as the client gets it; a chat of the browser has its own."""
        return "" if self.session.browser else self.session.id

    @property
    def note(self) -> int | str:
        """What the trace says: how many turns went upstream."""
        return self.taken if self.read else "unavailable"
