"""How migrations are applied to real databases: once, whole, and in the way of nobody."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from maitre.errors import HouseError
from maitre.settings import House
from maitre.sql import postgres
from maitre.sql.postgres import Database, migrations
from rag_service import database as rag

pytestmark = pytest.mark.contract
GOOD = {"0001_a.sql": "create table a (x int);\ninsert into a values (1);"}
BROKEN = {
    **GOOD,
    "0002_b.sql": "-- More of it.\nalter table a add column y int;\n\nalter table a\n  add constraint c check (x > 1);",
}
SENTENCE = r"0002_b.sql, line 4 \(alter table a add constraint c check \(x > 1\)\) failed: check constraint .* violated"


@pytest.fixture
async def database(postgres_schema: str) -> AsyncIterator[Database]:
    """An empty corner of Postgres."""
    opened = Database(postgres_schema)
    yield opened
    await opened.close()


async def test_a_migration_that_fails_leaves_nothing_and_is_named(database: Database) -> None:
    """File, line and statement; those before it in the same run are undone, too, and the next run begins anew."""
    with pytest.raises(HouseError, match=SENTENCE):
        await database.migrate(BROKEN)
    found = await database.fetchrow("select to_regclass('a') as a, to_regclass('migrations') as migrations")
    assert found is not None
    assert (found["a"], found["migrations"]) == (None, None)
    assert await database.migrate(GOOD) == ["0001_a.sql"]
    with pytest.raises(HouseError, match=SENTENCE):
        await database.migrate(BROKEN)
    assert await database.fetch("select x from a") != []
    assert await database.migrate(GOOD) == []


async def test_what_is_missing_can_be_asked(database: Database) -> None:
    """Before any, between, and when there is nothing to do."""
    names = list(migrations())
    assert await database.pending() == names
    assert await database.migrate(dict(list(migrations().items())[:3])) == names[:3]
    assert await database.pending() == names[3:]
    assert await database.migrate() == names[3:]
    assert await database.pending() == []


async def test_a_table_in_use_is_waited_for_in_short_turns(
    database: Database, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a table for long keeps all others waiting behind it; so it gives way, and tries again."""
    monkeypatch.setattr(postgres, "LOCK", 0.2)
    await database.migrate(GOOD)
    reader = await asyncpg.connect(postgres_schema)
    try:
        reading = reader.transaction()
        await reading.start()
        await reader.fetch("select x from a")
        migrating = asyncio.create_task(database.migrate({**GOOD, "0002_b.sql": "alter table a add column y int"}))
        for waits in (True, False):
            await _until(database, waits=waits)
        assert not migrating.done()
        await reading.rollback()
        assert await migrating == ["0002_b.sql"]
    finally:
        await reader.close()


async def test_a_table_that_is_in_use_all_the_time_is_named(
    database: Database, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many tries the operator reads which statement it was."""
    monkeypatch.setattr(postgres, "LOCK", 0.1)
    monkeypatch.setattr(postgres, "TRIES", 2)
    await database.migrate(GOOD)
    reader = await asyncpg.connect(postgres_schema)
    try:
        async with reader.transaction():
            await reader.fetch("select x from a")
            with pytest.raises(HouseError, match=r"0002_b.sql, line 1 \(alter table a .*\) gets no lock"):
                await database.migrate({**GOOD, "0002_b.sql": "alter table a add column y int"})
    finally:
        await reader.close()


async def _until(database: Database, *, waits: bool) -> None:
    """Until somebody waits for the table, or nobody does."""
    query = "select 1 from pg_locks where not granted and relation = 'a'::regclass"
    async with asyncio.timeout(30):
        while True:
            if bool(await database.fetch(query)) is waits:
                return
            await asyncio.sleep(0.02)


async def test_the_rag_services_migrations_are_all_or_nothing(stores: House) -> None:
    """The same rules for its database."""
    pool = await rag.open_pool(stores, "rag_migrations")
    try:
        with pytest.raises(HouseError, match=SENTENCE):
            await rag.migrate(pool, BROKEN)
        assert await rag.migrate(pool, GOOD) == ["0001_a.sql"]
        assert await rag.migrate(pool, GOOD) == []
    finally:
        await pool.close()


@pytest.fixture
def job(stores: House, postgres_schema: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a module as a one-shot job over an empty database of its own."""

    def run(*argv: str, url: str = postgres_schema) -> subprocess.CompletedProcess[str]:
        env: dict[str, Any] = {**os.environ, "MAITRE_HOUSE": str(stores.directory), "MAITRE_POSTGRES_URL": url}
        return subprocess.run([sys.executable, "-m", *argv], env=env, capture_output=True, text=True, timeout=120)

    return run


def test_the_jobs_say_what_they_did(stores: House, job: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """A second run finds nothing to do; a Postgres that is away is a sentence."""
    module = "maitre.sql.migrate_postgres"
    assert job(module, "--pending").stdout.splitlines() == [f"missing: {name}" for name in migrations()]
    assert job(module).stdout.splitlines() == [f"applied: {name}" for name in migrations()]
    assert job(module).stdout == "Maitre's database is up to date.\n"
    theirs = stores.endpoint("postgres")
    assert job("rag_service.migrate", url=theirs).returncode == 0
    assert job("rag_service.migrate", url=theirs).stdout == "The RAG service's database is up to date.\n"
    for name in (module, "rag_service.migrate"):
        away = job(name, url="postgresql://nobody@127.0.0.1:9/none")
        assert (away.returncode, away.stdout) == (1, "")
        assert away.stderr.startswith("Postgres does not answer")
        assert "Traceback" not in away.stderr
