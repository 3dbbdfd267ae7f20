"""A session: turns of one account with one assistant, in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: What a client may call a session: it stands in a path and in a header as it is.
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~:@+=-]{0,127}")


@dataclass(frozen=True, slots=True)
class Session:
    """One session of an account. `browser`: it is one of the browser's chats. `summary`: of its older turns, if
    made."""

    id: str
    assistant: str  # the slug
    created_at: datetime
    used_at: datetime
    browser: bool = False
    summary: str = ""


@dataclass(frozen=True, slots=True)
class SessionTurn:
    """What a guest said and what was answered: messages of the OpenAI API, with text only."""

    id: str  # the turn's
    at: datetime
    messages: tuple[Mapping[str, Any], ...]


def is_id(text: object) -> bool:
    """Whether a client may call a session so."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def of_chat(assistant: str, chat_id: str) -> str:
    """The id of the session that is a chat of the browser."""
    return f"chat:{assistant}:{chat_id}"
