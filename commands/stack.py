"""What the commands on a deployed house share: the stack that runs, and the names of its services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from maitre.errors import HouseError
from maitre.settings import House

if TYPE_CHECKING:
    from compose.workshop import Workshop


def deployed(house: House) -> Workshop:
    """The house's stack. Raises HouseError when it is not deployed."""
    from compose.workshop import Workshop, is_deployed

    if not is_deployed(house.state):
        raise HouseError(f"The house in {house.directory} is not deployed as a stack. `cli deploy` does that.")
    return Workshop(house)


def looked_at(house: House) -> Workshop:
    """The house's stack, also one whose first deploy was cut off. Raises HouseError when there is none."""
    from compose.workshop import Workshop, has_stack

    return Workshop(house) if has_stack(house.state) else deployed(house)


def known(workshop: Workshop, names: Iterable[str]) -> tuple[str, ...]:
    """The names, each of a service that has a container. Raises HouseError on another one."""
    services = workshop.engine.containers().services
    for name in names:
        if name not in services:
            raise HouseError(f"There is no service “{name}” (there is: {', '.join(services)}).")
    return tuple(names)
