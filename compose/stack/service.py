"""One service of the stack, as a file of compose/services/ says it. Pure.

Texts in `command`, `entrypoint`, `env`, `secret_env` and `health` may hold templates: {domain}, {host.KEY}, {url.KEY},
{project}, {drain_timeout}, {setting.NAME}, and in `secret_env` {secret.NAME}. {{ and }} are braces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Condition = Literal["healthy", "started", "completed"]


@dataclass(frozen=True, slots=True)
class Image:
    """A pinned image. `digest`: sha256:…, which wins over the tag."""

    name: str
    tag: str
    digest: str | None = None

    @property
    def reference(self) -> str:
        """As Compose names it."""
        return f"{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class Mount:
    """A rendered file or folder, mounted read-only. `watched`: the process sees changes without a restart."""

    source: str  # below the rendered folder
    target: str
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume. `owner`: the user that its top folder is given to, where the image does not."""

    name: str
    target: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How Docker asks whether the service is well; times in seconds."""

    test: tuple[str, ...]
    interval: int = 10
    timeout: int = 5
    retries: int = 3
    start_period: int = 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service may take, and what is kept for it."""

    cpus: str
    memory: str
    reserved_cpus: str | None = None
    reserved_memory: str | None = None
    pids: int = 512


@dataclass(frozen=True, slots=True)
class Route:
    """How Traefik reaches the service. `public`: its key in `stack.hosts`; `internal`: an entry point of Traefik."""

    port: int
    public: str | None = None
    internal: str | None = None
    health: str | None = None
    closed: tuple[str, ...] = ()  # beginnings of paths that are not there by the public name
    files: tuple[str, ...] = ()  # beginnings of paths of unchanging files, of which a page asks for many at once
    #: Digits of a body's length -> how many such requests at once by the public name, of all guests together. Shorter
    #: ones are not counted; longer ones, and POST, PUT and PATCH without a length, are refused. Empty: no bounds.
    bodies: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """One service, for one size, with the operator's overrides."""

    name: str
    title: str
    image: Image
    limits: Limits
    build: str | None = None  # a folder of compose/images/; its tag is then the digest of the sources
    user: str | None = None
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Mount, ...] = ()
    house: str | None = None  # the copy of the house that it reads: a key of house_copies.COPIES
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[str, ...] = ()  # `path` or `path:options`; without a size each gets the usual one
    read_only: bool = True
    shm_size: str | None = None
    health: Health | None = None
    networks: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    route: Route | None = None
    profile: str | None = None
    rollout: Literal["replace", "beside"] = "replace"
    replicas: int = 1
    gpus: tuple[str, ...] = ()  # the devices' numbers, or ("all",)
    ports: tuple[str, ...] = ()  # published; Traefik's only
    capabilities: tuple[str, ...] = ()  # kept of the dropped ones
    labels: Mapping[str, str] = field(default_factory=dict)
    job: bool = False
    backup: str | None = None  # "volume:NAME" or "dump:DATABASE"
    stop_grace: int = 10  # seconds; of a service that drains: after its drain
    stop_signal: str | None = None
