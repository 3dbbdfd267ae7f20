"""`cli destroy`: the stack goes; its data only if asked."""

from __future__ import annotations

from functools import partial
from shutil import rmtree
from typing import TYPE_CHECKING, Annotated

import typer

from commands.output import DryRunOption, HouseOption, VerboseOption, YesOption, console, house_of, one_sentence
from maitre.errors import HouseError

if TYPE_CHECKING:
    from compose.deploy.steps import Step
    from compose.workshop import Workshop


def destroy(
    volumes: Annotated[bool, typer.Option("--volumes", help="Remove the data too: databases, files, models.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Remove the stack's containers and networks. Data, secrets and the journal of releases stay, unless --volumes."""
    from commands.deploying import Progress, ask_name, show_steps
    from compose.workshop import Workshop

    with one_sentence(verbose):
        workshop = Workshop(house_of(house))
        way, lost = _way(workshop, volumes)
        if not way:
            console.print("Nothing to do: no stack of this house runs.", highlight=False)
            return
        project = workshop.project
        if dry_run:
            show_steps(way)
            return
        ask_name(yes, project, "its data too" if volumes else "its data stays")
        with workshop.locked("destroy"), Progress(False) as progress:
            for step in way:
                progress(step, "begins", "")
                workshop.engine.run(step, partial(progress, step, "says"))
                progress(step, "done", "")
            workshop.journal.forget()
            if workshop.stack.is_dir():
                rmtree(workshop.stack)  # with the copies of the secrets
    console.print(f"{project} is gone{', its data too' if volumes else '; its data stays'}.", highlight=False)
    if lost:
        console.print(f"Removed for good: {', '.join(lost)}.", markup=False, highlight=False)


def _way(workshop: Workshop, volumes: bool) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The steps, none where nothing is left, and the volumes that go. Raises HouseError when Compose has no file."""
    from compose.deploy.steps import down, remove_volumes

    lost = workshop.engine.volumes() if volumes else ()
    rendered = (workshop.stack / "compose.yaml").is_file()
    if not rendered and workshop.engine.containers().containers:
        raise HouseError(f"{workshop.stack} has no compose.yaml; `cli render` writes it anew.")
    way = (down(workshop.compose, volumes),) if rendered else ()
    return (*way, *((remove_volumes(lost),) if lost else ())), lost
