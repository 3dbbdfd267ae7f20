"""Documents that are there."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query

from rag_service import collections, documents
from rag_service.chunk import Status
from rag_service.filters import filters_of, refused
from rag_service.forms import Line
from rag_service.plain import parsed
from rag_service.routes.asked import Asked, Parts
from rag_service.store.faults import FilterFault

router = APIRouter(tags=["documents"])


@router.get("/collections/{name}/documents")
async def listed(
    name: str,
    caller: Asked,
    service: Parts,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[Line, Query(description="The key after which to begin: `next` of the page before.")] = "",
    status: Status | None = None,
) -> dict[str, Any]:
    """A collection's documents by their keys. `next` is null on the last page."""
    async with service.pool.connection() as connection:
        kept = await collections.find(connection, caller, name)
        shown, following = await documents.listed(connection, kept, limit, after, status)
    return {"documents": shown, "next": following}


@router.delete("/collections/{name}/documents")
async def forget(
    name: str,
    caller: Asked,
    service: Parts,
    filters: Annotated[str, Query(max_length=20_000)],
    later: BackgroundTasks,
) -> dict[str, int]:
    """Delete the documents whose metadata the filters (LlamaIndex's MetadataFilters as JSON) hold for."""
    try:
        wanted = filters_of(parsed(filters))
    except ValueError as bad:
        raise refused("it is no JSON") from bad
    async with service.pool.connection() as connection:
        collection = (await collections.find(connection, caller, name)).for_change(caller)
        try:
            found = await documents.ids_of(connection, collection, wanted)
        except FilterFault as senseless:
            raise refused(str(senseless)) from senseless
        deleted = await documents.delete(connection, collection, found, service.jobs, service.chunks)
    later.add_task(service.tend, collection)
    return {"deleted": deleted}


@router.post("/collections/{name}/re-index", status_code=202)
async def again_all(name: str, caller: Asked, service: Parts) -> dict[str, Any]:
    """Index all documents of a collection anew that were uploaded; until each is ready, what there is of it answers."""
    accepted = []
    async with service.pool.connection() as connection:
        collection = (await collections.find(connection, caller, name)).for_change(caller)
        service.same_model(collection)
        for id in await documents.uploaded(connection, collection):
            accepted.append((await documents.again(connection, service.jobs, id)).shown())
    return {"documents": accepted}


@router.get("/documents/{id}")
async def one(id: str, caller: Asked, service: Parts) -> dict[str, Any]:
    """A document, and how its newest job ended."""
    async with service.pool.connection() as connection:
        return dict((await documents.find(connection, caller, id)).shown)


@router.delete("/documents/{id}", status_code=204)
async def delete(id: str, caller: Asked, service: Parts) -> None:
    """Delete a document, whatever is being done with it."""
    async with service.pool.connection() as connection:
        found = await documents.find(connection, caller, id)
        collection = found.kept.for_change(caller)
        await documents.delete(connection, collection, [found.id], service.jobs, service.chunks)


@router.post("/documents/{id}/re-index", status_code=202)
async def again(id: str, caller: Asked, service: Parts) -> dict[str, str]:
    """Index a document anew; until it is ready, what there is of it answers."""
    async with service.pool.connection() as connection:
        found = await documents.find(connection, caller, id)
        service.same_model(found.kept.for_change(caller))
        return (await documents.again(connection, service.jobs, found.id)).shown()
