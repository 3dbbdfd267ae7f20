"""A worker: indexes documents until it is told to end. `python -m rag_service.worker`; any number of them may run, on
any machine that reaches the house's Postgres and its gateway."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from procrastinate import App, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy
from procrastinate.worker import Worker

from maitre.errors import MaitreError
from maitre.settings import House, find_house, load_house
from rag_service import collections, database, queue
from rag_service.embedder_http import Embedder
from rag_service.health_http import listening
from rag_service.importing import Importer
from rag_service.ingest import DOWN, Again, Ingest
from rag_service.reader import Reader
from rag_service.seal_aesgcm import Seal
from rag_service.store.chunks import Chunks

LEASE = 30.0  # seconds after which a silent worker's jobs are given to others
log = logging.getLogger(__name__)


class Patience(BaseRetryStrategy):
    """When the queue is to give a job out again: when the job says so, and at once when its worker ends."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """The decision; None: the job goes, for its end is written in `jobs`."""
        if isinstance(exception, Again):
            return RetryDecision(retry_in={"seconds": exception.seconds})
        if isinstance(exception, (*DOWN, asyncio.CancelledError)):
            return RetryDecision(retry_in={"seconds": 2 if isinstance(exception, DOWN) else 0})
        return None


@dataclass
class Shift:
    """What one worker has in hand. `tickets`: those of the queue that it works on; `seen`: whether Postgres answered
    when it was asked last; `suspected`: tickets that looked forgotten then."""

    ingest: Ingest
    importer: Importer
    lease: float
    tickets: set[int] = field(default_factory=set)
    suspected: set[int] = field(default_factory=set)
    seen: bool = False

    def tasks(self, app: App) -> None:
        """Tell the queue what this worker can do."""

        @app.task(name=queue.INDEX, queue=queue.LANE, pass_context=True, retry=Patience())
        async def index(context: JobContext, job: int, document: str) -> None:
            with self._in_hand(context):
                try:
                    await self.ingest.index(job, uuid.UUID(document))
                except asyncio.CancelledError:
                    if context.abort_reason() is AbortReason.USER_REQUEST:
                        await self.ingest.tidy(uuid.UUID(document))
                        raise JobAborted from None
                    raise

        @app.task(name=queue.TIDY, queue=queue.LANE, retry=Patience())
        async def tidy(job: int, document: str) -> None:
            await self.ingest.tidy(uuid.UUID(document))

        @app.task(name=queue.IMPORT, queue=queue.LANE, pass_context=True, retry=Patience())
        async def take_over(context: JobContext, number: int) -> None:
            with self._in_hand(context):
                try:
                    await self.importer.run(number)
                except asyncio.CancelledError:
                    if context.abort_reason() is AbortReason.USER_REQUEST:
                        raise JobAborted from None
                    raise

    async def rescue(self, worker: Worker) -> None:
        """Give back to the queue, again and again, what dead workers had begun, and what this one lost: when Postgres
        went away just as a job ended, the queue was not told."""
        while True:
            try:
                async with self.ingest.pool.connection() as connection:
                    freed = await queue.free_abandoned(connection, self.lease)
                    lost = await queue.forgotten(connection, worker.worker_id or 0, [*self.tickets])
                    for ticket in self.suspected & set(lost) - self.tickets:
                        freed += await queue.give_back(connection, ticket)
                self.suspected, self.seen = set(lost), True
                if freed:
                    log.warning("%d jobs of workers that fell silent are tried again.", freed)
            except DOWN:
                self.seen = False
            await asyncio.sleep(self.lease / 3)

    @contextlib.contextmanager
    def _in_hand(self, context: JobContext) -> Iterator[None]:
        ticket = context.job.id or 0
        self.tickets.add(ticket)
        try:
            yield
        finally:
            self.tickets.discard(ticket)


async def serve(house: House, *, concurrency: int, lease: float, port: int | None) -> None:
    """Work until SIGTERM or SIGINT; what is begun then, another worker goes on with. Postgres may come and go."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with _shift(house, concurrency, lease) as shift, listening(port, lambda: shift.seen):
        while not ending.is_set():
            try:
                await _work(house, shift, concurrency, ending)
            except (ConnectorException, *DOWN) as down:
                shift.seen = False
                log.warning("Postgres is away: %s", " ".join(str(down).split()) or type(down).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), 1)


@contextlib.asynccontextmanager
async def _shift(house: House, concurrency: int, lease: float) -> AsyncIterator[Shift]:
    embedder = Embedder(house)
    assert house.rag is not None  # or there would be no embedder
    reader = Reader(house.rag.max_file_bytes, house.rag.docling)
    pool = await database.open_pool(house, size=2 * concurrency + 3)
    try:
        await database.migrate(pool)
        await queue.prepare(pool)
        key = house.secret("rag_key")
        chunks = Chunks(pool)
        await collections.prepare(pool, chunks)
        ingest = Ingest(pool, chunks, embedder, reader, house.rag.embedding, key)
        yield Shift(ingest, Importer(pool, chunks, Seal(key)), lease)
    finally:
        await reader.close()
        await embedder.close()
        await pool.close()


async def _work(house: House, shift: Shift, concurrency: int, ending: asyncio.Event) -> None:
    """Work until the end, or until Postgres goes away."""
    url, patience = database.url(house), {"connect_timeout": 5}
    app = App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=concurrency + 3, kwargs=patience))
    shift.tasks(app)
    async with app.open_async():
        worker = Worker(
            app,
            queues=[queue.LANE],
            concurrency=concurrency,
            fetch_job_polling_interval=min(5.0, shift.lease / 3),
            abort_job_polling_interval=min(5.0, shift.lease / 3),
            shutdown_graceful_timeout=0.5,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=shift.lease / 3,
            stalled_worker_timeout=shift.lease,
        )
        working = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
        beside = [asyncio.create_task(shift.rescue(worker)), asyncio.create_task(ending.wait())]
        try:
            await asyncio.wait([working, *beside], return_when=asyncio.FIRST_COMPLETED)
            worker.stop()  # type: ignore[no-untyped-call]
            await working
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


class OneLine(logging.Formatter):
    """Sentences for a person: what went wrong in one line. Only mistakes of ours have tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if record.name.startswith("procrastinate"):
            record.exc_info = record.exc_text = None
        return super().format(record)


def main() -> None:
    """The command line."""
    asked = argparse.ArgumentParser(description="Indexes the documents of a house's collections.")
    asked.add_argument("--concurrency", type=int, default=2, help="documents at once")
    asked.add_argument("--lease", type=float, default=LEASE, help="seconds of silence after which its jobs are others'")
    asked.add_argument("--port", type=int, help="of 127.0.0.1, for GET /health")
    wanted = asked.parse_args()
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for quiet in ("psycopg", "procrastinate"):
        logging.getLogger(quiet).setLevel(logging.ERROR)
    try:
        house = load_house(find_house())
        asyncio.run(serve(house, concurrency=wanted.concurrency, lease=wanted.lease, port=wanted.port))
    except MaitreError as wrong:
        raise SystemExit(str(wrong)) from wrong


if __name__ == "__main__":
    main()
