"""`cli restart`: services of the stack anew, ours without a moment in which none serves."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.output import HouseOption, VerboseOption, house_of, one_sentence
from maitre.errors import HouseError


def restart(
    service: Annotated[list[str], typer.Argument(metavar="SERVICE", help="As `cli status` shows them.")],
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Restart services of the stack as they are; `cli deploy` brings new settings. Waits until each is healthy."""
    from commands.deploying import Progress
    from commands.stack import deployed, known
    from compose.deploy.course import restarting
    from compose.deploy.releases import finishing, sentence, unfinished
    from devstack.interrupt import interruptions

    with one_sentence(verbose):
        workshop = deployed(house_of(house))
        names = known(workshop, service)
        what = f"restart {' '.join(names)}"
        with workshop.locked(what), interruptions() as stop, Progress(False) as progress:
            if broken := unfinished(workshop.journal.all()):
                raise HouseError(
                    f"{sentence(broken)} `{finishing(broken)}` finishes it, `cli rollback` undoes it; then restart."
                )
            deploy = workshop.deploy(progress, stop, progress.said)
            target = deploy.site.target(workshop.running_contents(), deploy.engine.containers())
            chosen = tuple(target.services[name] for name in names)
            deploy.walk(target, restarting(chosen, deploy.engine.containers(), workshop.compose))
