"""What a deploy must know of the machine before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine as it was found. What could not be asked because the engine is away is empty."""

    engine: str | None  # its version; None: it does not answer
    engine_fault: str = ""
    engine_apart: str = ""  # what keeps it from this machine: rootless, Docker Desktop, another machine's
    compose: str | None = None  # its version; None: neither `docker compose` nor `docker-compose` answers
    architecture: str = "x86_64"
    cpus: int = 0
    memory: int = 0  # bytes
    disk_free: int = 0  # bytes, where the engine keeps images and volumes
    images: frozenset[str] = frozenset()  # that are here
    unpullable: Mapping[str, str] = field(default_factory=dict)  # image that is not here -> why it cannot be had
    busy: Mapping[tuple[str, int], str] = field(default_factory=dict)  # wanted port -> who holds it ("": unknown)
    addresses: frozenset[str] = frozenset()  # of this machine
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # public host -> its addresses in the DNS
    secret_modes: Mapping[str, int | None] = field(default_factory=dict)  # secret's file -> mode; None: missing
    broken_off: Mapping[str, str] = field(default_factory=dict)  # secret whose rotation was -> the command for it


@dataclass(frozen=True, slots=True)
class Asked:
    """What the deploy asks of the machine."""

    domain: str
    hosts: tuple[str, ...]  # public host names
    certificates: str  # letsencrypt-http, letsencrypt-dns, files or none
    behind_proxy: bool  # the names lead to somebody else's proxy (Cloudflare)
    ports: tuple[tuple[str, int], ...]
    memory: int  # bytes: the sum of the services' limits
    built: frozenset[str]  # images that are made here
    images: frozenset[str]  # all others
    cpus: Mapping[str, float] = field(default_factory=dict)  # how many each service may take at most
    reserved_cpus: float = 0  # kept for services, together
    reserved_memory: int = 0  # bytes, the same
