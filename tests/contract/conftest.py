"""Every contract test runs twice: on the twin in memory and on the real store, in a corner of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from maitre.billing.ledger import Ledger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.quota.memory_store import MemoryQuotaStore
from maitre.quota.store import QuotaStore
from maitre.sql.postgres import Database
from tests.contract.house import valkey_store
from tests.contract.rows import PRICES
from tests.stores import fresh_schema


@pytest.fixture(params=["memory", "valkey"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[QuotaStore]:
    """An empty QuotaStore."""
    if request.param == "memory":
        yield MemoryQuotaStore()
        return
    async with valkey_store(request.getfixturevalue("valkey_url")) as real:
        yield real


@pytest.fixture
def postgres_schema(postgres_url: str) -> str:
    """A URL of an empty schema."""
    return fresh_schema(postgres_url)


@pytest.fixture(params=["memory", "postgres"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    """An empty Ledger."""
    if request.param == "memory":
        yield MemoryLedger(PRICES)
        return
    database = Database(request.getfixturevalue("postgres_schema"))
    await database.migrate()
    yield PostgresLedger(database, PRICES)
    await database.close()


@pytest.fixture
async def closing() -> AsyncIterator[Callable[[Callable[[], Awaitable[Any]]], None]]:
    """Registers what is to be closed after the test."""
    steps: list[Callable[[], Awaitable[Any]]] = []
    yield steps.append
    for step in reversed(steps):
        await step()


@pytest.fixture
async def database(postgres_schema: str, closing: Callable[[Callable[[], Awaitable[Any]]], None]) -> Database:
    """Postgres alone, migrated."""
    database = Database(postgres_schema)
    closing(database.close)
    await database.migrate()
    return database
