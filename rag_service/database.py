"""The service's database: `rag` in the house's Postgres, made and brought up to date by whoever starts first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import AsyncConnectionPool

from maitre.errors import HouseError
from maitre.settings import House
from maitre.sql.statements import statements

NAME = "rag"
PATIENCE = 3.0  # seconds that a request waits for a connection

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]


async def open_pool(house: House, name: str = NAME, size: int = 10) -> Pool:
    """A pool of connections to the database, which is created when it is missing."""
    await _create(house.endpoint("postgres"), name)
    pool: Pool = AsyncConnectionPool(
        url(house, name),
        min_size=1,
        max_size=size,
        timeout=PATIENCE,
        reconnect_timeout=2 * PATIENCE,  # it asks ever more seldom; the next request begins anew
        open=False,
        kwargs={"connect_timeout": 5},
        # Else the first request after a restart of Postgres meets a connection that is dead.
        check=AsyncConnectionPool.check_connection,
    )
    await pool.open()
    return pool


def url(house: House, name: str = NAME) -> str:
    """Where the database is."""
    return urlunsplit(urlsplit(house.endpoint("postgres"))._replace(path=f"/{name}"))


async def _create(house_url: str, name: str) -> None:
    async with await AsyncConnection.connect(house_url, autocommit=True, connect_timeout=5) as connection:
        found = await connection.execute("select 1 from pg_database where datname = %s", [name])
        if await found.fetchone():
            return
        try:
            await connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # another process was faster


def migrations() -> dict[str, str]:
    """The service's migrations by their names, in order."""
    folder = resources.files("rag_service") / "sql"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return {file.name: file.read_text("utf-8") for file in found}


async def migrate(pool: Pool, files: Mapping[str, str] | None = None) -> list[str]:
    """Bring the tables up to date, all or nothing; several processes may do it at once. The names of those applied.
    `files`: others than the service's, by name. Raises HouseError, naming the statement that failed."""
    wanted = migrations() if files is None else files
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtext('rag_service migrations'))")
        await connection.execute(
            "create table if not exists migrations (name text primary key, at timestamptz not null)"
        )
        done = {row["name"] for row in await rows(connection, "select name from migrations")}
        applied = [name for name in sorted(wanted) if name not in done]
        for name in applied:
            await _apply(connection, name, wanted[name])
            await connection.execute("insert into migrations values (%s, now())", [name])
    return applied


async def _apply(connection: Connection, name: str, text: str) -> None:
    for one in statements(text):
        try:
            await connection.execute(one.text.encode())
        except psycopg.OperationalError:
            raise
        except psycopg.Error as fault:
            where = f"{name}, line {one.line} ({one.outline})"
            raise HouseError(f"{where} failed: {fault.diag.message_primary}. Nothing was changed.") from fault


async def rows(
    connection: Connection, statement: LiteralString, values: Sequence[Any] | Mapping[str, Any] = ()
) -> list[dict[str, Any]]:
    """What a query finds, by the names of its columns."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values or None)
        return await cursor.fetchall()


async def row(
    connection: Connection, statement: LiteralString, values: Sequence[Any] | Mapping[str, Any] = ()
) -> dict[str, Any] | None:
    """The first row that a statement gives, if it gives one."""
    found = await rows(connection, statement, values)
    return found[0] if found else None
