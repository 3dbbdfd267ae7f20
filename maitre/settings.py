"""A house, read from its folder: `maitre.yaml`, `assistants/*.md`, and the secrets and state in `.maitre/`.

pydantic parses at this edge; everything inside works with the frozen dataclasses of the nouns. All mistakes
of all files are reported at once, each as `file: path: message`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from maitre.assistants.answer_jsonschema import schema_problem
from maitre.assistants.assistant import OVERRIDABLE, Assistant
from maitre.billing.price import Price, PriceTable
from maitre.errors import ConfigError, HouseError
from maitre.providers.provider import EMBEDDED, Model, Provider
from maitre.quota.plan import Plan

M = TypeVar("M", bound=BaseModel)
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Language = Literal["en", "uk", "ru"]
Record = Literal["full", "metadata", "none"]
Role = Literal["admin", "priority", "tester", "user"]
Endpoint = Literal["open_webui", "pipelines", "postgres", "valkey", "upstream", "traces"]
Override = Literal[
    "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty", "reasoning_effort"
]
assert set(get_args(Override)) == set(OVERRIDABLE)

#: Secrets that `cli init` generates for every house.
GENERATED_SECRETS = (
    "stamp",
    "pipelines_key",
    "postgres_password",
    "valkey_password",
    "webui_secret_key",
    "webui_admin_password",
    "langfuse_public_key",
    "langfuse_secret_key",
)

LANGUAGES: tuple[str, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody that `cli seed` makes sure exists. `demo`: `cli init` generates the password."""

    email: str
    name: str
    role: str
    plan: str | None
    groups: tuple[str, ...]
    demo: bool


@dataclass(frozen=True, slots=True)
class WebUI:
    """What the house wants of Open WebUI itself."""

    name: str
    sign_up: bool
    title_generation: bool
    tags_generation: bool
    follow_up_generation: bool
    api_keys: bool


@dataclass(frozen=True, slots=True)
class House:
    """One house, checked. Nothing in it changes while a process runs."""

    directory: Path
    domain: str
    language: str
    zone: ZoneInfo
    currency: str
    default_plan: str | None
    record: str
    retention_days: int
    task_max_tokens: int
    max_turn_seconds: int
    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    prices: PriceTable
    plans: Mapping[str, Plan]
    groups: Mapping[str, str]
    users: tuple[User, ...]
    assistants: Mapping[str, Assistant]
    webui: WebUI

    @property
    def state(self) -> Path:
        """Where the house keeps its secrets, data and logs; git-ignored."""
        return self.directory / ".maitre"

    def secret(self, name: str) -> str:
        """A secret of the house: the environment's MAITRE_SECRET_<NAME>, else the file `.maitre/secrets/<name>`."""
        value = _find_secret(self.directory, name)
        if value is None:
            raise HouseError(f"The secret “{name}” is missing. `cli init --house {self.directory}` generates it.")
        return value

    def endpoint(self, name: Endpoint) -> str:
        """The URL of a part: the environment's MAITRE_<NAME>_URL, else what `cli up` wrote down."""
        url = os.environ.get(f"MAITRE_{name.upper()}_URL")
        if not url:
            try:
                url = json.loads((self.state / "endpoints.json").read_text())[name]
            except (OSError, KeyError, ValueError) as missing:
                raise HouseError(
                    f"The house in {self.directory} is not running ({name} is unknown). Start it with `cli up`."
                ) from missing
        return str(url)

    def provider(self, name: str) -> Provider:
        """A provider with its real address: `embedded` becomes the running llama.cpp server's."""
        provider = self.providers[name]
        if provider.base_url == EMBEDDED:
            return replace(provider, base_url=self.endpoint("upstream") + "/v1")
        return provider


# ── the edge: pydantic models of the files ───────────────────────────────────────────────────────────────


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Model(_Section):
    name: str | None = None
    upstream: str | None = None
    context: int | None = Field(None, gt=0)
    tools: bool = True


class _Provider(_Section):
    kind: Literal["openai", "llama_cpp", "vllm", "ollama", "openrouter", "litellm"]
    base_url: str
    api_key: str | None = None
    models: dict[str, _Model]

    @field_validator("base_url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value != EMBEDDED and not re.match(r"^https?://[^\s/]+", value):
            raise ValueError("must be “embedded” or an http(s) URL that ends before /chat/completions")
        return value.rstrip("/")


class _Price(_Section):
    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)


class _Prices(_Section):
    version: str
    models: dict[str, _Price] = {}

    @field_validator("version", mode="before")
    @classmethod
    def _text(cls, value: object) -> str:
        return str(value)  # YAML reads 2026-11-01 as a date


class _Plan(_Section):
    name: str
    price: int = Field(ge=0)
    requests_per_minute: int | None = Field(None, ge=0)
    requests_per_month: int | None = Field(None, ge=0)
    tokens_per_day: int | None = Field(None, ge=0)
    tokens_per_month: int | None = Field(None, ge=0)
    tokens_total: int | None = Field(None, ge=0)
    max_answer_tokens: int = Field(1024, ge=1)
    models: list[str] = []
    record: Record = "full"


