"""Knowledge of the RAG service, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maitre.chat.text import clean
from maitre.errors import KnowledgeDown
from maitre.knowledge.passage import Passage, Reader
from maitre.knowledge.rag_client_http import RagClient, problem

#: The service's word for collections that are not there, or not for this reader: then there is nothing to find.
UNKNOWN = "unknown_collection"


class HttpKnowledge:
    """Asks the service through the house's client of it, which whoever made it closes."""

    def __init__(self, client: RagClient) -> None:
        self._client = client

    async def find(
        self, reader: Reader, question: str, collections: Sequence[str], limit: int, seconds: float
    ) -> list[Passage]:
        body = {"question": question, "collections": list(collections), "limit": limit}
        status, told = await self._client.query(body, reader, seconds, "knowledge")
        if status == 404 and _code(told) == UNKNOWN:
            return []
        if status != 200:
            raise KnowledgeDown(f"the RAG service answers with {status}{problem(told)}")
        passages = told.get("passages")
        if not isinstance(passages, list):
            raise KnowledgeDown("the RAG service's answer holds no passages")
        return [found for one in passages[:limit] if (found := _passage(one)) is not None]


def _code(told: Mapping[str, Any]) -> object:
    error = told.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _passage(told: object) -> Passage | None:
    """A passage as the service tells it; None when it is none."""
    if not isinstance(told, dict) or not isinstance(told.get("text"), str) or not told["text"].strip():
        return None
    page, metadata, score = told.get("page"), told.get("metadata"), told.get("score")
    return Passage(
        id=_text(told, "id"),
        collection=_text(told, "collection"),
        document=_text(told, "document"),
        title=_text(told, "title"),
        text=clean(told["text"]),
        score=float(score) if isinstance(score, int | float) else 0.0,
        page=page if isinstance(page, int) and page > 0 else None,
        heading=_text(told, "heading"),
        url=_text(told, "url"),
        metadata=metadata if isinstance(metadata, dict) else None,
    )


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return clean(str(value))[:1000] if value is not None else ""
