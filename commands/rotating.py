"""A new value for a secret: in a deployed stack whoever reads it is started anew, and nobody else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from maitre.errors import HouseError
from maitre.settings import House
from provisioning.rotation import Roles, Rotated, again, broken_off, rotate, waiting
from provisioning.secret_uses import USES

if TYPE_CHECKING:
    from compose.deploy.stack_roles import StackRoles
    from compose.workshop import Workshop


def rotate_deployed(house: House, name: str, *, accept_loss: bool) -> tuple[Rotated, tuple[str, ...]]:
    """Rotate, and bring the new value to the services that read it, each healthy before the next; the services. Raises
    HouseError: then the old value is in force, or the next `cli deploy` brings the new one."""
    from commands.deploying import go
    from compose.render.secrets import readers
    from compose.workshop import Workshop, new_id
    from devstack.scaffold import fresh

    workshop = Workshop(house)
    with workshop.locked(f"secrets rotate {name}"):
        for other in broken_off(house):  # the files that follow would bring its value, too, but to some of its readers
            if name in USES and other not in (name, *USES[name].together):
                raise HouseError(f"A rotation of {other} was broken off; finish it first: `{again(other)}`.")
        try:
            done = rotate(house, name, fresh, _roles(workshop), accept_loss=accept_loss)
        except HouseError as fault:
            if waiting(house, name) is None:
                raise
            raise HouseError(f"{fault}\nThe new value waits; `{again(name)}` or `cli deploy` brings it.") from fault
    known = readers(workshop.first.copies)
    wanted = {service for one in done.names for service in known.get(one, ())}
    first = workshop.deploy(lambda *_: None, lambda: False)
    running = first.engine.containers()
    target = first.site.target(workshop.running_contents(), running)
    only = tuple(sorted(wanted.intersection({*running.services, *target.done})))  # what runs, and jobs that have run
    if only:
        id = new_id()
        plan, way = first.way(target, staged=workshop.staged(id), only=only)
        if way:
            go(workshop, id, f"secrets rotate {name}", workshop.running_contents, plan.work, only=only)
    return done, only


def warning(house: House, name: str) -> str | None:
    """Which requests fail while a deployed stack is given a new value, and for how long; None: none of a guest's."""
    from compose.workshop import Workshop

    use = USES.get(name)
    if use is None or not use.gap:
        return None
    drain = Workshop(house).first.drain
    return (
        f"{use.gap} That is about a minute, and up to {drain} seconds longer for each service of ours that ends"
        " answers which it has begun."
    )


def rotate_embedded(house: House, name: str, *, accept_loss: bool) -> Rotated:
    """Rotate in a house of embedded parts, whether it runs or not. Raises HouseError."""
    from devstack.scaffold import fresh

    return rotate(house, name, fresh, _own_role(house), accept_loss=accept_loss)


def finish_embedded(house: House) -> tuple[str, ...]:
    """Finish every rotation that was broken off; their names. Raises HouseError."""
    return tuple(one for name in broken_off(house) for one in rotate_embedded(house, name, accept_loss=True).names)


def _own_role(house: House) -> Roles:
    """The house's Postgres: asked while it runs, else told in its data folder."""
    from devstack import state
    from devstack.postgres import RestingRole
    from devstack.process import alive
    from provisioning.roles_postgres import OwnRole

    started = state.read(house.state).get("postgres")
    runs = started is not None and alive(started.who)
    return OwnRole(house) if runs or os.environ.get("MAITRE_POSTGRES_URL") else RestingRole(house)


def _roles(workshop: Workshop) -> StackRoles:
    """The stack's Postgres, told while it runs."""
    from compose.deploy import steps
    from compose.deploy.stack_roles import StackRoles

    owner = next((copy.owner for copy in workshop.first.copies.values() if copy.form == "scram"), 0)
    step = steps.roles(workshop.compose)
    return StackRoles(workshop.stack, owner, lambda: workshop.engine.run(step, lambda line: None))
