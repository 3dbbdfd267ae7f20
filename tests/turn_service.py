"""A double of the RAG service as a memory by relevance uses it: collections of texts with metadata, found by their
words.

It checks the key and on whose behalf it is asked, and shows a collection to its owner only. Where it knows a gateway it
has its embeddings made there, as the real one does: of a question with the token that came with it, of a text with one
of its own for the owner.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import ClientSession, web

from tests.loopback import in_a_thread, served


@dataclass
class TurnService:
    """`collections`: by name its owner, and its documents by their keys. `fault`: a status that every answer has;
    `gateway`: where embeddings are made."""

    key: str
    url: str = ""
    gateway: str = ""
    fault: int = 0
    collections: dict[str, tuple[str, dict[str, dict[str, Any]]]] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Any request."""
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return _refusal(401, "unauthorized")
        claims = jwt.decode(request.headers["X-Maitre-On-Behalf-Of"], self.key, ["HS256"], issuer="maitre")
        self.claims.append(claims)
        if self.fault:
            return _refusal(self.fault, "faulty")
        said = json.loads(await request.read() or b"{}")
        parts = request.path.strip("/").split("/")
        match request.method, parts:
            case "PUT", ["collections", name]:
                self.collections.setdefault(name, (said["owner"]["user"], {}))
                return web.json_response({"name": name}, status=201)
            case "POST", ["index-text"] if documents := self._of(said["collection"], claims):
                await self._embed(said["text"], self._signed(claims["sub"]))
                documents[0][said["key"]] = {"text": said["text"], "metadata": said["metadata"]}
                return web.json_response({"document": "d", "job": "1", "status": "waiting"}, status=202)
            case "POST", ["query"] if documents := self._of(said["collections"][0], claims):
                await self._embed(said["question"], request.headers["X-Maitre-On-Behalf-Of"])
                return web.json_response({"passages": _found(documents[0], said)})
            case "DELETE", ["collections", name, "documents"] if documents := self._of(name, claims):
                filters = json.loads(request.query["filters"])
                gone = [key for key, one in documents[0].items() if _holds(filters, one["metadata"])]
                for key in gone:
                    del documents[0][key]
                return web.json_response({"deleted": len(gone)})
        return _refusal(404, "unknown_collection")

    async def _embed(self, text: str, token: str) -> None:
        if self.gateway:
            headers = {"Authorization": f"Bearer {self.key}", "X-Maitre-On-Behalf-Of": token}
            body = {"model": "vectors", "input": [text]}
            async with (
                ClientSession() as client,
                client.post(f"{self.gateway}/v1/embeddings", json=body, headers=headers) as told,
            ):
                assert told.status == 200, await told.text()

    def _signed(self, user_id: str) -> str:
        now = int(time.time())
        return jwt.encode({"iss": "maitre", "sub": user_id, "iat": now, "exp": now + 60}, self.key, "HS256")

    def _of(self, name: str, claims: Mapping[str, Any]) -> list[dict[str, dict[str, Any]]]:
        """The documents of the caller's collection, if there is one."""
        owner, documents = self.collections.get(name, ("", {}))
        return [documents] if owner == claims["sub"] else []

    def texts(self) -> list[str]:
        """Of all documents."""
        return [one["text"] for _, documents in self.collections.values() for one in documents.values()]


def _found(documents: Mapping[str, dict[str, Any]], said: Mapping[str, Any]) -> list[dict[str, Any]]:
    wanted, found = _words(said["question"]), []
    for key, one in documents.items():
        score = len(wanted & _words(one["text"]))
        if score and _holds(said["filters"], one["metadata"]):
            found.append({"id": key, "text": one["text"], "score": score, "metadata": one["metadata"]})
    return sorted(found, key=lambda one: -one["score"])[: said["limit"]]


def _holds(filters: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    assert filters["condition"] == "and"
    return all(_hold(one["operator"], metadata[one["key"]], one["value"]) for one in filters["filters"])


def _hold(operator: str, has: Any, value: Any) -> bool:
    match operator:
        case "==":
            return bool(has == value)
        case "!=":
            return bool(has != value)
    assert operator == "in"
    return has in value


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w+", text)}


def _refusal(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"message": f"It is {code}.", "type": "x", "code": code}}, status=status)


@asynccontextmanager
async def turn_service(key: str) -> AsyncIterator[TurnService]:
    """The service while the block runs."""
    service = TurnService(key)
    async with served(service.answer) as service.url:
        yield service


def running_turn_service(key: str) -> AbstractContextManager[TurnService]:
    """The same for a synchronous test."""
    return in_a_thread(turn_service(key), "turn-service")
