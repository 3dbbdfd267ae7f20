"""A table that the stock package made, and a client that has it imported."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psycopg
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.vector_stores.postgres import PGVectorStore

from maitre.settings import House
from rag_service.callers import HEADER, sign
from tests.rag_service.embedder import DIMENSION, embedding
from tests.rag_service.ingest.desk import OWNER
from tests.stores import drop_database


def nodes(count: int, documents: int = 3) -> list[TextNode]:
    """So many nodes, the first one of no document, the others of several."""
    made = []
    for number in range(count):
        text = f"Rule {number}: dogs of house {number} sleep outside."
        told = {"title": f"Rules {number % documents}", "page_label": str(number), "year": 2000 + number}
        one = TextNode(id_=f"n{number}", text=text, embedding=embedding(text), metadata=told)
        if number:
            one.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"d{number % documents}")
        made.append(one)
    return made


@dataclass(frozen=True)
class OldStore:
    """The table `old`, and the address of its database."""

    dsn: str
    store: PGVectorStore

    async def add(self, rows: list[TextNode]) -> None:
        """Add nodes as LlamaIndex does."""
        await asyncio.to_thread(self.store.add, list(rows))


@asynccontextmanager
async def old_store(house: House, dimension: int = DIMENSION) -> AsyncIterator[OldStore]:
    """An empty table of the stock store in a database of its own."""
    name = f"old_{uuid.uuid4().hex[:8]}"
    url = house.endpoint("postgres")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as server:
        await server.execute(f"create database {name}")
        theirs = urlsplit(url)._replace(path=f"/{name}").geturl()
        store = PGVectorStore.from_params(
            connection_string=theirs.replace("postgresql://", "postgresql+psycopg2://"),
            async_connection_string=theirs.replace("postgresql://", "postgresql+asyncpg://"),
            table_name="Old",
            embed_dim=dimension,
        )
        try:
            await asyncio.to_thread(store.add, [])
            yield OldStore(theirs.replace("postgresql://", "postgresql+psycopg2://"), store)
        finally:
            await store.close()
            await asyncio.to_thread(drop_database, url, name)


@dataclass(frozen=True)
class Client:
    """Somebody who asks the service at a URL; everything that it answered is in `heard`."""

    house: House
    url: str
    heard: list[str]
    operator: bool = True

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body."""
        key = self.house.secret("rag_key")
        token = sign(key, time.time(), user_id=OWNER, operator=self.operator)
        headers = {"authorization": f"Bearer {key}", HEADER: token}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            self.heard.append(await answer.text())
            return answer.status, await answer.json() if self.heard[-1] else None

    async def ended(self, job: str) -> dict[str, Any]:
        """Wait for the job's end; how it is then."""
        last = time.monotonic() + 40
        while True:
            _, told = await self.ask("GET", f"/jobs/{job}")
            if told["status"] in ("ready", "failed", "cancelled"):
                found: dict[str, Any] = told
                return found
            assert time.monotonic() < last, told
            await asyncio.sleep(0.05)
