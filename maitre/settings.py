"""A house, read from its folder: `maitre.yaml`, `assistants/*.md`, and the secrets and state in `.maitre/`.

pydantic parses at this edge; everything inside works with the frozen dataclasses of the nouns. All mistakes
of all files are reported at once, each as `file: path: message`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from maitre.assistants.assistant import Assistant
from maitre.billing.price import Price, PriceTable
from maitre.errors import ConfigError, HouseError
from maitre.house import nouns
from maitre.house.files import read_files
from maitre.house.secrets import find_secret, password_name, with_password
from maitre.keys.proxies import Proxies
from maitre.knowledge.collection import Collection, Rag
from maitre.providers.alias import Alias, members
from maitre.providers.provider import EMBEDDED, Model, Provider
from maitre.quota.plan import Plan
from maitre.quota.subject import Subject
from maitre.tools.source import Source

Endpoint = Literal[
    "open_webui", "pipelines", "gateway", "rag", "rag_worker", "postgres", "valkey", "upstream", "embedder", "traces"
]

#: Those that only the stack in containers reads, with its profiles; every service has its own.
STACK_SECRETS = (
    "postgres_superuser_password",
    "open_webui_db_password",
    "rag_db_password",
    "dashboard_password",
    "langfuse_db_password",
    "langfuse_salt",
    "langfuse_encryption_key",
    "langfuse_nextauth_secret",
    "langfuse_admin_password",
    "clickhouse_password",
    "minio_root_password",
    "valkey_queues_password",
    "litellm_master_key",
    "litellm_db_password",
)

#: Secrets that `cli init` generates for every house.
GENERATED_SECRETS = (
    "stamp",
    "pipelines_key",
    "gateway_key",
    "metrics_key",
    "rag_key",
    "sealing_key",
    "user_jwt",
    "key_tokens",
    "postgres_password",
    "valkey_password",
    "webui_secret_key",
    "webui_admin_password",
    "langfuse_public_key",
    "langfuse_secret_key",
    *STACK_SECRETS,
)


#: What a role multiplies its plan's weight in a queue by.
ROLE_WEIGHTS = {"admin": 4, "priority": 4, "tester": 2, "user": 1}


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
    connection: Literal["pipelines", "gateway"]  # the part that Open WebUI asks for our models
    sign_up: bool
    title_generation: bool
    tags_generation: bool
    follow_up_generation: bool
    api_keys: bool
    show_route: bool


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
    trusted_proxies: tuple[Proxies, ...]  # whose X-Forwarded-For is believed
    wrong_keys_per_minute: int  # of one address
    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    aliases: Mapping[str, Alias]
    prices: PriceTable
    budgets: Mapping[Subject, Mapping[str, int]]  # limits of the house, its providers and models, by names of WINDOWS
    role_weights: Mapping[str, int]
    plans: Mapping[str, Plan]
    groups: Mapping[str, str]
    users: tuple[User, ...]
    assistants: Mapping[str, Assistant]
    webui: WebUI
    tools: tuple[Source, ...] = ()
    rag: Rag | None = None  # None: a house without knowledge
    knowledge: Mapping[str, Collection] = field(default_factory=dict)  # collections that `cli seed` keeps, by name
    asked_secrets: tuple[str, ...] = ()  # names of the secrets that maitre.yaml names

    @property
    def state(self) -> Path:
        """Where the house keeps its secrets, data and logs; git-ignored."""
        return self.directory / ".maitre"

    def secret(self, name: str) -> str:
        """A secret of the house: the environment's MAITRE_SECRET_<NAME>, else the file `/run/secrets/<name>`, else
        `.maitre/secrets/<name>`."""
        value = find_secret(self.directory, name)
        if value is None:
            raise HouseError(f"The secret “{name}” is missing. `cli init --house {self.directory}` generates it.")
        return value

    def endpoint(self, name: Endpoint) -> str:
        """The URL of a part: the environment's MAITRE_<NAME>_URL, with a store's password from its secret where it has
        none; else what `cli up` wrote down."""
        if url := os.environ.get(f"MAITRE_{name.upper()}_URL"):
            wanted = password_name(name, url)
            password = find_secret(self.directory, wanted) if wanted else None
            return with_password(url, password) if password else url
        try:
            return str(json.loads((self.state / "endpoints.json").read_text())[name])
        except (OSError, KeyError, ValueError) as missing:
            raise HouseError(
                f"The house in {self.directory} is not running ({name} is unknown). Start it with `cli up`."
            ) from missing

    @property
    def embedders(self) -> frozenset[str]:
        """The providers that make embeddings and nothing else."""
        kinds = {
            name: [model.embedding for model in self.models.values() if model.provider == name]
            for name in self.providers
        }
        return frozenset(name for name, embedding in kinds.items() if embedding and all(embedding))

    def provider(self, name: str) -> Provider:
        """A provider with its real address: `embedded` becomes the running llama.cpp server's, or the embedder's."""
        provider = self.providers[name]
        if provider.base_url == EMBEDDED:
            part: Endpoint = "embedder" if name in self.embedders else "upstream"
            return replace(provider, base_url=self.endpoint(part) + "/v1")
        return provider


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
    if not (directory / "maitre.yaml").is_file():
        raise HouseError(
            f"There is no house in {directory}: maitre.yaml is missing. Name its folder (`--house DIR`, MAITRE_HOUSE)"
            ", or make one: `cli init`, for a server with Docker `cli init --stack DOMAIN`."
        )
    files = read_files(directory)
    if files.house is None or files.problems:
        raise ConfigError(files.problems)
    house = files.house
    written = {id: form.use for id, form in house.models.items()}
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
        trusted_proxies=tuple(house.trusted_proxies),
        wrong_keys_per_minute=house.wrong_keys_per_minute,
        providers={name: nouns.provider(directory, name, form) for name, form in house.providers.items()},
        models={
            id: Model(id, form.name or id, provider, form.upstream or id, form.context, form.tools, form.embedding)
            for provider, section in house.providers.items()
            for id, form in section.models.items()
        },
        aliases={id: Alias(id, form.name or id, members(id, written)) for id, form in house.models.items()},
        prices=PriceTable(
            house.prices.version,
            house.currency,
            {model: Price(price.input, price.output) for model, price in house.prices.models.items()},
        ),
        budgets=nouns.budgets(house),
        role_weights=ROLE_WEIGHTS | {str(role): weight for role, weight in house.role_weights.items()},
        plans={slug: nouns.plan(slug, form, house.currency) for slug, form in house.plans.items()},
        groups=house.groups,
        users=tuple(
            User(user.email.lower(), user.name, user.role, user.plan, tuple(user.groups), user.demo)
            for user in house.users
        ),
        assistants={
            slug: nouns.assistant(slug, front, prompt, house.memory)
            for slug, (_, front, prompt) in files.assistants.items()
        },
        webui=WebUI(**house.open_webui.model_dump()),
        tools=tuple(nouns.source(directory, name, form, files.operations[name]) for name, form in house.tools.items()),
        rag=nouns.rag(house.rag),
        knowledge={name: nouns.collection(name, form) for name, form in house.knowledge.items()},
        asked_secrets=nouns.asked_secrets(house),
    )
