"""`cli doctor`: look at everything that a house needs, and say what to do about the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.output import FAILED, HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from maitre.settings import find_house

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compose.host.production import Advice, State

ProductionOption = Annotated[
    bool, typer.Option("--production", help="The recommendations for a house on the internet, and how this one stands.")
]

_COLOURS: dict[State, str] = {"done": "green", "not done": "red", "does not apply": "dim"}


def doctor(
    as_json: JsonOption = False,
    production: ProductionOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check the machine, the installation, the house and its running parts. Exit code 1 on problems."""
    from devstack.checks import look

    if production:
        _production(as_json, house, verbose)
        return
    with one_sentence(verbose):
        findings = list(look(find_house(house)))
    bad = [finding for finding in findings if not finding.ok]
    if as_json:
        print_json({"ok": not bad, "findings": [asdict(finding) for finding in findings]})
    else:
        for one in findings:
            mark = "[green]ok     [/]" if one.ok else "[red]problem[/]"
            console.print(f"{mark} {one.what:<16} ", end="", highlight=False)
            console.print(one.seen + (f"  →  {one.remedy}" if one.remedy else ""), markup=False, highlight=False)
        console.print(f"Problems: {len(bad)}." if bad else "All is well.", highlight=False)
    if bad:
        raise typer.Exit(FAILED)


def _production(as_json: bool, house: HouseOption, verbose: bool) -> None:
    """Advice is no problem: the exit code says only whether the house could be looked at."""
    from commands.stack import for_containers
    from compose.host.advice import production_for

    with one_sentence(verbose):
        advice = production_for(for_containers(house_of(house)))
    if as_json:
        print_json({"recommendations": [asdict(one) for one in advice]})
    else:
        _tell(advice)


def _tell(advice: Sequence[Advice]) -> None:
    for one in advice:
        console.print(f"[{_COLOURS[one.state]}]{one.state:<14}[/] {one.id:>2} ", end="", highlight=False)
        said = one.what + (f": {one.seen}" if one.seen else "") + (f"  →  {one.remedy}" if one.remedy else "")
        console.print(said, markup=False, highlight=False)
    count = Counter(one.state for one in advice)
    console.print(", ".join(f"{state}: {count[state]}" for state in _COLOURS), highlight=False)
