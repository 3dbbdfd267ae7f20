"""`cli collections grant` and `revoke`: who may read a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.collection_view import summary
from commands.knowledge import NameArgument, knowing, noted, operators
from commands.output import HouseOption, VerboseOption, console, one_sentence
from maitre.errors import HouseError

UsersOption = Annotated[
    list[str] | None, typer.Option("--user", metavar="E-MAIL", help="A user, by e-mail or id; may be repeated.")
]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--group", metavar="NAME", help="A group of Open WebUI; may be repeated.")
]
AssistantsOption = Annotated[
    list[str] | None, typer.Option("--assistant", metavar="SLUG", help="An assistant's guests; may be repeated.")
]
EveryoneOption = Annotated[bool, typer.Option("--everyone", help="Everybody in the house.")]


def grant(
    name: NameArgument,
    user: UsersOption = None,
    group: GroupsOption = None,
    assistant: AssistantsOption = None,
    everyone: EveryoneOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Let others read a collection. What maitre.yaml says of a collection, `cli seed` puts back."""
    with one_sentence(verbose):
        _change("grant", name, house, named(everyone, user, group, assistant))


def revoke(
    name: NameArgument,
    user: UsersOption = None,
    group: GroupsOption = None,
    assistant: AssistantsOption = None,
    everyone: EveryoneOption = False,
    house: HouseOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Take the reading of a collection from others. What maitre.yaml says of a collection, `cli seed` puts back."""
    with one_sentence(verbose):
        _change("revoke", name, house, named(everyone, user, group, assistant))


def _change(verb: str, name: str, house: Path | None, those: dict[str, Any]) -> None:
    if not any(those.values()):
        raise HouseError("Say who: --user, --group, --assistant or --everyone.")
    checked = knowing(house)
    service = operators(checked)
    now = service.get("collections", name)["readers"]
    service.put("collections", name, body={"readers": changed(verb, now, those)})
    noted(checked, f"collection.{verb}", name, **{kind: who for kind, who in those.items() if who})
    console.print(summary(service.get("collections", name)), markup=False, highlight=False)


def changed(verb: str, now: dict[str, Any], those: dict[str, Any]) -> dict[str, Any]:
    """Readers with some added (`grant`) or taken away (`revoke`)."""
    after: dict[str, Any] = {"everyone": verb == "grant" if those["everyone"] else now["everyone"]}
    for kind in ("users", "groups", "assistants"):
        there, named = set(now[kind]), set(those[kind])
        after[kind] = sorted(there | named if verb == "grant" else there - named)
    return after


def named(
    everyone: bool, users: list[str] | None, groups: list[str] | None, assistants: list[str] | None
) -> dict[str, Any]:
    return {
        "everyone": everyone,
        "users": [user.lower() for user in users or ()],
        "groups": groups or [],
        "assistants": assistants or [],
    }
