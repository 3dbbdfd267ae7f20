"""The queue of jobs: procrastinate's tables, in the service's own database."""

from __future__ import annotations

import uuid
from typing import Any, LiteralString

from procrastinate import App, PsycopgConnector
from procrastinate.schema import SchemaManager
from psycopg.rows import tuple_row

from rag_service.database import Connection, Pool

Row = tuple[Any, ...]

INDEX, TIDY, IMPORT = "index", "tidy", "import"
LANE = "documents"

#: Puts jobs into the queue over connections that it is given; it has none of its own.
_entrance = App(connector=PsycopgConnector())


async def rows(connection: Connection, statement: LiteralString, values: tuple[object, ...] = ()) -> list[Row]:
    """The rows of a statement; none where it returns none."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, values or None)
        return await cursor.fetchall() if cursor.description else []


async def one(connection: Connection, statement: LiteralString, values: tuple[object, ...] = ()) -> Row | None:
    """The first row of a statement; None when there is none."""
    return next(iter(await rows(connection, statement, values)), None)


async def install(connection: Connection) -> None:
    """Make the queue's tables, if they are missing. In the caller's transaction."""
    if await one(connection, "select 1 where to_regclass('procrastinate_jobs') is null"):
        await connection.execute(SchemaManager.get_schema())


async def prepare(pool: Pool) -> None:
    """Make the queue's tables, if they are missing; several processes may do it at once."""
    async with pool.connection() as connection:
        await connection.execute("select pg_advisory_xact_lock(hashtext('rag_service queue'))")
        await install(connection)


async def put(connection: Connection, task: LiteralString, document: uuid.UUID, job: int, seconds: int = 0) -> int:
    """Put work on a document into the queue, not before so many seconds; its ticket. In the caller's transaction. Two
    tickets of one document are never worked on at once, and always in their order."""
    later = {"schedule_in": {"seconds": seconds}} if seconds else {}
    waiting = _entrance.configure_task(task, lock=str(document), queue=LANE, connection=connection, **later)  # type: ignore[arg-type]
    return await waiting.defer_async(job=job, document=str(document))


async def put_import(connection: Connection, collection: int, number: int) -> int:
    """Put an import into the queue; its ticket. In the caller's transaction. Those of one collection are worked on one
    after the other."""
    waiting = _entrance.configure_task(
        IMPORT,
        lock=f"import into {collection}",
        queue=LANE,
        connection=connection,
    )
    return await waiting.defer_async(number=number)


async def take_back(connection: Connection, ticket: int) -> None:
    """Take waiting work out of the queue; a worker that has begun is told to leave off. In the caller's transaction."""
    await _entrance.job_manager.cancel_job_by_id_async(ticket, abort=True, delete_job=True, connection=connection)


async def free_abandoned(connection: Connection, seconds: float) -> int:
    """Give back to the queue what workers had begun that have been silent for so many seconds; how much. One statement
    that locks what it gives back, so that several workers may do this at once."""
    freed = await rows(
        connection,
        """
        select procrastinate_retry_job_v2(held.id, now(), null, null, null) from (
            select job.id from procrastinate_jobs job
            where job.status = 'doing' and not exists (
                select from procrastinate_workers worker
                where worker.id = job.worker_id and worker.last_heartbeat > now() - make_interval(secs => %s)
            )
            for update of job skip locked
        ) held
        """,
        (seconds,),
    )
    # Of work that was taken back from a dead worker nothing is left to do; what came of it is in `jobs`.
    await connection.execute("delete from procrastinate_jobs where status not in ('todo', 'doing')")
    return len(freed)


async def forgotten(connection: Connection, worker: int, running: list[int]) -> list[int]:
    """Tickets that the worker has begun by the queue's account and not by its own (`running`)."""
    held = "select id from procrastinate_jobs where status = 'doing' and worker_id = %s and id <> all(%s)"
    return [row[0] for row in await rows(connection, held, (worker, running))]


async def give_back(connection: Connection, ticket: int) -> int:
    """Give begun work back to the queue; how much it was, 0 or 1."""
    held = "select procrastinate_retry_job_v2(id, now(), null, null, null) from procrastinate_jobs"
    return len(await rows(connection, f"{held} where id = %s and status = 'doing'", (ticket,)))
