"""The forms of `maitre.yaml`, as pydantic checks it. `house.nouns` makes the nouns of what they hold."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    field_validator,
)

from maitre.house.stack_forms import StackForm
from maitre.keys.address import network_of
from maitre.keys.proxies import Proxies, proxies_of
from maitre.knowledge.collection import LANGUAGES
from maitre.providers.provider import EMBEDDED, KINDS
from maitre.quota.window import LARGEST, WINDOWS

#: One line that people read; Postgres holds no NUL, and a terminal no escape.
Name = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Language = Literal["en", "uk", "ru"]
Record = Literal["full", "metadata", "none"]
Role = Literal["admin", "priority", "tester", "user"]


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
    embedding: bool = False
    limits: LimitsForm = LimitsForm()


def _url(value: str) -> str:
    if value != EMBEDDED and not re.match(r"^https?://[^\s/]+", value):
        raise ValueError("must be “embedded” or an http(s) URL that ends before /chat/completions")
    return value.rstrip("/")


class AddressForm(Form):
    """One URL of a provider's `base_url`."""

    url: str
    slots: int = Field(1, ge=1)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return _url(value)


class ProviderForm(Form):
    """One of `providers`."""

    kind: Literal[KINDS]  # type: ignore[valid-type]
    base_url: Annotated[list[AddressForm], Field(min_length=1)]
    api_key: str | None = None
    max_concurrent: int | None = Field(None, ge=1)
    max_tokens_in_flight: int | None = Field(None, ge=1)
    max_waiting_per_user: int = Field(4, ge=1)
    max_wait_seconds: int = Field(300, ge=1)
    limits: LimitsForm = LimitsForm()
    timeout_seconds: float | None = Field(None, gt=0)
    models: dict[str, ModelForm]

    @field_validator("base_url", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        """One URL, or a list of URLs, each maybe with its slots."""
        if isinstance(value, str):
            return [{"url": _url(value)}]
        if not isinstance(value, list):
            raise ValueError("must be a URL or a list of them")
        return [{"url": one} if isinstance(one, str) else one for one in value]


class AliasForm(Form):
    """One of `models`."""

    name: Name | None = None
    use: list[str] = Field(min_length=1)


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


def _network(text: str) -> str:
    network_of(text)
    return text


Network = Annotated[str, AfterValidator(_network)]


class NetworksForm(Form):
    """`networks` of a plan."""

    allow: list[Network] = []
    deny: list[Network] = []


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
    networks: NetworksForm = NetworksForm()


class ToolForm(Form):
    """One of `tools`: a server whose operations an assistant may use."""

    openapi: str
    base_url: str
    allow: Annotated[list[str], Field(min_length=1)]
    headers: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")], Name] = {}
    timeout_seconds: float = Field(10, gt=0, le=120)
    max_bytes: int = Field(20_000, ge=100, le=1_000_000)
    private: bool = False

    @field_validator("base_url")
    @classmethod
    def _url(cls, value: str) -> str:
        return value.rstrip("/")


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
    show_route: bool = False


class MemoryForm(Form):
    """`memory`."""

    load: Annotated[int, Field(ge=1, le=100)] = 10
    keep: Annotated[int, Field(ge=1, le=1000)] = 100
    relevant: Annotated[int, Field(ge=0, le=20)] = 0
    summary: bool = False
    summary_tokens: Annotated[int, Field(ge=50, le=4000)] = 300


class TextFormForm(Form):
    """How the embedder is told that a text is a question or a passage."""

    prefix: str = ""
    input_type: str | None = None


class RagForm(Form):
    """`rag`."""

    embedding: str
    query: TextFormForm = TextFormForm()
    passage: TextFormForm = TextFormForm()
    docling: str | None = None
    max_file_mb: int = Field(50, ge=1, le=1000)
    answer_model: str | None = None

    @field_validator("docling")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        return None if value is None else _url(value)


class ReadersForm(Form):
    """`readers` of a collection."""

    everyone: bool = False
    users: list[Email] = []
    groups: list[str] = []
    assistants: list[str] = []


class CollectionForm(Form):
    """One of `knowledge`."""

    name: Name | None = None
    description: str = ""
    language: Literal[LANGUAGES] = "simple"  # type: ignore[valid-type]
    owner: Email | None = None
    readers: ReadersForm = ReadersForm()
    files: list[str] = []
    index: Literal["hnsw", "ivfflat", "exact"] = "hnsw"


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
    trusted_proxies: list[Annotated[Proxies, BeforeValidator(proxies_of)]] = []
    wrong_keys_per_minute: int = Field(20, ge=1)
    limits: LimitsForm = LimitsForm()
    memory: MemoryForm = MemoryForm()
    role_weights: dict[Role, Annotated[int, Field(ge=1, le=1000)]] = {}
    providers: dict[Slug, ProviderForm]
    models: dict[str, AliasForm] = {}
    prices: PricesForm
    plans: dict[Slug, PlanForm]
    groups: dict[str, str] = {}
    tools: dict[Slug, ToolForm] = {}
    users: list[UserForm] = []
    open_webui: WebUIForm = WebUIForm()
    rag: RagForm | None = None
    knowledge: dict[Slug, CollectionForm] = {}
    stack: StackForm = StackForm()  # the embedded house does not use it; compose/ reads it again

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError(f"“{value}” is not a time zone (try Europe/Kyiv)") from unknown
        return value
