"""Which secret each service of the stack reads, and in which form. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from compose.render.secret_copy import Copy, Form
from compose.stack.consumers import Consumer, passwords
from provisioning.open_webui_env import SECRET

#: Names under which a service reads a form of another secret.
USERS = {"traefik_users": "dashboard_password"}
URL = "_url"

#: The stores that hear of a new password while they run, and the folder among their copies that their scripts read
#: (compose/render/postgres_init.py, compose/files/valkey/password.sh). Docker mounts a folder so that what is put into
#: it is seen; a file that another one replaces is not.
POSTGRES, VALKEY, ROLES = "postgres", "valkey", "roles"


class Reader(Protocol):
    """What of a service tells which secrets it reads."""

    @property
    def user(self) -> str | None:
        """Its number, as `10001:10001`; None: root."""

    @property
    def secrets(self) -> Collection[str]:
        """Those that it reads as files."""

    @property
    def secret_env(self) -> Mapping[str, str]:
        """Its variables that are made of secrets, as templates."""


def names(service: Reader) -> tuple[str, ...]:
    """What lies in the service's /run/secrets."""
    templates = {name for template in service.secret_env.values() for name in SECRET.findall(template)}
    return tuple(sorted({*service.secrets, *templates}))


def copies(services: Mapping[str, Reader], consumers: Collection[Consumer]) -> dict[str, Copy]:
    """Every copy that there must be, by its path `<service>/<name>`; the roles of stores are `postgres/roles/<role>`
    and `valkey/roles/default`."""
    found = {
        f"{name}/{one}": Copy(*source(one), owner_of(service))
        for name, service in services.items()
        for one in names(service)
    }
    if POSTGRES in services:
        owner = owner_of(services[POSTGRES])
        roles = passwords(consumers).items()
        found |= {f"{POSTGRES}/{ROLES}/{role}": Copy(source, "scram", owner) for role, source in roles}
    if VALKEY in services:
        found[f"{VALKEY}/{ROLES}/default"] = Copy("valkey_password", "plain", owner_of(services[VALKEY]))
    return dict(sorted(found.items()))


def readers(copies: Mapping[str, Copy]) -> dict[str, tuple[str, ...]]:
    """Which services must be started anew when a secret changes; a store hears of its roles without that."""
    found: dict[str, set[str]] = {}
    for path, copy in copies.items():
        service, _, name = path.partition("/")
        found.setdefault(copy.source, set()).update(() if name.startswith(f"{ROLES}/") else (service,))
    return {source: tuple(sorted(services)) for source, services in sorted(found.items())}


def owner_of(service: Reader) -> int:
    """The number of the service's user."""
    return int((service.user or "0").partition(":")[0])


def source(name: str) -> tuple[str, Form]:
    """The secret of the house that a service reads under this name, and its form."""
    if name in USERS:
        return USERS[name], "users"
    return (name.removesuffix(URL), "url") if name.endswith(URL) else (name, "plain")