class _User(_Section):
    email: Email
    name: str = Field(min_length=1)
    role: Role = "user"
    plan: str | None = None
    groups: list[str] = []
    demo: bool = False


class _WebUI(_Section):
    name: str = "Maitre"
    sign_up: bool = False
    title_generation: bool = True
    tags_generation: bool = False
    follow_up_generation: bool = False
    api_keys: bool = True


class _House(_Section):
    domain: str
    language: Language = "en"
    time_zone: str = "UTC"
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    default_plan: str | None = None
    record: Record = "full"
    retention_days: int = Field(30, ge=1)
    task_max_tokens: int = Field(300, ge=1)
    max_turn_seconds: int = Field(600, ge=10)
    providers: dict[Slug, _Provider]
    prices: _Prices
    plans: dict[Slug, _Plan]
    groups: dict[str, str] = {}
    users: list[_User] = []
    open_webui: _WebUI = _WebUI()

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError(f"“{value}” is not a time zone (try Europe/Kyiv)") from unknown
        return value


class _Assistant(_Section):
    name: str = Field(min_length=1)
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


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def find_house(given: Path | None = None, start: Path | None = None) -> Path:
    """The house's folder: the given one, else MAITRE_HOUSE, else the nearest folder with a maitre.yaml
    above `start` (the current folder), else `config/` beneath it."""
    if given is not None:
        return given.resolve()
    if named := os.environ.get("MAITRE_HOUSE"):
        return Path(named).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "maitre.yaml").is_file():
            return folder
    return here / "config"


def load_house(directory: Path) -> House:
    """Read and check the whole house. Raises ConfigError with every problem of every file."""
    file = directory / "maitre.yaml"
    if not file.is_file():
        raise HouseError(f"There is no house in {directory}: maitre.yaml is missing. `cli init --house DIR` makes one.")
    problems: list[str] = []
    house = _parse(_House, _yaml(file, file.read_bytes(), problems), file.name, problems)
    assistants = _read_assistants(directory, problems)
    if house is None:
        raise ConfigError(problems)
    checked = _assemble(directory, house, assistants, problems)
    if problems:
        raise ConfigError(problems)
    return checked


