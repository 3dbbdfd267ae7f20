"""`cli doctor`: look at everything that a house needs, and say what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict

import typer

from commands.output import FAILED, HouseOption, JsonOption, VerboseOption, console, one_sentence, print_json
from maitre.settings import find_house


def doctor(as_json: JsonOption = False, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Check the machine, the installation, the house and its running parts. Exit code 1 on problems."""
    from devstack.checks import look

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
