"""What the commands on a deployed house share: the stack that runs, and the names of its services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from maitre.errors import HouseError
from maitre.providers.provider import EMBEDDED
from maitre.settings import House

if TYPE_CHECKING:
    from compose.workshop import Workshop


def for_containers(house: House) -> House:
    """The house, if it is meant for a stack. Raises HouseError for one that only `cli up` can start."""
    from compose.host.advice import has_stack

    embedded = any(one.base_url == EMBEDDED for one in house.providers.values())
    if embedded and not has_stack(house.directory):
        raise HouseError(
            f"The house in {house.directory} is made for `cli up`; `cli init --stack DOMAIN --house DIR` makes one for "
            "a server with Docker in another folder (docs/install.md)."
        )
    return house


def deployed(house: House) -> Workshop:
    """The house's stack. Raises HouseError when it is not deployed."""
    from compose.workshop import Workshop, is_deployed

    if not is_deployed(house.state):
        for_containers(house)
        raise HouseError(f"The house in {house.directory} is not deployed yet. `cli deploy` does that.")
    return Workshop(house)


def looked_at(house: House) -> Workshop:
    """The house's stack, also one whose first deploy was cut off. Raises HouseError when there is none."""
    from compose.workshop import Workshop, is_begun

    return Workshop(house) if is_begun(house.state) else deployed(house)


def known(workshop: Workshop, names: Iterable[str]) -> tuple[str, ...]:
    """The names, each of a service that has a container. Raises HouseError on another one."""
    services = workshop.engine.containers().services
    for name in names:
        if name not in services:
            raise HouseError(f"There is no service “{name}” (there is: {', '.join(services)}).")
    return tuple(names)
