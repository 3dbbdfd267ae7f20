"""One worker's attempt at a job, as the database knows it. Whoever lost its job to another worker, to a newer version
or to a cancellation notices at the next step, for its attempt is no longer the job's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from rag_service.database import Connection
from rag_service.queue import one

#: Seconds that a worker may hold a document and say nothing to Postgres. A machine that lost its power would else hold
#: it for the two hours after which TCP notices.
SILENCE = 30


class Lost(Exception):
    """The job is no longer this attempt's: it ended, or another one works on it. Nothing is to be told."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`number` counts from 1, `last` is the number of the job's last one. `fresh`: nothing was staged for it yet."""

    job: int
    document: uuid.UUID
    version: int
    number: int
    last: int

    @property
    def fresh(self) -> bool:
        """Whether this is the first."""
        return self.number == 1


async def begin(connection: Connection, job: int, document: uuid.UUID) -> Attempt:
    """A new attempt at the job. Raises Lost when the job has ended, or went away with its document."""
    await _hold(connection, document)
    row = await one(
        connection,
        """
        update jobs set status = 'working', stage = 'parse', attempts = attempts + 1, changed_at = now()
        where id = %s and status in ('waiting', 'working') returning document, version, attempts, patience
        """,
        (job,),
    )
    if row is None:
        raise Lost
    await connection.execute(
        "update documents set status = 'working', changed_at = now() where id = %s and status = 'waiting'", (document,)
    )
    return Attempt(job, *row)


async def progress(connection: Connection, attempt: Attempt, stage: str, done: int, total: int) -> None:
    """Write down how far it is. Raises Lost."""
    row = await one(
        connection,
        """
        update jobs set stage = %s, done = %s, total = %s, changed_at = now()
        where id = %s and status = 'working' and attempts = %s returning id
        """,
        (stage, done, total, attempt.job, attempt.number),
    )
    if row is None:
        raise Lost


async def ready(connection: Connection, attempt: Attempt) -> None:
    """The job is done. Locks the document first, so that nobody else ends it at the same time. Raises Lost."""
    await _hold(connection, attempt.document)
    row = await one(
        connection,
        """
        update jobs set status = 'ready', stage = '', done = total, fault = '', fault_code = '', changed_at = now()
        where id = %s and status = 'working' and attempts = %s returning id
        """,
        (attempt.job, attempt.number),
    )
    if row is None:
        raise Lost


async def fault(
    connection: Connection, attempt: Attempt, code: str, sentence: str, *, final: bool, counts: bool
) -> None:
    """The attempt came to nothing: the job waits for another one, or has failed for good. `counts`: its last attempt
    is one nearer. Raises Lost."""
    status = "failed" if final else "waiting"
    await _hold(connection, attempt.document)
    row = await one(
        connection,
        """
        update jobs set status = %s, stage = '', fault = %s, fault_code = %s, patience = patience + %s,
            changed_at = now()
        where id = %s and status = 'working' and attempts = %s returning id
        """,
        (status, sentence, code, 0 if counts else 1, attempt.job, attempt.number),
    )
    if row is None:
        raise Lost
    await connection.execute(
        "update documents set status = %s, fault = %s, fault_code = %s, changed_at = now() where id = %s",
        (status, sentence, code, attempt.document),
    )


async def unattended(connection: Connection, document: uuid.UUID) -> bool:
    """Whether nobody works on the document or is going to. Holds the document until the transaction's end."""
    await _hold(connection, document)
    live = "select 1 from jobs where document = %s and status in ('waiting', 'working')"
    return await one(connection, live, (document,)) is None


async def _hold(connection: Connection, document: uuid.UUID) -> None:
    """Keep the document from all others until the transaction's end."""
    await connection.execute("select set_config('idle_in_transaction_session_timeout', %s, true)", (f"{SILENCE}s",))
    await connection.execute("select from documents where id = %s for update", (document,))
