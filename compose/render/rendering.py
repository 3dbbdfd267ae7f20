"""The house's stack, rendered: where the settings, the services, the secrets and what runs come together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compose.layout import SECRETS
from compose.running import Running
from maitre.errors import HouseError
from maitre.settings import House

if TYPE_CHECKING:
    from compose.render.secret_copy import Copy


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a house's files make of the stack. `hosts`: the public names by service; `copies`: the services' copies
    of their secrets; `drain`: the seconds for open streams."""

    project: str
    certificates: str
    behind_proxy: bool
    hosts: Mapping[str, str]
    copies: Mapping[str, Copy]
    drain: int


def rendering(house: House) -> Rendering:
    """Read the house's stack. Raises ConfigError with every mistake, HouseError."""
    from compose.render.rendered import house_services
    from compose.render.secrets import copies
    from compose.stack.consumers import consumers

    stack, services = house_services(house)
    return Rendering(
        project=stack.project,
        certificates=stack.tls.kind,
        behind_proxy=stack.cloudflare,
        hosts=stack.hosts,
        copies=copies(services, consumers(stack.profiles)),
        drain=stack.drain_timeout,
    )


def files(house: House, running: Running) -> dict[str, str]:
    """Every rendered file, with the containers that serve now."""
    from compose.render.rendered import rendered

    return rendered(house, {name: [one.name for one in running.of(name)] for name in running.services})


def copy_secrets(house: House, wanted: Mapping[str, Copy]) -> None:
    """Write each service's copies of its secrets. Raises HouseError."""
    from compose.render.secret_files import write_copies

    write_copies(house.state / "stack" / SECRETS, wanted, lambda name: value_of(house, name))


def remove_other_copies(house: House, wanted: Mapping[str, Copy]) -> None:
    """Remove the copies of secrets that are not among the wanted ones."""
    from compose.render.secret_files import remove_others

    remove_others(house.state / "stack" / SECRETS, wanted)


def amiss_copies(house: House, wanted: Mapping[str, Copy]) -> tuple[str, ...]:
    """The paths of those wanted copies that are not there, or not closed."""
    from compose.render.secret_files import amiss

    return amiss(house.state / "stack" / SECRETS, wanted)


def value_of(house: House, name: str) -> str:
    """A secret of the house. Raises HouseError if it is missing or others may read its file."""
    from compose.render import secret_files  # here, because it loads bcrypt

    return secret_files.value_of(house, name)


def missing_secrets(house: House, wanted: Mapping[str, Copy]) -> tuple[str, ...]:
    """The names of the secrets that have no value, or one that others may read."""
    found = []
    for name in sorted({copy.source for copy in wanted.values()}):
        try:
            value_of(house, name)
        except HouseError:
            found.append(name)
    return tuple(found)
