"""One service as Traefik reaches it, and as guests and neighbours reach it through Traefik."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Routed:
    """A service behind Traefik. It has a host name, an internal entry point, or both."""

    service: str
    host: str | None  # its public name
    entry_point: str | None  # where its neighbours on the Docker networks reach it
    port: int
    servers: tuple[str, ...]  # names of containers, or the service's own
    access: str  # public | allowlist | basic_auth: who gets in by the public name
    health: str | None  # path that Traefik asks for
    closed: tuple[str, ...] = ()  # beginnings of paths that are not there by the public name
    files: tuple[str, ...] = ()  # beginnings of paths of unchanging files, of which a page asks for many at once
    bodies: Mapping[int, int] = field(default_factory=dict)  # digits of a body's length -> how many at once; see Route
