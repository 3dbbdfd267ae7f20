"""Tables of the stock store that are taken over."""

from __future__ import annotations

from fastapi import APIRouter

from rag_service import collections, imports
from rag_service.errors import Refused
from rag_service.forms import ImportForm
from rag_service.routes.asked import Asked, Parts
from rag_service.seal_aesgcm import Seal

router = APIRouter(tags=["imports"])


@router.post("/collections/{name}/import", status_code=202)
async def take_over(name: str, form: ImportForm, caller: Asked, service: Parts) -> dict[str, str]:
    """Take over a table of `llama-index-vector-stores-postgres` with its embeddings, which must be of the collection's
    model. The operator's alone: it leads to any database. What was taken over answers at once, and stays when the
    import is cancelled; the same again brings what has come since."""
    if not caller.operator:
        raise Refused(403, "not_operator", "Only the operator may import a table.")
    async with service.pool.connection() as connection:
        collection = (await collections.find(connection, caller, name)).collection
        service.same_model(collection)
        job = await imports.enqueue(connection, collection, form.table.lower(), form.dsn, Seal(service.key))
    return {"job": job, "status": "waiting"}
