"""Jobs as others see them: put one in, ask how it is, cancel it, try it again. One job makes one version of a document
ready; a newer job of the same document puts an end to the older ones."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from rag_service import queue
from rag_service.chunk import Status
from rag_service.database import Connection
from rag_service.queue import one, rows

ENDED = frozenset({"ready", "failed", "cancelled"})
#: How many attempts more a job gets when somebody asks for it.
MORE = 12


@dataclass(frozen=True, slots=True)
class Job:
    """How a job is. `stage` says what is being done, `done` of `total` chunks are embedded; `fault` is one sentence
    about the newest attempt that failed, `fault_code` its name for programs."""

    id: str
    document: uuid.UUID
    status: Status
    stage: str
    done: int
    total: int
    attempts: int
    fault: str
    fault_code: str

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it unless somebody asks for another try."""
        return self.status in ENDED


async def enqueue(connection: Connection, document: uuid.UUID) -> str:
    """Have the document's newest bytes indexed as its next version; the job's id. Older jobs of the document that have
    not ended are cancelled. In the caller's transaction: without its commit there is no job."""
    await connection.execute("select from documents where id = %s for update", (document,))
    await _supersede(connection, document)
    row = await one(
        connection,
        """
        insert into jobs (document, version)
        select id, 1 + greatest(version, (select max(version) from jobs where document = documents.id))
        from documents where id = %s returning id
        """,
        (document,),
    )
    if row is None:
        raise ValueError(f"There is no document {document} to enqueue.")
    await _queue_up(connection, document, row[0])
    return str(row[0])


async def job(connection: Connection, id: str) -> Job | None:
    """How the job is; None when there is none of this id."""
    number = _number(id)
    row = number and await one(
        connection,
        "select id, document, status, stage, done, total, attempts, fault, fault_code from jobs where id = %s",
        (number,),
    )
    return Job(str(row[0]), *row[1:]) if row else None


async def cancel(connection: Connection, id: str) -> bool:
    """Put an end to a job that has not ended; False when it has. What answered goes on answering. In the caller's
    transaction."""
    document = await _held(connection, id)
    if document is None:
        return False
    row = await one(
        connection,
        """
        update jobs set status = 'cancelled', stage = '', fault = '', fault_code = '', changed_at = now()
        where id = %s and status in ('waiting', 'working') returning ticket
        """,
        (_number(id),),
    )
    if row is None:
        return False
    await connection.execute(
        "update documents set status = 'cancelled', fault = '', fault_code = '', changed_at = now() where id = %s",
        (document,),
    )
    await queue.take_back(connection, row[0])
    await queue.put(connection, queue.TIDY, document, int(id))
    return True


async def retry(connection: Connection, id: str) -> bool:
    """Try a failed or cancelled job again, on what it had staged; False when it is neither, or no longer the newest of
    its document. In the caller's transaction."""
    document = await _held(connection, id)
    if document is None:
        return False
    row = await one(
        connection,
        """
        update jobs set status = 'waiting', patience = attempts + %s, fault = '', fault_code = '', changed_at = now()
        where id = %s and status in ('failed', 'cancelled')
          and version = (select max(version) from jobs newest where newest.document = jobs.document)
        returning id
        """,
        (MORE, _number(id)),
    )
    if row is None:
        return False
    await _queue_up(connection, document, row[0])
    return True


async def _held(connection: Connection, id: str) -> uuid.UUID | None:
    """The job's document, locked: whatever changes its jobs waits. None when there is no such job."""
    found = await job(connection, id)
    if found is None:
        return None
    await connection.execute("select from documents where id = %s for update", (found.document,))
    return found.document


async def _supersede(connection: Connection, document: uuid.UUID) -> None:
    older = await rows(
        connection,
        """
        update jobs set status = 'cancelled', stage = '', fault = 'A newer version of the document came in.',
            fault_code = 'superseded', changed_at = now()
        where document = %s and status in ('waiting', 'working') returning ticket
        """,
        (document,),
    )
    for (ticket,) in older:
        await queue.take_back(connection, ticket)


async def _queue_up(connection: Connection, document: uuid.UUID, job: int) -> None:
    ticket = await queue.put(connection, queue.INDEX, document, job)
    await connection.execute("update jobs set ticket = %s where id = %s", (ticket, job))
    await connection.execute(
        "update documents set status = 'waiting', fault = '', fault_code = '', changed_at = now() where id = %s",
        (document,),
    )


def _number(id: str) -> int | None:
    return int(id) if id.isascii() and id.isdigit() and len(id) < 19 else None
