"""The index of turns in the RAG service: a collection for each account, which is its owner and its only reader."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from maitre.errors import KnowledgeDown
from maitre.knowledge.passage import Reader
from maitre.knowledge.rag_client_http import RagClient, problem
from maitre.memory.session import Session, SessionTurn
from maitre.memory.turn_index import collection_of, text_of

#: Of one request. Seconds.
LONGEST = 10.0

#: Passages in one answer, and turns in one request to forget them.
MOST_FOUND, MOST_FORGOTTEN = 50, 100

#: The service takes such a request at another time: nobody is let in, or too many are.
LATER = (401, 403, 408, 409, 429)


class HttpTurnIndex:
    """Asks the service through the house's client of it, which whoever made it closes."""

    def __init__(self, client: RagClient) -> None:
        self._client = client

    async def put(self, user_id: str, session: Session, turn: SessionTurn) -> bool:
        text = text_of(turn)
        if not text:
            return False
        owner = Reader(user_id)
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
        status, told = await self._client.ask("POST", "/index-text", body, owner, LONGEST)
        if status == 404:
            await self._make(owner)
            status, told = await self._client.ask("POST", "/index-text", body, owner, LONGEST)
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
        owner = Reader(user_id, turn_id=turn_id, key_id=key_id)
        status, told = await self._client.query(body, owner, LONGEST, "memory")
        if status == 404:
            return []  # nothing was kept of this account yet
        _taken(status, told)
        passages = told.get("passages")
        if status != 200 or not isinstance(passages, list):
            raise KnowledgeDown(f"the RAG service's answer of {status} holds no passages")
        said = [one.get("metadata") for one in passages if isinstance(one, dict)]
        found = [metadata.get("turn") for metadata in said if isinstance(metadata, dict)]
        return list(dict.fromkeys(id for id in found if isinstance(id, str)))

    async def forget(self, user_id: str, turns: Collection[str]) -> None:
        ids = list(turns)
        for first in range(0, len(ids), MOST_FORGOTTEN):
            some = ids[first : first + MOST_FORGOTTEN]
            filters = {"filters": [{"key": "turn", "operator": "in", "value": some}], "condition": "and"}
            path = f"/collections/{collection_of(user_id)}/documents?" + urlencode({"filters": json.dumps(filters)})
            status, told = await self._client.ask("DELETE", path, None, Reader(user_id), LONGEST)
            if status != 404 and not 200 <= status < 300:
                raise KnowledgeDown(f"the RAG service does not forget, and answers with {status}{problem(told)}")

    async def _make(self, owner: Reader) -> None:
        """Make the account's collection, unless somebody just did."""
        readers = {"everyone": False, "users": [], "groups": [], "assistants": []}
        body = {"title": "Memory", "owner": {"user": owner.user_id}, "readers": readers}
        path = f"/collections/{collection_of(owner.user_id)}"
        status, told = await self._client.ask("PUT", path, body, owner, LONGEST)
        if not 200 <= status < 300:
            raise KnowledgeDown(f"the RAG service makes no collection, and answers with {status}{problem(told)}")


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
        raise KnowledgeDown(f"the RAG service answers with {status}{problem(told)}")
    return 200 <= status < 300
