"""`cli secrets`: which secrets the house has, who reads each, and new values for them. No value is ever shown."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Literal, get_args

import typer
from rich.markup import escape
from rich.table import Table

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json
from maitre.settings import GENERATED_SECRETS, Endpoint, House
from provisioning.rotation import Rotated, again, broken_off, waiting
from provisioning.secret_uses import USES

app = typer.Typer(help="The house's secrets: who reads each, and new values.", no_args_is_help=True)

Where = Literal["file", "environment", "missing"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One secret: what it is for, who reads it, where it is, and the age and mode of its file. `rotation`: whether
    `cli secrets rotate` changes it freely, with a loss, or not at all; `broken_off`: whether that was, so that a new
    value waits."""

    name: str
    purpose: str
    read_by: tuple[str, ...]
    where: Where
    mode: str | None
    changed_at: str | None
    rotation: Literal["free", "loses", "elsewhere"]
    broken_off: bool


def kept(house: House, readers: Mapping[str, Collection[str]] | None = None) -> Iterator[Kept]:
    """Every secret of the house: the generated ones, those that maitre.yaml names, and files that nobody reads.
    `readers`: which services of a deployed stack read which."""
    home = house.state / "secrets"
    files = {file.name for file in home.glob("[!.]*")} if home.is_dir() else set()
    others = {*house.asked_secrets, *files, *(readers or ())} - set(GENERATED_SECRETS)
    for name in (*GENERATED_SECRETS, *sorted(others)):
        use, file = USES.get(name), home / name
        there = file.stat() if file.is_file() else None
        asked = ("gateway", "pipelines") if name in house.asked_secrets else ()
        read_by = tuple(readers.get(name, ())) if readers is not None else use.parts if use else asked
        where: Where = "file" if there else "missing"
        yield Kept(
            name,
            use.purpose if use else "named by maitre.yaml" if read_by else "nobody reads it",
            read_by,
            "environment" if f"MAITRE_SECRET_{name.upper()}" in os.environ else where,
            f"{stat.S_IMODE(there.st_mode):03o}" if there else None,
            datetime.fromtimestamp(there.st_mtime, house.zone).isoformat(timespec="seconds") if there else None,
            "elsewhere" if use is None or use.elsewhere else "loses" if use.loses else "free",
            waiting(house, name) is not None,
        )


@app.command("list", epilog="[bold]Examples[/]\n\ncli secrets list\n\ncli secrets list --json")
def listed(as_json: JsonOption = False, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """The secrets, what each is for, who reads it, and the age and mode of its file. Values are shown to nobody."""
    with one_sentence(verbose):
        checked = house_of(house)
        found = list(kept(checked, _readers(checked)))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    table = Table("secret", "read by", "changed", "mode", "for", box=None, pad_edge=False)
    for one in found:
        table.add_row(
            one.name,
            ", ".join(one.read_by) or "–",
            one.changed_at[:10] if one.changed_at else f"[yellow]{one.where}[/]",
            one.mode if one.mode in (None, "600", "400") else f"[red]{one.mode}[/]",
            escape(one.purpose),
        )
    console.print(table)
    for name in broken_off(checked):
        sentence = f"A rotation of {name} was broken off; run `{again(name)}` again to finish it."
        console.print(sentence, style="red", markup=False, highlight=False)


def _readers(house: House) -> Mapping[str, Collection[str]] | None:
    """Which services of the house's stack read which secret; None where it is not deployed."""
    from compose.workshop import Workshop, is_deployed

    if not is_deployed(house.state):
        return None
    from compose.render.secrets import readers

    return readers(Workshop(house).first.copies)


@app.command(
    "rotate",
    epilog="[bold]Examples[/]\n\ncli secrets rotate postgres_password\n\ncli secrets rotate sealing_key --accept-loss",
)
def rotate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `cli secrets list` shows it.")],
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Though what is kept with the old value becomes unreadable.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask, though requests fail while a stack is given it.")
    ] = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Give a secret a new value. Postgres hears of a role's new password at once; in a stack whatever reads the secret
    is started anew, and which requests fail meanwhile is said before."""
    from compose.workshop import is_deployed

    with one_sentence(verbose):
        checked = house_of(house)
        if is_deployed(checked.state):
            done, told = _in_stack(checked, name, accept_loss, yes)
        else:
            done, told = _embedded(checked, name, accept_loss)
    console.print(f"{' and '.join(done.names)}: new. {told}", markup=False, highlight=False)
    if done.use.then:
        console.print(done.use.then, markup=False, highlight=False)


def _embedded(house: House, name: str, accept_loss: bool) -> tuple[Rotated, str]:
    from commands.rotating import rotate_embedded

    done = rotate_embedded(house, name, accept_loss=accept_loss)
    return done, _next(house, done)


def _in_stack(house: House, name: str, accept_loss: bool, yes: bool) -> tuple[Rotated, str]:
    from commands.deploying import confirm
    from commands.rotating import rotate_deployed, warning

    may_be = name in USES and (accept_loss or not USES[name].loses)  # what is refused anyway asks nothing
    if may_be and (meanwhile := warning(house, name)):
        console.print(meanwhile, markup=False, highlight=False)
        confirm(yes, f"Give {name} a new value now?")
    done, services = rotate_deployed(house, name, accept_loss=accept_loss)
    told = " `cli seed` tells Open WebUI." if done.use.seed and "seed" not in services else ""
    return done, (f"It is with {', '.join(services)}." if services else "Nothing that runs reads it.") + told


def _next(house: House, done: Rotated) -> str:
    """What brings the new value to those who read it."""
    here = [name for name in get_args(Endpoint) if name in done.use.parts]
    if not here:
        return "Nothing in this house reads it before `cli deploy` makes a stack of it."
    if not (house.state / "endpoints.json").exists():
        return "The house is down; what reads it finds the new value when it starts."
    told = ", and tells Open WebUI" if done.use.seed else ""
    return f"`cli up` restarts what reads it ({', '.join(here)}){told}."
