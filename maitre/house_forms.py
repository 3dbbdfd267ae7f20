"""The forms of a house's files, as pydantic checks them. `maitre.settings` makes the nouns of what they hold."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model, field_validator

from maitre.assistants.assistant import OVERRIDABLE
from maitre.providers.provider import EMBEDDED
from maitre.quota.window import LARGEST, WINDOWS

#: One line that people read; Postgres holds no NUL, and a terminal no escape.
Name = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Language = Literal["en", "uk", "ru"]
Record = Literal["full", "metadata", "none"]
Role = Literal["admin", "priority", "tester", "user"]
Override = Literal[
    "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort"
]
assert set(get_args(Override)) == set(OVERRIDABLE)


class Form(BaseModel):
    """A section: an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Count = Annotated[int, Field(ge=0, le=LARGEST)]
Money = Annotated[Decimal, Field(ge=0, le=LARGEST // 10**9, decimal_places=9)]

if TYPE_CHECKING:
    LimitsForm = Form
else:
    #: One optional field for every window, so that a new window is a setting without another line.
    LimitsForm = create_model(
        "LimitsForm",
        __base__=Form,
        **{name: ((Money if window.resource == "money" else Count) | None, None) for name, window in WINDOWS.items()},
    )


def limits_in(form: Form) -> dict[str, int]:
    """The limits that were set, by the names of WINDOWS; money in 10⁻⁹ of the currency."""
    written = {name: getattr(form, name) for name in WINDOWS}
    return {
        name: int(value * 10**9) if isinstance(value, Decimal) else value
        for name, value in written.items()
        if value is not None
    }


class ModelForm(Form):
    """One of a provider's `models`."""

    name: Name | None = None
    upstream: str | None = None
    context: int | None = Field(None, gt=0)
    tools: bool = True
    limits: LimitsForm = LimitsForm()


class ProviderForm(Form):
    """One of `providers`."""

    kind: Literal["openai", "llama_cpp", "vllm", "ollama", "openrouter", "litellm"]
    base_url: str
    api_key: str | None = None
    max_concurrent: int | None = Field(None, ge=1)
    max_tokens_in_flight: int | None = Field(None, ge=1)
    max_waiting_per_user: int = Field(4, ge=1)
    max_wait_seconds: int = Field(300, ge=1)
    limits: LimitsForm = LimitsForm()
    models: dict[str, ModelForm]

    @field_validator("base_url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value != EMBEDDED and not re.match(r"^https?://[^\s/]+", value):
            raise ValueError("must be “embedded” or an http(s) URL that ends before /chat/completions")
        return value.rstrip("/")


class PriceForm(Form):
    """One of `prices.models`."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)


class PricesForm(Form):
    """`prices`."""

    version: str
    models: dict[str, PriceForm] = {}

    @field_validator("version", mode="before")
    @classmethod
    def _text(cls, value: object) -> str:
        return str(value)  # YAML reads 2026-11-01 as a date


class PlanForm(LimitsForm):
    """One of `plans`: its limits are fields of its own."""

    name: Name
    price: int = Field(ge=0)
    max_answer_tokens: int = Field(1024, ge=1)
    models: list[str] = []
    record: Record = "full"
    weight: int = Field(1, ge=1, le=1000)
    fail: Literal["closed", "open"] = "closed"
    prepaid: bool = False


class UserForm(Form):
    """One of `users`."""

    email: Email
    name: Name
    role: Role = "user"
    plan: str | None = None
    groups: list[str] = []
    demo: bool = False


class WebUIForm(Form):
    """`open_webui`."""

    name: str = "Maitre"
    connection: Literal["pipelines", "gateway"] = "pipelines"
    sign_up: bool = False
    title_generation: bool = True
    tags_generation: bool = False
    follow_up_generation: bool = False
    api_keys: bool = True


class HouseForm(Form):
    """`maitre.yaml`."""

    domain: str
    language: Language = "en"
    time_zone: str = "UTC"
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    default_plan: str | None = None
    record: Record = "full"
    retention_days: int = Field(30, ge=1, le=36_500)
    task_max_tokens: int = Field(300, ge=1)
    max_turn_seconds: int = Field(600, ge=10, le=86_400)
    limits: LimitsForm = LimitsForm()
    role_weights: dict[Role, Annotated[int, Field(ge=1, le=1000)]] = {}
    providers: dict[Slug, ProviderForm]
    prices: PricesForm
    plans: dict[Slug, PlanForm]
    groups: dict[str, str] = {}
    users: list[UserForm] = []
    open_webui: WebUIForm = WebUIForm()

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError(f"“{value}” is not a time zone (try Europe/Kyiv)") from unknown
        return value


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
