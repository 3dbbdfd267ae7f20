"""The values of a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maitre.accounts.account import Arrived
from maitre.chat.text import clean
from maitre.keys.key import Key

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Guest:
    """Who asks, by the Open WebUI user id. `arrived`: the account, where the door has just read it."""

    user_id: str
    email: str
    name: str
    arrived: Arrived | None = None


def guest_of(user: Mapping[str, Any], arrived: Arrived | None = None) -> Guest:
    """Somebody as Open WebUI tells it (`id`, `email`, `name`); names may hold anything, database columns may not."""
    id, email, name = (clean(str(user.get(field) or ""))[:300] for field in ("id", "email", "name"))
    return Guest(id, email, name, arrived)


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
    public: bool = False  # whether a client of the public API asks, and not Open WebUI for a chat of its own
    session_id: str | None = None  # the client's word for its session; "": none yet; None: the door knows no sessions
    notes: dict[str, str] = field(default_factory=dict)  # headers that the turn adds to its answer, until that begins
    groups: tuple[str, ...] = ()  # Open WebUI's groups of the guest, as its connection tells them
    house: bool = False  # the house's own RAG service asks for the guest
    turn_id: str = ""  # then: the turn of which this is a part
    record: str = "full"  # the most that may be recorded of it, whatever the house, the plan and the assistant allow

    @property
    def strict(self) -> bool:
        """Whether the answer has to be as OpenAI's would."""
        return self.public or self.key is not None

    @property
    def tells_usage(self) -> bool | None:
        """Whether a stream tells its usage, in one event at its end. A strict one does when it is asked to; None: Open
        WebUI's gets what the upstream tells."""
        if not self.strict:
            return None
        options = self.params.get("stream_options")
        return isinstance(options, Mapping) and options.get("include_usage") is True

    @property
    def variables(self) -> object:
        """What the client says for the variables of an assistant's prompt. Open WebUI means others by that word."""
        return self.params.get("variables") or {} if self.stamp is None and self.kind == "turn" else {}

    @property
    def door(self) -> str:
        """Which way the guest came: through the house's RAG service, with an API key at the gateway, the browser, Open
        WebUI's API, or its bare pass-through. A task without a stamp comes from the browser if it names a chat."""
        if self.house:
            return "rag"
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
