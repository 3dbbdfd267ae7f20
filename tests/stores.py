"""Real stores for the tests: a Postgres and a Valkey of their own, on the parts of the embedded house."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psycopg

from devstack import house as parts
from devstack import scaffold
from maitre.settings import Endpoint, House, load_house

STORES: tuple[Endpoint, ...] = ("postgres", "valkey")


@contextmanager
def running_stores() -> Iterator[House]:
    """A house of which only the two stores run; afterwards nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="maitre-stores-"))
    folder.chmod(0o755)  # Postgres runs as another account when the tests run as root
    try:
        scaffold.copy_example(folder)
        scaffold.make_secrets(folder)
        house = load_house(folder)
        try:
            parts.up(house, only=STORES)
            yield house
        finally:
            parts.down(house.state)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop(house: House) -> None:
    """Stop both stores, as a crash of the machine would; their data stays."""
    parts.down(house.state)


def start(house: House) -> None:
    """Start both stores again, on the ports that they had."""
    parts.up(house, only=STORES)


def fresh_schema(url: str) -> str:
    """A URL of the same database, in which everything happens in a new, empty schema."""
    name = f"t{uuid.uuid4().hex[:12]}"

    async def make() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(f"create schema {name}")
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as apart:  # a loop may be running here
        apart.submit(lambda: asyncio.run(make())).result()
    return f"{url}?search_path={name}"


def drop_database(url: str, name: str) -> None:
    """Drop a database of the server at `url`, whoever is in it. By force at first; but only a superuser may end the
    server's own vacuum, and a plain drop asks that to leave."""
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute(f"drop database {name} with (force)")
        except psycopg.errors.InsufficientPrivilege:
            connection.execute(f"drop database {name}")
