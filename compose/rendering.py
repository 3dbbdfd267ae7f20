"""The house's stack, rendered: where the settings, the catalogue of services and what runs come together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compose.running import Running
from maitre.settings import House


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered stack. `jobs` and `beside` are names of services; `hosts` those that guests see, by service."""

    project: str
    files: Mapping[str, str]
    jobs: frozenset[str]
    beside: frozenset[str]
    certificates: str
    behind_proxy: bool
    hosts: Mapping[str, str]
    drain: int  # seconds that an old container gets for its open streams


def rendering(house: House, running: Running) -> Rendering:
    """Render the house's stack. Raises ConfigError with every mistake."""
    from maitre.house.stack import stack_of

    from compose.catalogue import read_services
    from compose.render import render

    stack = stack_of(house)
    services = read_services(stack.size)
    replicas = {name: tuple(one.name for one in running.of(name)) for name in running.services}
    return Rendering(
        project=stack.project,
        files=render(house, stack, services, replicas),
        jobs=frozenset(name for name, one in services.items() if one.job),
        beside=frozenset(name for name, one in services.items() if one.rollout == "beside"),
        certificates=stack.tls.kind,
        behind_proxy=stack.cloudflare,
        hosts=stack.hosts,
        drain=stack.drain_timeout,
    )


def copy_secrets(house: House, top: Path) -> None:
    """Write each service's copies of its secrets."""
    from compose.secret_files import write_secrets

    write_secrets(house, top)
