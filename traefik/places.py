"""Where Traefik listens, where it finds its files, and whose word it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from traefik.networks import CLOUDFLARE

#: The secret with the logins of `basic_auth` and of the dashboard: one `name:bcrypt` a line.
LOGINS = "traefik_users"

#: The entry points of neighbours on the Docker networks: nobody publishes their ports.
INTERNAL: Mapping[str, int] = MappingProxyType({"gateway": 8000, "pipelines": 9099, "rag": 8100})


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses and paths inside Traefik's container."""

    web: str = ":80"
    websecure: str = ":443"
    traefik: str = ":8080"
    internal: Mapping[str, str] = field(
        default_factory=lambda: {name: f":{port}" for name, port in sorted(INTERNAL.items())}
    )
    dynamic: str = "/etc/traefik/dynamic"
    acme: str = "/acme/acme.json"
    logins: str = f"/run/secrets/{LOGINS}"
    certificate: str = "/run/secrets/tls_certificate"
    key: str = "/run/secrets/tls_key"
    cloudflare: tuple[str, ...] = CLOUDFLARE


CONTAINER = Places()
