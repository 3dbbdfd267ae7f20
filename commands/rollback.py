"""`cli rollback`: an earlier release again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.output import (
    DryRunOption,
    HouseOption,
    JsonOption,
    VerboseOption,
    YesOption,
    console,
    house_of,
    one_sentence,
    print_json,
)
from maitre.errors import HouseError

if TYPE_CHECKING:
    from compose.deploy.releases import Release
    from compose.workshop import Workshop


def rollback(
    release: Annotated[
        str | None, typer.Argument(metavar="RELEASE", help="Its id, or the beginning of it. Default: the one before.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the releases that are kept; change nothing.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Run an earlier release's containers and files again, and its `seed`, which takes plans, assistants and settings
    back. Tables stay as they are: migrations only add to them.

    Without RELEASE it goes to the release before the one that runs. Twice in a row is back where it began.
    """
    from commands.deploying import confirm, go, plain, show_plan
    from compose.deploy.course import missing
    from compose.deploy.lock import must_be_free
    from compose.deploy.releases import sentence, unfinished
    from compose.workshop import Workshop, new_id

    with one_sentence(verbose):
        workshop = Workshop(house_of(house))
        if listed:
            _list(workshop, as_json)
            return
        must_be_free(workshop.house.state)
        aim, new = _chosen(workshop, release), new_id()
        id = aim.id
        contents = workshop.journal.contents(id)
        first = workshop.deploy(lambda *_: None, lambda: False)
        target = first.site.target(contents, first.engine.containers())
        plan, way = first.way(target, staged=workshop.staged(new), back=True)
        if lost := [image for image, one in missing(plan, target, first.images).items() if one.built]:
            raise HouseError(f"{', '.join(lost)} is no longer here, and today's sources make another image.")
        broken = unfinished(workshop.journal.all())
        if not as_json:
            if broken:
                console.print(sentence(broken), markup=False, highlight=False)
            console.print(f"Back to release {_named(aim)}.", markup=False, highlight=False)
            show_plan(plan, way, commands=dry_run)
        if not dry_run and (way or broken):
            confirm(yes, f"Go back to release {id}?")
            go(workshop, new, f"rollback to {id}", lambda: contents, plan.work, back=True, quiet=as_json)
    if as_json:
        told = {"dry_run": dry_run, "to": id, "at": aim.at, "who": aim.who, **plain(plan, way)}
        print_json({**told, "release": workshop.journal.current()})
    elif not (way or broken):
        console.print(f"Nothing to do: the house runs as in release {id}.", highlight=False)
    elif not dry_run:
        console.print(f"The house runs as in release {id}.", highlight=False)


def _named(release: Release) -> str:
    """Its id, by whom, when, and what it was."""
    return f"{release.id} of {release.who}, {datetime.fromisoformat(release.at):%Y-%m-%d %H:%M} UTC ({release.what})"


def _chosen(workshop: Workshop, given: str | None) -> Release:
    from compose.deploy.releases import previous, unfinished

    every, current = workshop.journal.all(), workshop.journal.current()
    if given is not None:
        found = [one for one in every if one.id.startswith(given)]
        if len(found) != 1:
            what = "There is no release" if not found else "More than one release begins with"
            raise HouseError(f"{what} “{given}”. `cli rollback --list` shows them.")
        return found[0]
    if unfinished(every) and current:
        before = next((one for one in every if one.id == current), None)  # undoes what was left in the middle
    else:
        before = previous(every, current)
    if before is None:
        raise HouseError("There is no earlier release to go back to. `cli rollback --list` shows what is kept.")
    return before


def _list(workshop: Workshop, as_json: bool) -> None:
    every, current = workshop.journal.all(), workshop.journal.current()
    if as_json:
        print_json([{**asdict(one), "current": one.id == current} for one in every])
        return
    if not every:
        console.print("This house has not been deployed yet.")
        return
    table = Table("", "release", "by", "what", "outcome", box=None, pad_edge=False)
    for one in every:
        table.add_row("[green]●[/]" if one.id == current else "", one.id, one.who, one.what, one.outcome)
    console.print(table)
