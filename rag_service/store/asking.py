"""A search as the statements that it sends one after another, so that it is written once and runs with a loop around it
or without: in a loop of another thread a sync caller would pay as much for the way there as for the question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from psycopg import AsyncConnection, Connection
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; it is answered with its rows, none for one that has no rows."""

    sql: str
    parameters: Sequence[Any] = ()


#: Yields statements, is sent their rows, returns what was asked for.
Asking = Generator[Statement, list[Any], T]


def ask(connection: Connection[Any], asking: Asking[T]) -> T:
    """What was asked for, over a connection in autocommit. What a statement began and did not end is the caller's to
    roll back."""
    cursor = connection.cursor(binary=True, row_factory=tuple_row)
    try:
        statement = next(asking)
        while True:
            cursor.execute(statement.sql, statement.parameters)
            statement = asking.send(cursor.fetchall() if cursor.rownumber is not None else [])
    except StopIteration as end:
        told: T = end.value
        return told


@asynccontextmanager
async def autocommitting(pool: AsyncConnectionPool) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection in autocommit, which goes back to the pool as it came."""
    async with pool.connection() as connection:
        before = connection.autocommit
        await connection.set_autocommit(True)
        try:
            yield connection
        finally:
            if not connection.closed:
                await connection.rollback()  # nothing is sent for what has ended
                await connection.set_autocommit(before)


async def ask_async(connection: AsyncConnection[Any], asking: Asking[T]) -> T:
    """As `ask`."""
    cursor = connection.cursor(binary=True, row_factory=tuple_row)
    try:
        statement = next(asking)
        while True:
            await cursor.execute(statement.sql, statement.parameters)
            statement = asking.send(await cursor.fetchall() if cursor.rownumber is not None else [])
    except StopIteration as end:
        told: T = end.value
        return told
