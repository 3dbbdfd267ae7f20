"""A worker's surroundings: the real database, the embedder that stands for the gateway, a desk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from maitre.settings import House
from rag_service import queue
from rag_service.database import Pool, migrate, open_pool
from tests.rag_service.embedder import EmbedderDouble
from tests.rag_service.ingest.desk import Desk, open_desk


@pytest.fixture
def embedder(stores: House) -> Iterator[EmbedderDouble]:
    """An embedder that takes the house's key."""
    with EmbedderDouble(stores.secret("rag_key")).running() as double:
        yield double


@pytest.fixture
async def pool(stores: House) -> AsyncIterator[Pool]:
    """The service's database, brought up to date."""
    pool = await open_pool(stores, size=6)
    await migrate(pool)
    await queue.prepare(pool)
    async with pool.connection() as connection:  # what a test before left in the queue is nobody's
        await connection.execute("truncate procrastinate_jobs, procrastinate_workers cascade")
        await connection.execute("truncate collections cascade")
    yield pool
    await pool.close()


@pytest.fixture
async def desk(pool: Pool) -> Desk:
    """A fresh collection."""
    return await open_desk(pool)
