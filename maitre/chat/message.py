"""The values of a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maitre.keys.key import Key

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Guest:
    """Who asks, by the Open WebUI user id."""

    user_id: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an inlet hands to the pipe, signed: facts about the turn that a guest could otherwise forge."""

    user_id: str
    model: str
    turn_id: str
    expires: int  # seconds since the epoch
    kind: str = "turn"  # turn | task
    task: str = ""  # title_generation, tags_generation, …
    chat_id: str = ""
    browser: bool = False
    language: str = ""
    zone: str = ""  # the guest's own time zone
    refusal: str = ""  # the sentence of a turn that was refused before it came to us
    refusal_status: int = 0


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """One call of a door: a guest, a public model id, the messages, and the client's parameters."""

    guest: Guest
    model: str  # assistants.<slug> or models.<id>
    messages: Sequence[Message]
    params: Mapping[str, Any]
    stamp: Stamp | None = None
    id: str = ""  # the turn's, as the door told it to the client; a stamp's own goes before it
    key: Key | None = None  # the API key that asks
    address: str = ""  # the client's, where the door knows it
    chat_id: str = ""  # a session's or a chat's, for display; a stamp's own goes before it
    kind: str = "turn"  # turn | task; a stamp's own goes before it

    @property
    def door(self) -> str:
        """Which way the guest came: an API key at the gateway, the browser, Open WebUI's API, or its bare OpenAI
        pass-through. A task without a stamp comes from the browser if it names a chat."""
        if self.key is not None:
            return "gateway"
        if self.stamp is None:
            return "openai" if self.kind == "turn" else "browser" if self.chat_id else "api"
        return "browser" if self.stamp.browser else "api"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one upstream call. `estimated`: counted by us, because the upstream sent none."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False

    def to_openai(self) -> dict[str, int]:
        """The `usage` object of the OpenAI API."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }
