"""The index of turns in the RAG service: a collection for each account, which is its owner and its only reader."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from maitre.errors import HouseError, KnowledgeDown
from maitre.http.http_client import HttpClient, Unreachable
from maitre.http.http_connection import Broken
from maitre.knowledge import on_behalf_http
from maitre.memory.session import Session, SessionTurn
from maitre.memory.turn_index import collection_of, text_of

#: Of connecting, of keeping an idle connection (the service's server keeps it for five), and of one request. Seconds.
CONNECT, KEEP, LONGEST = 2.0, 4.0, 10.0

#: An answer that is longer is none. Bytes.
LARGEST = 4 * 1024 * 1024

#: Passages in one answer, and turns in one request to forget them.
MOST_FOUND, MOST_FORGOTTEN = 50, 100

#: The service takes such a request at another time: nobody is let in, or too many are.
LATER = (401, 403, 408, 409, 429)


class HttpTurnIndex:
    """Asks the service at `url`, with the house's secret `rag_key`. `now`: the machine's time, in seconds since the
    epoch. Used from one event loop."""

    def __init__(self, url: Callable[[], str], key: str, now: Callable[[], float]) -> None:
        self._url, self._key, self._now = url, key, now
        self._http = HttpClient(connect=CONNECT, keep=KEEP)

    async def put(self, user_id: str, session: Session, turn: SessionTurn) -> bool:
        text = text_of(turn)
        if not text:
            return False
        body = {
            "collection": collection_of(user_id),
            "text": text,
            "key": f"{session.id}/{turn.id}",
            "metadata": {
                "session": session.id,
                "assistant": session.assistant,
                "browser": "yes" if session.browser else "no",
                "turn": turn.id,
                "at": turn.at.isoformat(),
            },
        }
        status, told = await self._asked("POST", "/index-text", body, user_id)
        if status == 404:
            await self._make(user_id)
            status, told = await self._asked("POST", "/index-text", body, user_id)
        return _taken(status, told)

    async def find(
        self, user_id: str, session: Session, question: str, limit: int, *, turn_id: str = "", key_id: str = ""
    ) -> list[str]:
        body = {
            "question": question,
            "collections": [collection_of(user_id)],
            "limit": min(limit, MOST_FOUND),
            "mode": "hybrid",
            "filters": _filters(session),
        }
        status, told = await self._asked("POST", "/query", body, user_id, turn_id, key_id)
        if status == 404:
            return []  # nothing was kept of this account yet
        _taken(status, told)
        passages = told.get("passages")
        if status != 200 or not isinstance(passages, list):
            raise KnowledgeDown(f"the RAG service's answer of {status} holds no passages")
        found = [one["metadata"].get("turn") for one in passages if isinstance(one.get("metadata"), dict)]
        return list(dict.fromkeys(id for id in found if isinstance(id, str)))

    async def forget(self, user_id: str, turns: Collection[str]) -> None:
        ids = list(turns)
        for first in range(0, len(ids), MOST_FORGOTTEN):
            some = ids[first : first + MOST_FORGOTTEN]
            filters = {"filters": [{"key": "turn", "operator": "in", "value": some}], "condition": "and"}
            path = f"/collections/{collection_of(user_id)}/documents?" + urlencode({"filters": json.dumps(filters)})
            status, told = await self._asked("DELETE", path, None, user_id)
            if status != 404 and not 200 <= status < 300:
                raise KnowledgeDown(f"the RAG service does not forget, and answers with {status}{_problem(told)}")

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()

    async def _make(self, user_id: str) -> None:
        """Make the account's collection, unless somebody just did."""
        readers = {"everyone": False, "users": [], "groups": [], "assistants": []}
        body = {"title": "Memory", "owner": {"user": user_id}, "readers": readers}
        status, told = await self._asked("PUT", f"/collections/{collection_of(user_id)}", body, user_id)
        if not 200 <= status < 300:
            raise KnowledgeDown(f"the RAG service makes no collection, and answers with {status}{_problem(told)}")

    async def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | None, user_id: str, turn_id: str = "", key_id: str = ""
    ) -> tuple[int, Mapping[str, Any]]:
        """The status and the JSON of an answer; nothing where it has none."""
        said = b"" if body is None else json.dumps(body).encode()
        headers = on_behalf_http.headers(self._key, self._now(), user_id, turn_id=turn_id, key_id=key_id)
        data = bytearray()
        try:
            async with (
                asyncio.timeout(LONGEST),
                self._http.ask(method, self._url() + path, said, headers) as answer,
            ):
                status = answer.status
                while piece := await answer.read():
                    data += piece
                    if len(data) > LARGEST:
                        raise KnowledgeDown("the RAG service's answer is too long")
        except TimeoutError:
            raise KnowledgeDown(f"the RAG service does not answer within {LONGEST:g} seconds") from None
        except (Unreachable, Broken, ValueError, HouseError) as fault:
            raise KnowledgeDown(f"the RAG service is not reached: {fault}") from fault
        try:
            told = json.loads(data) if data else {}
        except (ValueError, RecursionError):
            told = {}
        if status >= 500:
            raise KnowledgeDown(f"the RAG service answers with {status}{_problem(told)}")
        return status, told if isinstance(told, dict) else {}


def _filters(session: Session) -> Mapping[str, Any]:
    """Of which turns a turn of the session is told."""
    if not session.browser:
        wanted = [{"key": "session", "operator": "==", "value": session.id}]
    else:
        wanted = [
            {"key": "assistant", "operator": "==", "value": session.assistant},
            {"key": "browser", "operator": "==", "value": "yes"},
            {"key": "session", "operator": "!=", "value": session.id},
        ]
    return {"filters": wanted, "condition": "and"}


def _taken(status: int, told: Mapping[str, Any]) -> bool:
    """Whether the service took a request. Raises KnowledgeDown where it may take it at another time."""
    if status == 404 or status in LATER:
        raise KnowledgeDown(f"the RAG service answers with {status}{_problem(told)}")
    return 200 <= status < 300


def _problem(told: object) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return f": {message[:200]}" if isinstance(message, str) else ""
