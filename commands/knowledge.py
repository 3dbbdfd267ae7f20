"""What the commands of knowledge share: the RAG service of a house, and on whose behalf it is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.output import house_of
from commands.people import guest, note
from maitre.errors import HouseError
from maitre.settings import House

if TYPE_CHECKING:
    from provisioning.rag_http import Behalf, RagService

NO_RAG = (
    "This house has no knowledge: maitre.yaml needs a section `rag:` that names its embedding model."
    " docs/configuration.md shows one; then run `cli up`."
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The collection's name.")]


def knowing(given: Path | None) -> House:
    """The checked house, which has knowledge. Raises HouseError for one without."""
    house = house_of(given)
    if house.rag is None:
        raise HouseError(NO_RAG)
    return house


def operators(house: House) -> RagService:
    """The RAG service, on behalf of the operator: who may do everything, at the expense of the house's first
    administrator."""
    return _service(house, asyncio.run(_administrator(house)))


def guests(house: House, who: str) -> RagService:
    """The RAG service, on behalf of a guest with the groups that they have in Open WebUI."""
    return _service(house, _guest(house, who))


def _service(house: House, behalf: Behalf) -> RagService:
    from provisioning.rag_http import RagService

    return RagService(house.endpoint("rag"), house.secret("rag_key"), behalf)


async def _administrator(house: House) -> Behalf:
    from maitre.books import open_books
    from provisioning.rag_http import Behalf

    email = next((user.email for user in house.users if user.role == "admin"), None)
    if email is None:
        raise HouseError("maitre.yaml names no user with the role admin, who pays for what the operator asks.")
    async with open_books(house) as books:
        account = await books.find_account(email)
    if account is None:
        raise HouseError(f"{email}, who pays for what the operator asks, has no account yet. `cli seed` opens it.")
    return Behalf(account.user_id, email, operator=True)


def _guest(house: House, who: str) -> Behalf:
    from provisioning.logins import passwords_of, signed_in
    from provisioning.openwebui_http import OpenWebUI
    from provisioning.rag_http import Behalf
    from provisioning.resources import groups, users

    web = OpenWebUI(house.endpoint("open_webui"))
    signed_in(house, web, passwords_of(house))
    people = users.read(web)
    found = people.get(who.lower()) or next((one for one in people.values() if one.id == who), None)
    if found is None:
        raise HouseError(f"Nobody in Open WebUI is called “{who}”.")
    names = tuple(group.name for group in groups.read(web) if group.id in found.groups)
    return Behalf(found.id, found.email, names)


def user_id_of(house: House, who: str) -> tuple[str, str]:
    """The Open WebUI user id and the e-mail of a guest. Raises HouseError when there is none."""
    from maitre.books import open_books

    async def ask() -> tuple[str, str]:
        async with open_books(house) as books:
            account = await guest(books, who)
            return account.user_id, account.email

    return asyncio.run(ask())


def noted(house: House, what: str, target: str, **detail: object) -> None:
    """Write into the action log what the operator has just done."""
    from maitre.books import open_books

    async def write() -> None:
        async with open_books(house) as books:
            await note(books, what, target, **detail)

    asyncio.run(write())
