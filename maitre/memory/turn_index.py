"""The index of turns: which turns are most like a question. It finds ids only; words are read where the turns are kept,
so that what was deleted there is never told again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Protocol

from maitre.memory.session import Session, SessionTurn


class TurnIndex(Protocol):
    """Where turns are looked for by what they say: the RAG service, or its twin. All methods raise KnowledgeDown."""

    async def put(self, user_id: str, session: Session, turn: SessionTurn) -> bool:
        """Have the account's turn found from now on; the same again changes nothing. False when it will never be
        taken."""

    async def find(
        self, user_id: str, session: Session, question: str, limit: int, *, turn_id: str = "", key_id: str = ""
    ) -> list[str]:
        """The ids of the account's turns that are most like the question, the likest first: of the session, or for a
        chat of the browser of the account's other chats with the assistant. The question's embedding is the
        account's, in the turn `turn_id`, asked for with the API key `key_id` if with one."""

    async def forget(self, user_id: str, turns: Collection[str]) -> None:
        """Forget the account's turns of these ids."""


def collection_of(user_id: str) -> str:
    """The name of the account's collection."""
    return f"memory-{hashlib.sha256(user_id.encode('utf-8', 'replace')).hexdigest()[:40]}"


#: Characters of a message that are looked through: a long one says at its beginning and its end what it is about.
LONGEST = 4000


def text_of(turn: SessionTurn) -> str:
    """What is looked through of a turn: what the guest said and what was answered."""
    texts = [str(one.get("content") or "").strip() for one in turn.messages if one["role"] in ("user", "assistant")]
    return "\n\n".join(clipped(text, LONGEST) for text in texts if text)


def clipped(text: str, most: int) -> str:
    """The text's beginning and end, together at most so many characters and a mark."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"


def question_of(messages: Sequence[object]) -> str:
    """What is looked for before a turn: the guest's last message; empty when it has no text."""
    said = [one["content"] for one in messages if isinstance(one, dict) and one.get("role") == "user"]
    return clipped(str(said[-1]).strip(), LONGEST // 2) if said else ""
