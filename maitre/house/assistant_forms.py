"""The forms of the front matter of `assistants/*.md`, as pydantic checks it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints, field_validator, model_validator

from maitre.assistants.assistant import OVERRIDABLE
from maitre.assistants.variable import NAME
from maitre.house.forms import Form, Language, LimitsForm, Name, Record, Slug
from maitre.routing.words import says_something

VariableName = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
Override = Literal[
    "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort"
]
assert set(get_args(Override)) == set(OVERRIDABLE)


class AssistantMemoryForm(Form):
    """`memory` of an assistant."""

    load: int | None = Field(None, ge=1, le=100)
    keep: int | None = Field(None, ge=1, le=1000)
    browser: bool = False
    relevant: int | None = Field(None, ge=0, le=20)
    summary: bool | None = None
    summary_tokens: int | None = Field(None, ge=50, le=4000)


class AssistantKnowledgeForm(Form):
    """`knowledge` of an assistant; a list is short for `collections`."""

    collections: list[Slug] = Field(min_length=1)
    passages: int = Field(5, ge=1, le=50)
    max_tokens: int = Field(1500, ge=50, le=100_000)
    rewrite: bool = False
    deadline_seconds: float = Field(3, gt=0, le=60)


class VariableForm(Form):
    """One of an assistant's `variables`."""

    description: str = ""
    default: str = ""
    required: bool = False
    max_length: int = Field(200, ge=1, le=10_000)


class AssistantForm(Form):
    """The front matter of `assistants/*.md`."""

    name: Name
    model: str
    slug: Slug | None = None
    description: str = ""
    tone: str = ""
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1)
    type: Literal["chat", "one-shot"] = "chat"
    json_answer: bool = False
    json_schema: dict[str, Any] | None = None
    enabled: bool = True
    plans: list[str] = []
    overrides: list[Override] = ["max_tokens", "stop"]
    tools: bool = False
    language: Language | None = None
    record: Record = "full"
    limits: LimitsForm = LimitsForm()
    server_tools: list[str] = []
    tool_rounds: int = Field(5, ge=1, le=30)
    memory: AssistantMemoryForm | None = None
    knowledge: AssistantKnowledgeForm | None = None
    variables: dict[VariableName, VariableForm] = {}
    examples: list[Annotated[str, StringConstraints(min_length=1, max_length=2000)]] = []

    @field_validator("memory", mode="before")
    @classmethod
    def _memory(cls, value: object) -> object:
        return {} if value is True else None if value is False else value

    @field_validator("knowledge", mode="before")
    @classmethod
    def _knowledge(cls, value: object) -> object:
        return {"collections": value} if isinstance(value, list) else value


class WayForm(Form):
    """One way of a router's `split`."""

    assistant: str
    weight: int = Field(1, ge=1, le=1000)


class RouteForm(Form):
    """One of a router's `routes`: its conditions, and an assistant or a split."""

    contains: list[Annotated[str, StringConstraints(max_length=200)]] = []
    plans: list[str] = []
    groups: list[str] = []
    languages: list[Language] = []
    assistant: str | None = None
    split: dict[Slug, WayForm] | None = None

    @field_validator("contains")
    @classmethod
    def _words(cls, value: list[str]) -> list[str]:
        if empty := [phrase for phrase in value if not says_something(phrase)]:
            raise ValueError(f"“{empty[0]}” is no word")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> RouteForm:
        if (self.assistant is None) == (not self.split):
            raise ValueError("needs either an assistant or a split")
        return self


class SimilarForm(Form):
    """`similar` of a router; a list is short for `assistants`."""

    assistants: list[str] = Field(min_length=2)
    margin: float = Field(0.02, ge=0, le=1)


class RouterForm(Form):
    """The front matter of an assistant with `type: router`."""

    name: Name
    type: Literal["router"]
    default: str
    slug: Slug | None = None
    description: str = ""
    enabled: bool = True
    plans: list[str] = []
    routes: list[RouteForm] = []
    similar: SimilarForm | None = None

    @field_validator("similar", mode="before")
    @classmethod
    def _similar(cls, value: object) -> object:
        return {"assistants": value} if isinstance(value, list) else value
