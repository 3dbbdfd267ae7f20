"""`cli init`: a house's files, secrets and demo passwords, each only where it is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from commands.output import HouseOption, VerboseOption, console, one_sentence
from maitre.errors import HouseError
from maitre.settings import find_house, load_house

DOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+"
EMAIL = r"[^@\s\"'{}\[\],:#]+@" + DOMAIN


def init(
    stack: Annotated[
        str | None,
        typer.Option("--stack", metavar="DOMAIN", help="Make a house for `cli deploy` on a server of this domain."),
    ] = None,
    email: Annotated[
        str | None,
        typer.Option("--email", metavar="E-MAIL", help="With --stack: of its administrator. Default: admin@DOMAIN."),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="With --stack: the server has a GPU.")] = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Make a house: the example's files, its secrets, and passwords for its demo users. Changes nothing that exists."""
    from devstack import scaffold

    with one_sentence(verbose):
        if stack is None and (gpu or email is not None):
            raise HouseError("--email and --gpu are for a server's house; name its domain: `cli init --stack DOMAIN`.")
        directory = find_house(house)
        made = {
            "Files": scaffold.copy_example(directory) if stack is None else _stack(directory, stack, email, gpu),
            "Secrets": scaffold.make_secrets(directory),
            "Passwords": scaffold.make_logins(load_house(directory)),
        }
    for what, names in made.items():
        if names:
            console.print(f"{what} made: {', '.join(names)}", markup=False, highlight=False)
    written = (directory / "maitre.yaml").read_text("utf-8")
    starts = "cli deploy" if re.search(r"^stack:", written, re.MULTILINE) else "cli up"
    if any(made.values()):
        console.print(f"The house is in {directory}. `{starts}` starts it.", markup=False, highlight=False)
    else:
        console.print(f"Nothing to do: the house in {directory} has all its files and secrets.", markup=False)


def _stack(directory: Path, domain: str, email: str | None, gpu: bool) -> list[str]:
    """Write the files of a house for a server; their names. Raises HouseError when there is a house already."""
    from compose.new_house import Wish, new_house
    from compose.stack.models import of_size
    from devstack import scaffold

    if (directory / "maitre.yaml").exists():
        raise HouseError(
            f"There is a house in {directory} already, and it was left as it is. Choose another folder: `--house DIR`."
        )
    if re.fullmatch(DOMAIN, domain) is None:
        raise HouseError(f"“{domain}” is no domain: it is as example.com, without https:// and in lower case.")
    if email is not None and re.fullmatch(EMAIL, email) is None:
        raise HouseError(f"“{email}” is no e-mail address.")
    chat, embedding = of_size("gpu" if gpu else "small")
    wish = Wish(domain, (email or f"admin@{domain}").lower(), "gpu" if gpu else "small", chat, embedding)
    texts = new_house({name: text.decode() for name, text in scaffold.example().items()}, wish)
    return scaffold.write_house(directory, {name: text.encode() for name, text in texts.items()})
