"""Collections: who may read what."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Response

from rag_service import collections
from rag_service.access import Owner, Readers
from rag_service.callers import Caller
from rag_service.errors import Refused
from rag_service.forms import CollectionForm, Name, NewCollectionForm
from rag_service.routes.asked import Asked, Parts
from rag_service.service import Service

router = APIRouter(tags=["collections"])


@router.get("/collections")
async def every(caller: Asked, service: Parts) -> dict[str, list[dict[str, Any]]]:
    """Those that the caller may read."""
    async with service.pool.connection() as connection:
        return {"collections": [kept.shown() for kept in await collections.every(connection, caller)]}


@router.get("/collections/{name}")
async def one(name: str, caller: Asked, service: Parts) -> dict[str, Any]:
    """One of them."""
    async with service.pool.connection() as connection:
        return (await collections.find(connection, caller, name, counted=True)).shown()


@router.post("/collections", status_code=201)
async def add(form: NewCollectionForm, caller: Asked, service: Parts) -> dict[str, Any]:
    """Make a new one; a name that is taken is refused."""
    if not await _create(form.name, form, caller, service):
        raise _taken(form.name)
    return await one(form.name, caller, service)


@router.put("/collections/{name}")
async def put(
    name: Name, form: CollectionForm, caller: Asked, service: Parts, response: Response, later: BackgroundTasks
) -> dict[str, Any]:
    """Make one, or change what is given of one that is there."""
    if await _create(name, form, caller, service):
        response.status_code = 201
    else:
        await _change(name, form, caller, service, later)
    return await one(name, caller, service)


@router.delete("/collections/{name}", status_code=204)
async def delete(name: str, caller: Asked, service: Parts, later: BackgroundTasks) -> None:
    """Delete one with all its documents, whatever is being done with them."""
    async with service.pool.connection() as connection:
        collection = (await collections.find(connection, caller, name)).for_change(caller)
        await collections.delete(connection, collection, service.jobs, service.chunks)
    later.add_task(service.tend, collection)


async def _create(name: str, form: CollectionForm, caller: Caller, service: Service) -> bool:
    """False when the name is taken."""
    async with service.pool.connection() as connection:
        if await collections.taken(connection, name):
            return False
    owner = _owner(form, caller) or Owner(caller.user_id, caller.email)
    dimension = await service.embedder.dimension(service.on_behalf(owner.user, owner.email, caller))
    await service.chunks.prepare(dimension)
    values = {"name": name, "title": form.title or name, "description": form.description or ""}
    values |= {"language": form.language or "simple", "index": form.index or "hnsw", "model": service.embedding}
    readers = form.readers.noun() if form.readers is not None else Readers()
    async with service.pool.connection() as connection:
        return await collections.create(connection, {**values, "dimension": dimension}, owner, readers)


async def _change(name: str, form: CollectionForm, caller: Caller, service: Service, later: BackgroundTasks) -> None:
    async with service.pool.connection() as connection:
        try:
            kept = await collections.find(connection, caller, name)
        except Refused:
            raise _taken(name) from None
        kept.for_change(caller)
        values = form.model_dump(include={"title", "description", "language", "index"})
        readers = form.readers.noun() if form.readers is not None else None
        await collections.change(connection, kept, values, _owner(form, caller, kept.owner), readers)
    if form.index not in (None, kept.collection.index):
        async with service.pool.connection() as connection:
            changed = (await collections.find(connection, caller, name)).collection
        later.add_task(service.tend, changed)


def _owner(form: CollectionForm, caller: Caller, now: Owner | None = None) -> Owner | None:
    """The owner that the form names: for others than oneself only the operator may."""
    if form.owner is None or (owner := form.owner.noun()) == now:
        return None
    if not owner.user and not owner.email:
        raise Refused(400, "bad_request", "The parameter “owner” is wrong: it needs a “user” or an “email”.")
    own = owner.user in ("", caller.user_id.lower()) and owner.email in ("", caller.email.lower())
    if not own and not caller.operator:
        raise Refused(403, "foreign_owner", "Only the operator may make a collection somebody else's.")
    return owner


def _taken(name: str) -> Refused:
    return Refused(409, "name_taken", f"The name “{name}” is taken.")
