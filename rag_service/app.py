"""The HTTP service, one FastAPI application.

MAITRE_HOUSE=… python -m maitre.http.http_server rag_service.app:app --port …
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import psycopg
from fastapi import FastAPI

from maitre.errors import HouseError
from maitre.settings import House, find_house, load_house
from rag_service import refusals
from rag_service.database import Pool, migrate, open_pool
from rag_service.description import describe
from rag_service.guard import Guard
from rag_service.routes import ROUTERS
from rag_service.service import Service

PATIENCE = 60  # seconds that a start waits for Postgres


def create(opened: Callable[[], AbstractAsyncContextManager[Service]]) -> FastAPI:
    """The application over the service that `opened` gives, for as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened() as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="Maitre RAG",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    refusals.install(app)
    describe(app)
    app.add_middleware(Guard, key=lambda: app.state.service.key, max_file=lambda: app.state.service.max_file_bytes)
    return app


@asynccontextmanager
async def opened() -> AsyncIterator[Service]:
    """The service of the house in MAITRE_HOUSE."""
    # What the house is made of is imported when it starts: LlamaIndex alone takes seconds.
    from rag_service import collections, jobs, queue
    from rag_service.chat_http import Chat
    from rag_service.embedder_http import Embedder
    from rag_service.store.chunks import Chunks

    house = load_house(find_house())
    async with AsyncExitStack() as stack:
        embedder, chat = Embedder(house), Chat(house)
        stack.push_async_callback(embedder.close)
        stack.push_async_callback(chat.close)
        pool = await _pool(house)
        stack.push_async_callback(pool.close)
        await migrate(pool)
        await queue.prepare(pool)
        chunks = Chunks(pool)
        await collections.prepare(pool, chunks)
        yield Service.of(house, pool, chunks, embedder, jobs, chat)


async def _pool(house: House) -> Pool:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await open_pool(house)
        except psycopg.OperationalError as down:
            if time.monotonic() > until:
                raise HouseError(f"Postgres does not answer within {PATIENCE} seconds.") from down
            await asyncio.sleep(0.5)


app = create(opened)
