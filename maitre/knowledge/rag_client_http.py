"""The engine's one client of the RAG service, over HTTP. On whose behalf it asks stands in a signed token that lives a
minute."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from maitre.errors import HouseError, KnowledgeDown
from maitre.http.http_client import HttpClient, Unreachable
from maitre.http.http_connection import Broken
from maitre.knowledge import on_behalf_http
from maitre.knowledge.passage import Reader
from maitre.providers.breaker import Breaker

#: Of connecting, and of keeping an idle connection: the service's server keeps it for five. Seconds.
CONNECT, KEEP = 2.0, 4.0

#: An answer that is longer is none. Bytes.
LARGEST = 4 * 1024 * 1024

#: A question that nobody waited for so long says nothing of the service when it has no answer. Seconds.
FAIR = 0.5

#: Guests of whom is known that their questions failed.
MOST_BREAKERS = 1000

Kind = Literal["knowledge", "memory"]


class Late(KnowledgeDown):
    """No answer came in the time that there was for it."""


class RagClient:
    """Asks the service at `url`, with the house's secret `rag_key`. `now`: the machine's time, in seconds since the
    epoch; `clock`: seconds of any steady clock. Used from one event loop."""

    def __init__(self, url: Callable[[], str], key: str, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._url, self._key, self._now, self._clock = url, key, now, clock
        self._http = HttpClient(connect=CONNECT, keep=KEEP)
        self._breakers: dict[tuple[str, str], Breaker] = {}  # of those whose last question failed

    async def query(
        self, body: Mapping[str, Any], reader: Reader, seconds: float, kind: Kind
    ) -> tuple[int, Mapping[str, Any]]:
        """The answer to a question that a turn waits for, as of `ask`; but a service that failed this guest again and
        again just now, with questions of this kind, is left alone for a while, and KnowledgeDown raised at once. Each
        guest has a breaker, because one with many calls waits in the embedder's line alone; and each kind, because one
        may have less time than the service needs."""
        asks, began = (reader.user_id, kind), self._clock()
        breaker = self._breakers.get(asks, Breaker())
        if breaker.state(began) != "closed" and not breaker.probe(began):
            why = f"it was not asked, because it failed {breaker.failures} times just now"
            raise KnowledgeDown(f"the RAG service is not reached: {why}")
        try:
            answer = await self.ask("POST", "/query", body, reader, seconds)
        except (Late, asyncio.CancelledError):  # a turn that has no more time cancels, and so does a guest who leaves
            if self._clock() - began >= FAIR:
                self._failed(asks)
            raise
        except KnowledgeDown:
            self._failed(asks)
            raise
        self._breakers.pop(asks, None)
        return answer

    def _failed(self, asks: tuple[str, str]) -> None:
        breaker = self._breakers.pop(asks, None) or Breaker()
        breaker.failed(self._clock())
        self._breakers[asks] = breaker
        if len(self._breakers) > MOST_BREAKERS:
            del self._breakers[next(iter(self._breakers))]  # whose failure is the longest ago

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
            raise Late(f"the RAG service does not answer within {seconds:g} seconds") from None
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
