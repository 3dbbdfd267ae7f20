"""Questions."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from rag_service import answers, collections
from rag_service.callers import Caller
from rag_service.chunk import Collection, Found, Search
from rag_service.errors import Refused
from rag_service.filters import filters_of, refused
from rag_service.forms import QueryForm, is_link
from rag_service.routes.asked import Asked, Parts
from rag_service.service import Service
from rag_service.store.faults import FilterFault

router = APIRouter(tags=["queries"])

#: What the service itself writes into a chunk's metadata; a passage shows it beside the owner's.
_OURS = ("title", "page", "heading", "url")


@router.post("/query")
async def query(form: QueryForm, caller: Asked, service: Parts) -> dict[str, Any]:
    """The passages that say most about a question, of those that the caller may read; with `answer` a model's answer
    from them, at the caller's expense. Of `collections` those are `unknown` that the caller may not read, or that do
    not exist."""
    model = form.model or service.answer_model
    if form.answer and model is None:
        raise Refused(400, "no_model", "The parameter “model” is missing, and the house has no model for answers.")
    filters = None if form.filters is None else filters_of(form.filters)
    async with service.pool.connection() as connection:
        readable = await collections.readable(connection, caller, form.collections)
    found = await _search(form, filters, readable, caller, service) if readable else []
    names = {collection.id: collection.name for collection in readable}
    passages = [_passage(one, names[one.collection]) for one in found]
    told: dict[str, Any] = {"passages": passages}
    if missing := sorted(set(form.collections or ()) - set(names.values())):
        told["unknown"] = missing
    if form.answer and model is not None:
        told["answer"] = await _answer(form.question, passages, model, caller, service)
    return told


async def _search(
    form: QueryForm, filters: Any, readable: Sequence[Collection], caller: Caller, service: Service
) -> list[Found]:
    if len({(collection.model, collection.dimension) for collection in readable}) > 1:
        raise Refused(
            400, "mixed_models", "The collections were made with different embedding models; ask them one by one."
        )
    embedding = None
    if form.mode != "text":
        service.same_model(readable[0])
        embedding = await service.embedder.question(form.question, caller.token)
        service.same_model(readable[0], len(embedding))
    ids = [collection.id for collection in readable]
    search = Search(ids, form.question, embedding, form.limit, form.mode, form.mmr, filters)
    try:
        return await service.chunks.search(readable, search)
    except FilterFault as senseless:
        raise refused(str(senseless)) from senseless


def _passage(found: Found, collection: str) -> dict[str, Any]:
    chunk = found.chunk
    said = chunk.metadata
    url, page = _text(said.get("url")), said.get("page")  # an owner's own metadata may have these names, too
    return {
        "id": chunk.node_id,
        "collection": collection,
        "document": chunk.document,
        "title": _text(said.get("title")),
        "text": chunk.text,
        "score": found.score,
        "page": page if type(page) is int else None,
        "heading": _text(said.get("heading")),
        "url": url if is_link(url) else "",
        "metadata": {name: value for name, value in said.items() if name not in _OURS},
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


async def _answer(
    question: str, passages: Sequence[Mapping[str, Any]], model: str, caller: Caller, service: Service
) -> dict[str, Any]:
    if not passages:
        return {"text": "", "citations": [], "model": model, "usage": None}
    said = await service.chat.answer(model, answers.messages(question, passages, secrets.token_hex(6)), caller.token)
    cited = answers.citations(said.text, len(passages))
    return {"text": said.text, "citations": cited, "model": said.model, "usage": said.usage}
