"""Brings the RAG service's database up to date, as a step of its own before a new version starts.

MAITRE_HOUSE=… python -m rag_service.migrate
"""

from __future__ import annotations

import asyncio

import psycopg

from maitre.errors import HouseError, MaitreError
from maitre.settings import House, find_house, load_house
from rag_service import collections, queue
from rag_service.database import migrate, open_pool
from rag_service.store.chunks import Chunks


async def run(house: House) -> list[str]:
    """Make and apply what is missing; the names of the files. Raises HouseError."""
    try:
        pool = await open_pool(house)
    except psycopg.OperationalError as down:
        raise HouseError(f"Postgres does not answer: {' '.join(str(down).split())}") from down
    try:
        applied = await migrate(pool)
        await queue.prepare(pool)
        await collections.prepare(pool, Chunks(pool))
    finally:
        await pool.close()
    return applied


def main() -> None:
    """The command line: a line for each file."""
    try:
        names = asyncio.run(run(load_house(find_house())))
    except MaitreError as wrong:
        raise SystemExit(str(wrong)) from wrong
    for name in names:
        print(f"applied: {name}")
    if not names:
        print("The RAG service's database is up to date.")


if __name__ == "__main__":
    main()