def _yaml(file: Path, raw: bytes, problems: list[str], name: str | None = None) -> Any:
    try:
        return yaml.safe_load(raw.decode("utf-8"))
    except UnicodeDecodeError as bad:
        problems.append(f"{name or file.name}: byte {bad.start}: is not UTF-8 text")
    except yaml.YAMLError as bad:
        mark = getattr(bad, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        what = getattr(bad, "problem", None) or "cannot be read"
        problems.append(f"{name or file.name}: {where}: broken YAML: {what}")
    return None


def _parse(model: type[M], value: Any, file: str, problems: list[str]) -> M | None:
    if value is None:
        if not any(p.startswith(f"{file}: ") for p in problems):
            problems.append(f"{file}: the file: is empty")
        return None
    try:
        return model.model_validate(value)
    except ValidationError as bad:
        for error in bad.errors(include_url=False, include_input=False):
            path = ".".join(str(part) for part in error["loc"]) or "the file"
            problems.append(f"{file}: {path}: {error['msg'].removeprefix('Value error, ')}")
    return None


_FRONT_MATTER = re.compile(rb"\A(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?\r?\n)---[ \t]*(?:\r?\n|\Z)(.*)\Z", re.DOTALL)


def _read_assistants(directory: Path, problems: list[str]) -> dict[str, tuple[str, Assistant]]:
    """Assistants by slug, each with the name of its file."""
    found: dict[str, tuple[str, Assistant]] = {}
    for file in sorted((directory / "assistants").glob("*.md")):
        name = f"assistants/{file.name}"
        parts = _FRONT_MATTER.match(file.read_bytes())
        if parts is None:
            problems.append(f"{name}: the file: must begin with front matter between two lines of ---")
            continue
        front = _parse(_Assistant, _yaml(file, parts[1], problems, name), name, problems)
        try:
            prompt = parts[2].decode("utf-8").strip()
        except UnicodeDecodeError:
            problems.append(f"{name}: the prompt: is not UTF-8 text")
            continue
        if not prompt:
            problems.append(f"{name}: the prompt: is empty; write it below the front matter")
        if front is None:
            continue
        assistant = _assistant(front, front.slug or file.stem, prompt)
        if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", assistant.slug) is None:
            problems.append(f"{name}: slug: “{assistant.slug}” must be lower-case letters, digits and hyphens")
        elif assistant.slug in found:
            problems.append(f"{name}: slug: “{assistant.slug}” is taken by {found[assistant.slug][0]}")
        else:
            found[assistant.slug] = (name, assistant)
    return found


def _assistant(front: _Assistant, slug: str, prompt: str) -> Assistant:
    return Assistant(
        slug=slug,
        name=front.name,
        model=front.model,
        prompt=prompt,
        description=front.description,
        tone=front.tone,
        temperature=front.temperature,
        max_tokens=front.max_tokens,
        type=front.type,
        json_answer=front.json_answer,
        json_schema=front.json_schema,
        enabled=front.enabled,
        plans=tuple(front.plans),
        overrides=tuple(front.overrides),
        tools=front.tools,
        language=front.language,
        record=front.record,
    )


def _assemble(directory: Path, house: _House, found: Mapping[str, tuple[str, Assistant]], problems: list[str]) -> House:
    models = _models(house, problems)
    providers = {name: _provider(directory, name, section, problems) for name, section in house.providers.items()}
    _check_references(house, models, found, problems)
    return House(
        directory=directory,
        domain=house.domain,
        language=house.language,
        zone=ZoneInfo(house.time_zone),
        currency=house.currency,
        default_plan=house.default_plan,
        record=house.record,
        retention_days=house.retention_days,
        task_max_tokens=house.task_max_tokens,
        max_turn_seconds=house.max_turn_seconds,
        providers=providers,
        models=models,
        prices=PriceTable(
            house.prices.version,
            house.currency,
            {model: Price(price.input, price.output) for model, price in house.prices.models.items()},
        ),
        plans={
            slug: Plan(slug=slug, currency=house.currency, **{**plan.model_dump(), "models": tuple(plan.models)})
            for slug, plan in house.plans.items()
        },
        groups=house.groups,
        users=tuple(
            User(user.email.lower(), user.name, user.role, user.plan, tuple(user.groups), user.demo)
            for user in house.users
        ),
        assistants={slug: assistant for slug, (_, assistant) in found.items()},
        webui=WebUI(**house.open_webui.model_dump()),
    )


def _models(house: _House, problems: list[str]) -> dict[str, Model]:
    models: dict[str, Model] = {}
    for provider, section in house.providers.items():
        for id, model in section.models.items():
            if id in models:
                problems.append(
                    f"maitre.yaml: providers.{provider}.models.{id}: is already a model of “{models[id].provider}”"
                )
                continue
            models[id] = Model(id, model.name or id, provider, model.upstream or id, model.context, model.tools)
    return models


def _provider(directory: Path, name: str, section: _Provider, problems: list[str]) -> Provider:
    key = ""
    if section.api_key is not None:
        secret = section.api_key.removeprefix("secret:")
        if secret == section.api_key:
            problems.append(
                f"maitre.yaml: providers.{name}.api_key: keys do not belong in this file; write “secret:NAME”"
                " and put the key into .maitre/secrets/NAME"
            )
        elif (value := _find_secret(directory, secret)) is None:
            problems.append(
                f"maitre.yaml: providers.{name}.api_key: the secret “{secret}” is missing;"
                f" put it into .maitre/secrets/{secret} (mode 600) or MAITRE_SECRET_{secret.upper()}"
            )
        else:
            key = value
    return Provider(name, section.kind, section.base_url, key)


def _check_references(
    house: _House, models: Mapping[str, Model], found: Mapping[str, tuple[str, Assistant]], problems: list[str]
) -> None:
    def known(where: str, names: Iterable[str | None], among: Iterable[str], what: str) -> None:
        among = sorted(among)
        for name in names:
            if name is not None and name not in among:
                problems.append(f"{where}: unknown {what} “{name}” (there is: {', '.join(among) or 'none'})")

    for file, assistant in found.values():
        if assistant.json_schema is not None and not assistant.json_answer:
            problems.append(f"{file}: json_schema: needs json_answer: true")
        elif assistant.json_schema is not None and (wrong := schema_problem(assistant.json_schema)):
            problems.append(f"{file}: json_schema: {wrong}")
    known("maitre.yaml: default_plan", [house.default_plan], house.plans, "plan")
    known("maitre.yaml: prices.models", house.prices.models, models, "model")
    for slug, plan in house.plans.items():
        known(f"maitre.yaml: plans.{slug}.models", plan.models, models, "model")
    seen: set[str] = set()
    for index, user in enumerate(house.users):
        known(f"maitre.yaml: users.{index}.plan", [user.plan], house.plans, "plan")
        known(f"maitre.yaml: users.{index}.groups", user.groups, house.groups, "group")
        if user.email.lower() in seen:
            problems.append(f"maitre.yaml: users.{index}.email: “{user.email}” is there twice")
        seen.add(user.email.lower())
    for file, assistant in found.values():
        known(f"{file}: model", [assistant.model], models, "model")
        known(f"{file}: plans", assistant.plans, house.plans, "plan")


def _find_secret(directory: Path, name: str) -> str | None:
    if value := os.environ.get(f"MAITRE_SECRET_{name.upper()}"):
        return value
    try:
        return (directory / ".maitre" / "secrets" / name).read_text("utf-8").strip() or None
    except OSError:
        return None
