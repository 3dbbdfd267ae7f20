"""The service as its clients see it, over HTTP, on a real Postgres with a database of its own."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import psycopg
import uvicorn

from maitre.settings import House
from rag_service import callers, jobs, queue
from rag_service.app import create
from rag_service.chunk import Chunk
from rag_service.collections import collection_of
from rag_service.database import migrate, open_pool, row
from rag_service.service import Service
from rag_service.store.chunks import Chunks
from tests.rag_service.doubles import Told, Words, embedding
from tests.stores import drop_database

KEY = "key-of-the-tests-0123456789abcdef0123456789"
MODEL = "words"
LARGEST = 2**20  # bytes of a file


@dataclass(frozen=True)
class Person:
    """Somebody who asks."""

    user_id: str
    email: str = ""
    groups: tuple[str, ...] = ()
    assistant: str = ""
    operator: bool = False

    def token(self, key: str = KEY, now: float | None = None) -> str:
        """The signed token that says so."""
        return callers.sign(
            key,
            time.time() if now is None else now,
            user_id=self.user_id,
            email=self.email,
            groups=self.groups,
            assistant=self.assistant,
            operator=self.operator,
        )


ANN = Person("u-ann", "ann@house.example")
BOB = Person("u-bob", "bob@house.example")
OPERATOR = Person("u-root", "root@house.example", operator=True)


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of the error that it is."""
        return str(self.json["error"]["code"])


@dataclass(frozen=True)
class Desk:
    """A running service and a client."""

    service: Service
    embedder: Words
    chat: Told
    session: aiohttp.ClientSession
    url: str
    house: House
    database: str

    async def ask(self, person: Person, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """What the service answers to this person."""
        headers = {"Authorization": f"Bearer {KEY}", callers.HEADER: person.token(), **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
            return Reply(answer.status, answer.headers, await answer.text())

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Meanwhile the service's database takes no connections, and those that there were are gone."""
        async with await psycopg.AsyncConnection.connect(self.house.endpoint("postgres"), autocommit=True) as other:
            await other.execute(f"alter database {self.database} with allow_connections false")
            await other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [self.database]
            )
            try:
                yield
            finally:
                await other.execute(f"alter database {self.database} with allow_connections true")

    async def collection(self, person: Person, name: str, **form: Any) -> dict[str, Any]:
        """A new collection of that person's."""
        made = await self.ask(person, "PUT", f"/collections/{name}", form)
        assert made.status == 201, made.text
        found: dict[str, Any] = made.json
        return found

    async def text(self, person: Person, collection: str, key: str, text: str, **form: Any) -> dict[str, Any]:
        """A document that answers: what a worker does with a text of one chunk."""
        body = {"collection": collection, "key": key, "text": text, **form}
        accepted = await self.ask(person, "POST", "/index-text", body)
        assert accepted.status == 202, accepted.text
        await self.work(accepted.json["document"], text)
        found: dict[str, Any] = accepted.json
        return found

    async def work(self, document: str, text: str) -> None:
        """Make the document ready, with this text as its one chunk."""
        async with self.service.pool.connection() as connection:
            found = await row(
                connection,
                """select to_jsonb(c) as collection, d.title, d.url, d.metadata, d.version from documents d
                join collections c on c.id = d.collection where d.id = %s""",
                [document],
            )
        assert found is not None
        collection, version = collection_of(found["collection"]), found["version"] + 1
        said = {**found["metadata"], "title": found["title"], "url": found["url"], "page": 1}
        chunk = Chunk(str(uuid.uuid4()), document, text, embedding(text), said)
        chunks = self.service.chunks
        assert isinstance(chunks, Chunks)
        await chunks.stage(collection, document, version, [chunk])
        async with self.service.pool.connection() as connection:
            await chunks.publish(connection, collection, document, version)
            await connection.execute(
                "update documents set status = 'ready', version = %s, chunks = 1 where id = %s", [version, document]
            )
            await connection.execute("update jobs set status = 'ready' where document = %s", [document])


@asynccontextmanager
async def open_desk(house: House) -> AsyncIterator[Desk]:
    """The service on a new database of that house's Postgres, which is dropped at the end."""
    name = f"rag_{uuid.uuid4().hex[:12]}"
    embedder, chat = Words(), Told()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Service]:
        pool = await open_pool(house, name)
        try:
            await migrate(pool)
            await queue.prepare(pool)
            yield Service(KEY, MODEL, None, LARGEST, pool, Chunks(pool), embedder, jobs, chat)
        finally:
            await pool.close()

    app = create(opened)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                serving.result()
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            yield Desk(app.state.service, embedder, chat, session, f"http://127.0.0.1:{port}", house, name)
    finally:
        server.should_exit = True
        await serving
        await asyncio.to_thread(drop_database, house.endpoint("postgres"), name)
