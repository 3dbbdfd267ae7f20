"""What can happen to a hall's stores while they run on: each holds within a `with`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from maitre.valkey.redis_wire import Valkey
from tests.engine.hall import Hall


def valkey(hall: Hall, *words: str) -> Any:
    """A command to the hall's Valkey."""

    async def run() -> Any:
        client = Valkey(hall.parts["valkey"].url)
        try:
            return await client.call(*words)
        finally:
            await client.close()

    return asyncio.run(run())


@contextmanager
def flushed(hall: Hall) -> Iterator[None]:
    """Valkey forgets everything, and runs on."""
    assert valkey(hall, "FLUSHALL") == b"OK"
    yield


@contextmanager
def stalled(hall: Hall) -> Iterator[None]:
    """Valkey does nothing for longer than anybody waits for a reply, as with a slow script or a slow disk."""
    assert valkey(hall, "CLIENT", "PAUSE", "3000", "ALL") == b"OK"
    yield


@contextmanager
def full(hall: Hall) -> Iterator[None]:
    """Valkey's memory is full: it refuses everything that needs some."""
    assert valkey(hall, "CONFIG", "SET", "maxmemory", "1") == b"OK"
    try:
        yield
    finally:
        assert valkey(hall, "CONFIG", "SET", "maxmemory", "0") == b"OK"


@contextmanager
def read_only(hall: Hall) -> Iterator[None]:
    """Postgres takes no writes, as a replica does that nobody promoted."""
    hall.execute("alter database maitre set default_transaction_read_only = on")
    cut(hall)
    try:
        yield
    finally:
        hall.execute(
            "begin; set transaction read write; alter database maitre reset default_transaction_read_only; commit"
        )
        cut(hall)


@contextmanager
def disk_full(hall: Hall) -> Iterator[None]:
    """Postgres has no room for another row, nor for a change of one."""
    hall.execute(
        "create function no_room() returns trigger language plpgsql as"
        " $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$"
    )
    hall.execute("create trigger no_room before insert or update on ledger execute function no_room()")
    try:
        yield
    finally:
        hall.execute("drop function no_room cascade")


@contextmanager
def no_connections(hall: Hall) -> Iterator[None]:
    """Postgres lets nobody in, and those who were in are out; only the operator is there already."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(hall.parts["postgres"].url))
        try:
            runner.run(connection.execute(f"alter database maitre connection limit 0; {CUT}"))
            yield
        finally:
            runner.run(connection.execute("alter database maitre connection limit -1"))
            runner.run(connection.close())


#: Ends all other connections to the database.
CUT = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid <> pg_backend_pid() and datname = current_database()"
)


def cut(hall: Hall) -> None:
    """End all connections to the database."""
    hall.execute(CUT)


#: What happens, and what a guest who comes meanwhile is told: nothing, or that the house cannot check the plan.
TROUBLE: dict[str, tuple[Callable[[Hall], Any], bool]] = {
    "valkey-flushed": (flushed, True),
    "valkey-stalled": (stalled, False),
    "valkey-full": (full, False),
    "postgres-read-only": (read_only, False),
    "postgres-disk-full": (disk_full, False),
    "postgres-without-connections": (no_connections, False),
}
