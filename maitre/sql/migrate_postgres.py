"""Brings Maitre's database up to date, as a step of its own before any server of a new version starts.

MAITRE_HOUSE=… python -m maitre.sql.migrate_postgres [--pending]
"""

from __future__ import annotations

import argparse
import asyncio

from maitre.errors import MaitreError
from maitre.settings import find_house, load_house
from maitre.sql.postgres import Database


async def run(url: str, *, look: bool) -> list[str]:
    """Apply what is missing there, or only look; the names of the files. Raises HouseError, StoreDown."""
    database = Database(url)
    try:
        return await (database.pending() if look else database.migrate())
    finally:
        await database.close()


def main() -> None:
    """The command line: a line for each file."""
    asked = argparse.ArgumentParser(description="Brings Maitre's database up to date.")
    asked.add_argument("--pending", action="store_true", help="only say what is missing")
    look = asked.parse_args().pending
    try:
        names = asyncio.run(run(load_house(find_house()).endpoint("postgres"), look=look))
    except MaitreError as wrong:
        raise SystemExit(str(wrong)) from wrong
    for name in names:
        print(f"missing: {name}" if look else f"applied: {name}")
    if not names:
        print("Maitre's database is up to date.")


if __name__ == "__main__":
    main()
