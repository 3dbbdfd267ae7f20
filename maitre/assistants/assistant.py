"""An assistant: a persona over a model, as the operator wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from maitre.assistants.variable import Variable, filled
from maitre.knowledge.wish import KnowledgeWish
from maitre.known import known
from maitre.memory.memory import Memory
from maitre.routing.routing import Routing

#: Request parameters that an operator can let a client set on an assistant (names of the OpenAI API).
OVERRIDABLE = (
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
)


@dataclass(frozen=True, slots=True)
class Assistant:
    """One assistant.

    `plans` empty means every plan. `type` is "chat" (the whole conversation goes upstream), "one-shot" (only the
    guest's last message), or "router" (without a model of its own: its `routing` says who answers). With `json_answer`
    the answer is held until it is valid JSON, against `json_schema` when there is one.
    """

    slug: str
    name: str
    model: str
    prompt: str
    description: str = ""
    tone: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    type: str = "chat"
    json_answer: bool = False
    json_schema: Mapping[str, object] | None = None
    enabled: bool = True
    plans: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ("max_tokens", "stop")
    tools: bool = False
    language: str | None = None
    record: str = "full"
    limits: Mapping[str, int] = field(default_factory=dict)  # of all its guests together, by names of WINDOWS
    memory: Memory | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)  # what stands as {{name}} in the prompt
    server_tools: tuple[str, ...] = ()  # tools that the house runs for it: `calculator`, `crm.findCustomer`
    tool_rounds: int = 5  # how often in a turn the model may ask for them
    routing: Routing | None = None
    examples: tuple[str, ...] = ()  # questions that it is for; a router compares a guest's with them
    knowledge: KnowledgeWish | None = None

    def open_to(self, plan: str) -> bool:
        """Whether a guest on this plan may use the assistant."""
        return self.enabled and (not self.plans or plan in self.plans)

    def filled(self, given: object) -> Assistant:
        """The assistant with the client's values in its prompt. Raises BadRequest."""
        if not self.variables and not given:
            return self
        return replace(self, prompt=filled(self.prompt, self.variables, given))

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Assistant:
        told = known(cls, value)
        for name in ("plans", "overrides", "server_tools", "examples"):
            told[name] = tuple(told.get(name) or ())
        told["memory"] = Memory.from_json(told.get("memory"))
        variables = (told.get("variables") or {}).items()
        told["variables"] = {name: Variable(**known(Variable, one)) for name, one in variables}
        if told.get("routing"):
            told["routing"] = Routing.from_json(told["routing"])
        if told.get("knowledge"):
            told["knowledge"] = KnowledgeWish.from_json(told["knowledge"])
        return cls(**told)
