"""What the tests of turns with a memory share: assistants that remember, and looks at what they did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maitre.assistants.assistant import Assistant
from maitre.chat.message import TurnRequest
from maitre.memory.memory import Memory
from tests.maitre.chat.kitchen import COACH, SMALL, Kitchen

REMEMBERING = replace(COACH, memory=Memory())


def asked(kitchen: Kitchen, text: str = "Hello", *, session: str | None = "s1", **how: Any) -> TurnRequest:
    """A request with a session's id."""
    return replace(kitchen.request(text, **how), session_id=session)


async def answer(kitchen: Kitchen, text: str = "Hello", **how: Any) -> dict[str, Any]:
    """A whole answer, and everything settled."""
    request = asked(kitchen, text, **how)
    try:
        return await kitchen.turns.answer(request)
    finally:
        await kitchen.settled()


def sent(kitchen: Kitchen) -> list[str]:
    """The texts that went upstream with the last call, after the system prompt."""
    _, *talk = kitchen.model.calls[-1][1]["messages"]
    return [message["content"] for message in talk]


async def stored(kitchen: Kitchen, id: str = "s1", user: str = "u1") -> list[list[str]]:
    """The texts of a session's turns."""
    found = await kitchen.sessions.read(user, id, 100)
    return [] if found is None else [[one["content"] for one in turn.messages] for turn in found[1]]


def remember(kitchen: Kitchen, assistant: Assistant = REMEMBERING, **context: int) -> None:
    """Offer an assistant with a memory."""
    kitchen.registry.offer(assistant)
    if context:
        kitchen.models["small"] = replace(SMALL, **context)  # type: ignore[arg-type]
