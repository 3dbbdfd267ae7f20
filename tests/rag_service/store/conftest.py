"""A database of its own for every test of the store, and a way to fill collections."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from rag_service.store.chunks import Chunks
from tests.stores import drop_database


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database; it is gone afterwards."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield postgres_url.rpartition("/")[0] + f"/{name}"
    drop_database(postgres_url, name)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[AsyncConnectionPool]:
    """A pool of the database."""
    async with AsyncConnectionPool(database, min_size=1, max_size=8, open=False) as pool:
        yield pool


@pytest.fixture
async def chunks(pool: AsyncConnectionPool) -> Chunks:
    """A store with the tables of eight dimensions."""
    store = Chunks(pool)
    await store.prepare(8)
    return store
