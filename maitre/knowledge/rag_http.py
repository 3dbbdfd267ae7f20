"""Knowledge of the RAG service, over HTTP. On whose behalf it is asked stands in a signed token that lives a minute."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maitre.chat.text import clean
from maitre.errors import HouseError, KnowledgeDown
from maitre.http.http_client import HttpClient, Unreachable
from maitre.http.http_connection import Broken
from maitre.knowledge import on_behalf_http
from maitre.knowledge.passage import Passage, Reader

#: Of connecting, and of keeping an idle connection: the service's server keeps it for five. Seconds.
CONNECT, KEEP = 2.0, 4.0

#: The service's word for collections that are not there, or not for this reader: then there is nothing to find.
UNKNOWN = "unknown_collection"

#: An answer that is longer is none. Bytes.
LARGEST = 4 * 1024 * 1024


class HttpKnowledge:
    """Asks the service at `url`, with the house's secret `rag_key`. `now`: the machine's time, in seconds since the
    epoch. Used from one event loop."""

    def __init__(self, url: Callable[[], str], key: str, now: Callable[[], float]) -> None:
        self._url, self._key, self._now = url, key, now
        self._http = HttpClient(connect=CONNECT, keep=KEEP)

    async def find(
        self, reader: Reader, question: str, collections: Sequence[str], limit: int, seconds: float
    ) -> list[Passage]:
        body = {"question": question, "collections": list(collections), "limit": limit}
        try:
            async with asyncio.timeout(seconds):
                answer = await self._posted("/query", body, reader)
        except TimeoutError:
            raise KnowledgeDown(f"the RAG service does not answer within {seconds:g} seconds") from None
        passages = answer.get("passages")
        if not isinstance(passages, list):
            raise KnowledgeDown("the RAG service's answer holds no passages")
        return [found for one in passages[:limit] if (found := _passage(one)) is not None]

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()

    async def _posted(self, path: str, body: Mapping[str, Any], reader: Reader) -> Mapping[str, Any]:
        headers = on_behalf_http.headers(
            self._key,
            self._now(),
            reader.user_id,
            email=reader.email,
            groups=reader.groups,
            assistant=reader.assistant,
            turn_id=reader.turn_id,
            key_id=reader.key_id,
            record=reader.record,
        )
        said, data = json.dumps(body).encode(), bytearray()
        try:
            async with self._http.post(self._url() + path, said, headers) as answer:
                status = answer.status
                while piece := await answer.read():
                    data += piece
                    if len(data) > LARGEST:
                        raise KnowledgeDown("the RAG service's answer is too long")
        except (Unreachable, Broken, ValueError, HouseError) as fault:
            raise KnowledgeDown(f"the RAG service is not reached: {fault}") from fault
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            told = None
        if status == 404 and _code(told) == UNKNOWN:
            return {"passages": []}
        if status != 200 or not isinstance(told, dict):
            raise KnowledgeDown(f"the RAG service answers with {status}{_problem(told)}")
        return told


def _code(told: object) -> object:
    error = told.get("error") if isinstance(told, dict) else None
    return error.get("code") if isinstance(error, dict) else None


def _problem(told: object) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return f": {message[:200]}" if isinstance(message, str) else ""


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
