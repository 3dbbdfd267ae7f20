"""A new value for a secret of a deployed stack: whoever reads it is started anew, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maitre.settings import House
from provisioning.rotation import Rotated, rotate

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
        done = rotate(house, name, fresh, _roles(workshop), accept_loss=accept_loss)
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


def _roles(workshop: Workshop) -> StackRoles:
    """The stack's Postgres, told while it runs."""
    from compose.deploy import steps
    from compose.deploy.stack_roles import StackRoles

    owner = next((copy.owner for copy in workshop.first.copies.values() if copy.form == "scram"), 0)
    step = steps.roles(workshop.compose)
    return StackRoles(workshop.stack, owner, lambda: workshop.engine.run(step, lambda line: None))
