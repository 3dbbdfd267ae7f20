"""Imports of tables of the stock store, as the database knows them: jobs that make many documents."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag_service import queue
from rag_service.attempts import SILENCE, Lost
from rag_service.chunk import Collection
from rag_service.collections import collection_of
from rag_service.database import Connection, row
from rag_service.jobs import ENDED
from rag_service.seal_aesgcm import Seal

PREFIX = "import-"
_ID = re.compile(rf"{PREFIX}([0-9]{{1,18}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImportJob:
    """How an import into the collection of that name is: `done` of `total` rows were taken over."""

    id: str
    collection: str
    status: str
    done: int
    total: int
    attempts: int
    fault: str
    fault_code: str
    document: None = None

    @property
    def stage(self) -> str:
        """What is being done: its rows come with their embeddings, and answer at once."""
        return "publish" if self.status == "working" else ""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Import:
    """One worker's attempt at an import: the rows after `last` are still to come. `sealed`: where the table is."""

    number: int
    collection: Collection
    source: str
    last: int
    attempt: int
    sealed: bytes


def is_import(id: str) -> bool:
    """Whether a job's id is an import's."""
    return id.startswith(PREFIX)


async def enqueue(connection: Connection, collection: Collection, source: str, dsn: str, seal: Seal) -> str:
    """Have a table taken over into the collection; the job's id. Its address is sealed until the job has ended. In the
    caller's transaction."""
    made = await queue.one(
        connection,
        "insert into imports (collection, source, sealed_dsn) values (%s, %s, %s) returning id",
        (collection.id, source, seal.close(collection.id, source, dsn)),
    )
    assert made is not None
    ticket = await queue.put_import(connection, collection.id, made[0])
    await connection.execute("update imports set ticket = %s where id = %s", [ticket, made[0]])
    return f"{PREFIX}{made[0]}"


async def job(connection: Connection, id: str) -> ImportJob | None:
    """How the import is; None when there is none of this id."""
    if (found := _ID.fullmatch(id)) is None:
        return None
    kept = await queue.one(
        connection,
        """select c.name, i.status, i.done, i.total, i.attempts, i.fault, i.fault_code
        from imports i join collections c on c.id = i.collection where i.id = %s""",
        (int(found[1]),),
    )
    return ImportJob(id, *kept) if kept else None


async def cancel(connection: Connection, id: str) -> bool:
    """Put an end to an import; False when it has ended. What was taken over stays."""
    if (found := _ID.fullmatch(id)) is None:
        return False
    ended = await queue.one(
        connection,
        """update imports set status = 'cancelled', sealed_dsn = null, fault = '', fault_code = '', changed_at = now()
        where id = %s and status in ('waiting', 'working') returning ticket""",
        (int(found[1]),),
    )
    if ended is not None:
        await queue.take_back(connection, ended[0])
    return ended is not None


async def begin(connection: Connection, number: int) -> Import:
    """A new attempt at the import. Raises Lost when it has ended, or went away with its collection."""
    found = await row(
        connection,
        """update imports i set status = 'working', attempts = attempts + 1, changed_at = now() from collections c
        where i.id = %s and i.status in ('waiting', 'working') and c.id = i.collection
        returning to_jsonb(c) as collection, i.source, i.last, i.attempts, i.sealed_dsn""",
        [number],
    )
    if found is None:
        raise Lost
    collection, sealed = collection_of(found["collection"]), bytes(found["sealed_dsn"])
    return Import(number, collection, found["source"], found["last"], found["attempts"], sealed)


async def measure(connection: Connection, attempt: Import, left: int) -> None:
    """Write down how many rows are still to come. Raises Lost."""
    await _still(connection, attempt)
    await connection.execute("update imports set total = done + %s where id = %s", [left, attempt.number])


async def advance(connection: Connection, attempt: Import, last: int, rows: int) -> None:
    """Write down that so many rows more were taken over, up to the one with the id `last`; in the transaction that
    takes them over. Holds the collection until its end. Raises Lost."""
    await _still(connection, attempt)
    await connection.execute(
        """update imports set last = %s, done = done + %s, total = greatest(total, done + %s), changed_at = now()
        where id = %s""",
        [last, rows, rows, attempt.number],
    )


async def end(connection: Connection, attempt: Import, code: str = "", sentence: str = "") -> None:
    """The import is done, or has failed with a sentence; where its table was is forgotten. Raises Lost."""
    await _still(connection, attempt)
    await connection.execute(
        """update imports set status = %s, fault = %s, fault_code = %s, sealed_dsn = null, changed_at = now()
        where id = %s""",
        ["failed" if code else "ready", sentence, code, attempt.number],
    )


async def _still(connection: Connection, attempt: Import) -> None:
    """Hold the collection and the import, if it is still this attempt's."""
    silence = "select set_config('idle_in_transaction_session_timeout', %s, true)"
    await connection.execute(silence, [f"{SILENCE}s"])
    # In the order in which a deletion of the collection holds them.
    await connection.execute("select from collections where id = %s for share", [attempt.collection.id])
    held = "select 1 from imports where id = %s and status = 'working' and attempts = %s for update"
    if await queue.one(connection, held, (attempt.number, attempt.attempt)) is None:
        raise Lost
