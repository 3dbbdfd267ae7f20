"""The books of the house that crashes, read without its engines: rows, live windows, journals, lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import asyncpg

from maitre.billing.ledger_postgres import PostgresLedger
from maitre.books import Books
from maitre.quota.explain import live_of
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.subject import Subject, subjects
from maitre.quota.window import periods
from maitre.sql.postgres import Database
from maitre.valkey.redis_wire import Valkey
from tests.engine.crash.house import CrashHall

FIELDS = (
    "request_id, user_id, plan, provider, model, kind, counted, status, estimated, prompt_tokens, completion_tokens,"
    " held_prompt, held_completion, relayed, at, expires_at, assistant, key_id"
)


def rows(hall: CrashHall) -> list[dict[str, Any]]:
    """All rows of the ledger."""

    async def read() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(hall.parts["postgres"].url)
        try:
            return [dict(row) for row in await connection.fetch(f"select {FIELDS} from ledger order by id")]
        finally:
            await connection.close()

    return asyncio.run(read())


def unfinished(hall: CrashHall) -> str:
    """What is not over yet, in a few words; nothing when all is."""
    if still := [row["request_id"] for row in rows(hall) if row["status"] == "open"]:
        return f"{len(still)} rows are open: {', '.join(still[:3])}"
    if journals := sorted(file.name for file in (hall.house.state / "journal").glob("*.jsonl")):
        return f"{len(journals)} journals are not replayed: {', '.join(journals[:3])}"

    async def lines(books: Books) -> dict[str, int]:
        return {name: len(line.seated) + len(line.waiting) for name, line in (await books.lines()).items()}

    if tickets := {name: count for name, count in hall.ask(lines).items() if count}:
        return f"tickets are left in the lines: {tickets}"
    return ""


def disagreements(hall: CrashHall, since: int = 0) -> tuple[list[str], int]:
    """Where the live windows do not say what the ledger says, of all subjects of the rows from the `since`-th on, and
    how many of the subjects are loaded."""
    told = {
        subject
        for row in rows(hall)[since:]
        for subject in subjects(
            account=row["user_id"],
            key=row["key_id"],
            assistant=row["assistant"],
            model=row["model"],
            provider=row["provider"],
        )
    }
    return asyncio.run(_compare(hall, sorted(told, key=str)))


async def _compare(hall: CrashHall, told: list[Subject]) -> tuple[list[str], int]:
    database, valkey = Database(hall.parts["postgres"].url), Valkey(hall.parts["valkey"].url)
    ledger, store = PostgresLedger(database, hall.house.prices), RedisQuotaStore(valkey)
    found, loaded = [], 0
    try:
        for subject in told:
            now = await database.time()
            live = await store.live(subject, now)
            if live is not None:
                loaded += 1
                # A wider subject's totals are counted only where something limits them.
                ever = subject.scope in ("account", "key") or any(name.endswith(":total") for name in live.fields)
                totals = await ledger.totals(subject, now, periods(now, hall.house.zone), ever=ever)
                found += [f"{subject}: {what}" for what in _differ(live, live_of(totals, now), now)]
    finally:
        await valkey.close()
        await database.close()
    return found, loaded


def _differ(live: Any, truth: Any, now: datetime) -> Iterator[str]:
    if any(live.held.values()):
        yield f"holds {live.held} after all calls have ended"
    for field in sorted(live.fields.keys() | truth.fields.keys()):
        if field.startswith("held:"):
            continue
        if live.fields.get(field, 0) != truth.fields.get(field, 0):
            yield f"{field} is {live.fields.get(field, 0)}, and in the ledger {truth.fields.get(field, 0)}"
