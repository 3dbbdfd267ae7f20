"""`cli deploy`: the house as a Docker stack: checked, changed step by step, and back by itself if it is not well."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from commands.output import (
    FAILED,
    DryRunOption,
    HouseOption,
    JsonOption,
    VerboseOption,
    YesOption,
    console,
    errors,
    house_of,
    one_sentence,
    print_json,
)
from maitre.errors import HouseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compose.host.finding import Finding
    from compose.workshop import Workshop


def deploy(
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="SERVICE", help="Care for this service only; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Bring the stack to what the house's files say. Twice is once: what has not changed goes on running."""
    from commands.deploying import confirm, go, plain, show_plan
    from commands.stack import for_containers
    from commands.stack_view import show_doors
    from compose.deploy.lock import must_be_free
    from compose.deploy.releases import finishing, previous, sentence, unfinished
    from compose.workshop import Workshop, new_id
    from provisioning.rotation import again, broken_off

    with one_sentence(verbose):
        workshop = Workshop(for_containers(house_of(house)))
        must_be_free(workshop.house.state)
        chosen = _known(workshop, only or [])
        waiting = broken_off(workshop.house)
        findings = _checked(workshop, waiting, as_json)
        if chosen and waiting:
            raise HouseError(
                f"A rotation of {', '.join(waiting)} was broken off, which --only would leave half done;"
                f" `{again(waiting[0])}` finishes it."
            )
        first = workshop.deploy(lambda *_: None, lambda: False)
        target = first.site.target(workshop.contents(), first.engine.containers())
        id = new_id()
        plan, way = first.way(target, staged=workshop.staged(id), dump=workshop.dump(id, target), only=chosen)
        broken = unfinished(workshop.journal.all())
        told = _told(sentence(broken), finishing(broken)) if broken else None
        seen = {"dry_run": dry_run, "findings": [asdict(one) for one in findings], "unfinished": told}
        if not as_json:
            if told:
                console.print(told, markup=False, highlight=False)
            show_plan(plan, way, commands=dry_run)
        if dry_run or not (way or broken or waiting):
            if as_json:
                print_json({**seen, **plain(plan, way), "release": workshop.journal.current()})
            elif not way:
                console.print("Nothing to do: the house runs as its files say.", highlight=False)
            return
        confirm(yes, "Deploy this?")
        release = go(workshop, id, "deploy", workshop.contents, plan.work, only=chosen, quiet=as_json)
    if as_json:
        print_json({**seen, **plain(plan, way), "release": release.id})
    else:
        undo = "rollback" if previous(workshop.journal.all(), release.id) else "destroy"
        console.print(f"Release {release.id} runs. `cli {undo}` undoes it.", highlight=False)
        show_doors(workshop)


def _told(sentence: str, finishing: str) -> str:
    if finishing == "cli deploy":
        return f"{sentence} This deploy finishes it."
    return f"{sentence} This deploy goes to the house's files instead; `{finishing}` finishes it."


def _known(workshop: Workshop, only: list[str]) -> tuple[str, ...]:
    services = workshop.services
    for name in only:
        if name not in services:
            raise HouseError(f"There is no service “{name}” (there is: {', '.join(sorted(services))}).")
    return tuple(only)


def _checked(workshop: Workshop, waiting: Sequence[str], as_json: bool) -> list[Finding]:
    """The findings; `waiting`: the secrets whose rotation was broken off. Prints the warnings; with a fault, the
    faults, and exits: nothing has been changed."""
    from compose.host.preflight import preflight
    from provisioning.rotation import again

    rotations = {name: again(name) for name in waiting}
    findings = preflight(workshop.asked(), replace(workshop.facts(), broken_off=rotations))
    bad = [one for one in findings if not one.ok]
    if bad and as_json:
        print_json({"ok": False, "findings": [asdict(one) for one in findings]})
    for one in [] if as_json else findings:
        if not one.ok:
            errors.print(f"{one.seen.rstrip('.')}. → {one.remedy}", markup=False, style="red")
        elif one.remedy:
            errors.print(f"Mind: {one.seen}. → {one.remedy}", markup=False, style="yellow")
    if bad:
        raise typer.Exit(FAILED)
    return findings
