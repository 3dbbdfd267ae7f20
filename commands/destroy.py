"""`cli destroy`: the stack goes; its data only if asked."""

from __future__ import annotations

from shutil import rmtree
from typing import Annotated

import typer

from commands.output import DryRunOption, HouseOption, VerboseOption, YesOption, console, house_of, one_sentence
from maitre.errors import HouseError


def destroy(
    volumes: Annotated[bool, typer.Option("--volumes", help="Remove the data too: databases, files, models.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Remove the stack's containers and networks. Data, secrets and the journal of releases stay, unless --volumes."""
    from commands.deploying import Progress, ask_name, show_steps
    from compose.deploy.steps import down
    from compose.workshop import Workshop, is_deployed

    with one_sentence(verbose):
        workshop = Workshop(house_of(house))
        if not is_deployed(workshop.house.state) and not workshop.engine.containers().containers:
            console.print("Nothing to do: no stack of this house runs.", highlight=False)
            return
        if not (workshop.stack / "compose.yaml").is_file():
            raise HouseError(f"{workshop.stack} has no compose.yaml; `cli render` writes it anew.")
        project = workshop.project
        step = down(workshop.compose, volumes)
        if dry_run:
            show_steps((step,))
            return
        ask_name(yes, project, "its data too" if volumes else "its data stays")
        with workshop.locked("destroy"), Progress(False) as progress:
            progress(step, "begins", "")
            workshop.engine.run(step, lambda line: progress(step, "says", line))
            progress(step, "done", "")
            workshop.journal.forget()
            rmtree(workshop.stack)  # with the copies of the secrets
    console.print(f"{project} is gone{', its data too' if volumes else '; its data stays'}.", highlight=False)
