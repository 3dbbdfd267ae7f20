"""`cli render`: the files of the stack, shown, compared or written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.output import FAILED, HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write the files there: a new folder, or one of an earlier render."),
]
DiffOption = Annotated[
    bool,
    typer.Option(
        "--diff", help="Print what differs from --out, or from what is deployed. Exit code 1 if anything does."
    ),
]


def render(
    out: OutOption = None,
    diff: DiffOption = False,
    as_json: JsonOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Render the stack: what Docker Compose and Traefik would read. Without an option it only shows which files."""
    from commands import render_view
    from commands.stack import for_containers
    from compose.render import folder
    from compose.render.rendered import rendered, stack_folder
    from compose.stack.wishes import read_stack
    from maitre.errors import HouseError

    with one_sentence(verbose):
        checked = for_containers(house_of(house))
        deployed = stack_folder(checked)
        if out is not None and out.resolve() != deployed.resolve():
            folder.check(out)
        there = folder.read(out or deployed)
        stack, _ = read_stack(checked)
        files = rendered(checked, folder.serving(there, stack.project), out)
        if diff:
            lines = [*folder.difference(there, files, str(out or deployed))]
            console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True) if lines else None
            raise typer.Exit(FAILED if lines else 0)
        if out is not None:
            if out.resolve() == deployed.resolve():
                raise HouseError(f"{out} is what containers read; `cli deploy` writes it.")
            folder.write(files, out)
        if as_json:
            print_json(render_view.render_json(files, there))
        else:
            render_view.show(files, there, out)
