"""The engine's one client of the RAG service, over HTTP. On whose behalf it asks stands in a signed token that lives a
minute."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from maitre.errors import HouseError, KnowledgeDown
from maitre.http.http_client import HttpClient, Unreachable
from maitre.http.http_connection import Broken
from maitre.knowledge import on_behalf_http
from maitre.knowledge.passage import Reader

#: Of connecting, and of keeping an idle connection: the service's server keeps it for five. Seconds.
CONNECT, KEEP = 2.0, 4.0

#: An answer that is longer is none. Bytes.
LARGEST = 4 * 1024 * 1024


class RagClient:
    """Asks the service at `url`, with the house's secret `rag_key`. `now`: the machine's time, in seconds since the
    epoch. Used from one event loop."""

    def __init__(self, url: Callable[[], str], key: str, now: Callable[[], float]) -> None:
        self._url, self._key, self._now = url, key, now
        self._http = HttpClient(connect=CONNECT, keep=KEEP)

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, reader: Reader, seconds: float
    ) -> tuple[int, Mapping[str, Any]]:
        """The status of an answer and its JSON object, an empty one where it has none. Raises KnowledgeDown when the
        service is not reached, does not answer in so many seconds, or answers with a fault of its own."""
        said = b"" if body is None else json.dumps(body).encode()
        try:
            async with asyncio.timeout(seconds):
                status, data = await self._answer(method, path, said, reader)
        except TimeoutError:
            raise KnowledgeDown(f"the RAG service does not answer within {seconds:g} seconds") from None
        except (Unreachable, Broken, ValueError, HouseError) as fault:
            raise KnowledgeDown(f"the RAG service is not reached: {fault}") from fault
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            told = None
        told = told if isinstance(told, dict) else {}
        if status >= 500:
            raise KnowledgeDown(f"the RAG service answers with {status}{problem(told)}")
        return status, told

    async def _answer(self, method: str, path: str, said: bytes, reader: Reader) -> tuple[int, bytes]:
        data = bytearray()
        async with self._http.ask(method, self._url() + path, said, self._headers(reader)) as answer:
            while piece := await answer.read():
                data += piece
                if len(data) > LARGEST:
                    raise KnowledgeDown("the RAG service's answer is too long")
            return answer.status, bytes(data)

    def _headers(self, reader: Reader) -> Mapping[str, str]:
        return on_behalf_http.headers(
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

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()


def problem(told: Mapping[str, Any]) -> str:
    """The sentence of an error of the service's, to be put behind its status; nothing where it has none."""
    error = told.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return f": {message[:200]}" if isinstance(message, str) else ""
