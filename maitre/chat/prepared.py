"""A request that is understood and sized, but not yet admitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.chat.grounded import Grounded
from maitre.chat.message import Message, TurnRequest
from maitre.chat.recalled import Recalled
from maitre.chat.sources import Sources
from maitre.knowledge.passage import Reader
from maitre.providers.provider import Model
from maitre.quota.plan import Plan


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a turn knows before it asks for a place. Sizes are in tokens, but for `weight`."""

    request: TurnRequest
    account: Account
    plan: Plan
    assistant: Assistant | None
    model: Model
    body: dict[str, Any]
    kind: str  # turn | task | repair | fallback
    turn_id: str
    weight: int  # UTF-8 bytes of text in the prompt
    extra: int  # tokens of the prompt that are not text: the template's, images
    prompt_tokens: int
    max_tokens: int
    record: str
    streamed: bool = True
    others: tuple[Model, ...] = ()  # to be asked instead when this one fails before anything was shown
    tries: int = 1  # calls of this model so far, with the one that is being made
    repeated: bool = False  # whether it is asked again because a call failed; then it is no further request
    request_id: str = ""  # of its first upstream call, where the turn's own id can be that; of later ones a new one
    variant: str = ""  # which way of an A/B split the turn went
    recalled: Recalled | None = None  # its session, where the assistant remembers
    groups: tuple[str, ...] = ()  # the guest's
    grounded: Grounded | None = None  # what was found for it, where the assistant has knowledge
    sources: Sources = field(default_factory=Sources)  # what its guest is told of that
    tools: Mapping[str, Any] = field(default_factory=dict)  # the body's fields for tools that the house runs
    said: tuple[Message, ...] = ()  # what the model asked of them in this turn, and their answers

    def again(self, **changes: Any) -> Prepared:
        """The same turn's next upstream call."""
        return replace(self, request_id="", **changes)

    @property
    def answer_id(self) -> str:
        """The id in the answer."""
        return f"chatcmpl-{self.turn_id}"

    @property
    def reader(self) -> Reader:
        """On whose behalf knowledge is looked into."""
        slug = self.assistant.slug if self.assistant else ""
        key = self.request.key.id if self.request.key else ""
        return Reader(self.account.user_id, self.account.email, self.groups, slug, self.turn_id, key, self.record)

    @property
    def name(self) -> str:
        """What the guest calls it."""
        return self.assistant.name if self.assistant else self.model.name

    @property
    def checked(self) -> bool:
        """Whether the answer is held until it is valid JSON."""
        return self.assistant is not None and self.assistant.json_answer and self.kind != "task"
