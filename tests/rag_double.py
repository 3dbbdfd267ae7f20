"""A double of the RAG service that speaks the contract of POST /query, on loopback: over the twin in memory, with the
checks of key and token that the service makes, and faults on demand."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import jwt
from aiohttp import web

from maitre.knowledge.knowledge_memory import MemoryKnowledge
from maitre.knowledge.passage import Reader
from maitre.settings import House
from tests.loopback import in_a_thread, served

KEY = "the-key-of-the-rag-service-in-tests"


@dataclass
class RagDouble:
    """Its shelves, what it was asked (the body with the token's claims), and how it misbehaves: `broken`, `silent`,
    `nonsense`, or an HTTP status."""

    key: str = KEY
    url: str = ""
    library: MemoryKnowledge = field(default_factory=MemoryKnowledge)
    asked: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    came: asyncio.Event = field(default_factory=asyncio.Event)  # a question that is met with silence
    stalled: asyncio.Event = field(default_factory=asyncio.Event)

    async def query(self, request: web.Request) -> web.StreamResponse:
        """Answer a question, or do what the fault says."""
        claims = self._claims(request)
        if claims is None:
            return _error(401, "Who asks is not known.")
        body = await request.json()
        self.asked.append({**body, "claims": claims})
        match self.fault:
            case "broken":
                assert request.transport is not None
                request.transport.close()
            case "silent":
                self.came.set()
                await self.stalled.wait()
            case "nonsense":
                return web.json_response(
                    {"passages": [7, {}, {"text": " "}, {"text": "fine", "page": "x"}, {"text": 1}]}
                )
            case status if status.isdigit():
                return _error(int(status), "The collections have different models.")
        reader = Reader(claims["sub"], claims["email"], tuple(claims["groups"]), claims["assistant"], claims["turn"])
        if not self.library.open_to(reader, body["collections"]):
            return _error(404, "There is no collection “x”.", "unknown_collection")
        found = await self.library.find(reader, body["question"], body["collections"], body.get("limit", 5), 1)
        return web.json_response({"passages": [asdict(one) for one in found]})

    def _claims(self, request: web.Request) -> dict[str, Any] | None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                request.headers.get("X-Maitre-On-Behalf-Of", ""),
                self.key,
                algorithms=["HS256"],
                issuer="maitre",
                leeway=5,
                options={"require": ["iss", "sub", "iat", "exp"]},
            )
        except jwt.PyJWTError:
            return None
        return claims if claims["exp"] <= time.time() + 65 else None


def _error(status: int, message: str, code: str = "x") -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "code": code}
    return web.json_response({"error": error}, status=status)


@asynccontextmanager
async def rag_double(key: str = KEY) -> AsyncIterator[RagDouble]:
    """The double while the block runs."""
    double = RagDouble(key)
    async with served(double.query, "/query", "POST", handler_cancellation=True, keepalive_timeout=5) as double.url:
        try:
            yield double
        finally:
            double.stalled.set()


def running_rag_double(key: str = KEY) -> AbstractContextManager[RagDouble]:
    """The same for a synchronous test."""
    return in_a_thread(rag_double(key), "rag-double")


def put_up(house: House, double: RagDouble) -> None:
    """Write down where the house's RAG service is, as `cli up` does."""
    double.key = house.secret("rag_key")
    file = house.state / "endpoints.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "rag": double.url}))
