"""The story of one job: a document's newest bytes become the version that answers, or nothing changes."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from psycopg import InterfaceError, OperationalError

from rag_service import attempts, sources
from rag_service.attempts import Attempt, Lost
from rag_service.backoff import pause
from rag_service.callers import sign
from rag_service.chunk import Chunk, Collection, Piece
from rag_service.database import Pool
from rag_service.embedder_http import Embedder, EmbedderDown, TooMany
from rag_service.errors import Refused, Unreadable
from rag_service.reader import Contents, Reader, ReaderDown
from rag_service.sources import Source
from rag_service.store.chunks import Chunks

BATCH = 32  # chunks that are embedded, and then staged, together
#: What Postgres is taken to be away for.
DOWN = (OperationalError, InterfaceError)
log = logging.getLogger(__name__)


class Again(Exception):
    """The job is to be tried again in so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"again in {seconds} seconds")
        self.seconds = seconds


class Torn(Exception):
    """What is staged is not the whole version: another worker took from it."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """Indexes documents. `key` signs on whose behalf; `now` is the time in seconds."""

    pool: Pool
    chunks: Chunks
    embedder: Embedder
    reader: Reader
    model: str
    key: str
    now: Callable[[], float] = time.time
    prepared: set[int] = field(default_factory=set)  # dimensions that have their tables

    async def index(self, job: int, document: uuid.UUID) -> None:
        """Work on the job until it has ended. Raises Again when that must wait."""
        try:
            async with self.pool.connection() as connection:
                attempt = await attempts.begin(connection, job, document)
                source = await sources.load(connection, document)
        except Lost:
            return await self._leave(document)
        except DOWN as down:
            log.warning("Job %s waits for Postgres: %s", job, _line(down))
            raise Again(2) from down
        if attempt.number > attempt.last:
            return await self._fault(attempt, "given_up", f"{attempt.last} attempts came to no end.")
        try:
            await self._index(attempt, source)
        except Lost:
            await self.sweep(source.collection, document)
        except Unreadable as unreadable:
            await self._fault(attempt, unreadable.code, str(unreadable))
        except TooMany as waiting:
            # Whoever is told when to come back is no closer to giving up: a large folder waits for many a full minute.
            told = waiting.retry_after is not None
            await self._pause(attempt, waiting.code, str(waiting), waiting.retry_after, counts=not told)
        except Refused as refused:
            await self._fault(attempt, refused.code, str(refused))
        except EmbedderDown as down:
            await self._pause(attempt, "embedder_down", str(down), down.retry_after)
        except ReaderDown as down:
            await self._pause(attempt, "reader_down", str(down), None)
        except Torn:
            await self._pause(attempt, "torn", "Another worker was at the same document.", 1)
        except DOWN as down:
            log.warning("Job %s waits for Postgres: %s", job, _line(down))
            raise Again(2) from down
        except Exception as mistake:
            log.exception("Job %s of document %s failed", job, document)
            await self._fault(attempt, "internal", f"Something of ours failed ({type(mistake).__name__}).")

    async def tidy(self, document: uuid.UUID) -> None:
        """Take away what a cancelled job has staged."""
        async with self.pool.connection() as connection:
            collection = await sources.collection(connection, document)
        if collection is not None:
            await self.sweep(collection, document)

    async def sweep(self, collection: Collection, document: uuid.UUID) -> None:
        """Take away what is staged, unless somebody works on the document or is going to."""
        async with self.pool.connection() as connection:
            if await attempts.unattended(connection, document):
                await self.chunks.discard(connection, collection, str(document))

    async def _index(self, attempt: Attempt, source: Source) -> None:
        collection, document = source.collection, str(attempt.document)
        if collection.model != self.model:
            sentence = f"“{collection.name}” is made with the model {collection.model}, the house has {self.model}."
            raise Refused(409, "mixed_models", sentence)
        contents = await self.reader.read(source.name, source.data, source.media_type)
        await self._prepare(attempt, collection)
        chunks = {_node(attempt, place, piece): piece for place, piece in enumerate(contents.pieces)}
        staged = await self.chunks.staged(collection, document, attempt.version)
        if staged - chunks.keys():  # read by an older program, which cut otherwise
            async with self.pool.connection() as connection:
                await self.chunks.discard(connection, collection, document)
            staged = set()
        missing = [(node, piece) for node, piece in chunks.items() if node not in staged]
        await self._progress(attempt, "embed", len(chunks) - len(missing), len(chunks))
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            ready = await self._embedded(source, contents.title, batch)
            await self.chunks.stage(collection, document, attempt.version, ready)
            left = len(missing) - start - len(batch)
            await self._progress(attempt, "embed", len(chunks) - left, len(chunks))
        await self._progress(attempt, "publish", len(chunks), len(chunks))
        await self._publish(attempt, source, contents)
        await self._tend(collection)

    async def _prepare(self, attempt: Attempt, collection: Collection) -> None:
        """Make room; what an older version left staged goes."""
        if collection.dimension not in self.prepared:
            await self.chunks.prepare(collection.dimension)
            self.prepared.add(collection.dimension)
        if attempt.fresh:
            async with self.pool.connection() as connection:
                await self.chunks.discard(connection, collection, str(attempt.document))

    async def _embedded(self, source: Source, title: str, batch: Sequence[tuple[str, Piece]]) -> list[Chunk]:
        title = source.title or title or source.name
        token = sign(self.key, self.now(), user_id=source.owner, email=source.owner_email)
        texts = ["\n".join(filter(None, (title, piece.heading, piece.text))) for _, piece in batch]
        vectors = await self.embedder.passages(texts, token)
        dimension = source.collection.dimension
        if any(len(vector) != dimension for vector in vectors):
            sentence = f"The embedder makes {len(vectors[0])} numbers, “{source.collection.name}” has {dimension}."
            raise Refused(409, "mixed_models", sentence)
        return [
            Chunk(node, str(source.document), piece.text, vector, _metadata(source, title, piece))
            for (node, piece), vector in zip(batch, vectors, strict=True)
        ]

    async def _publish(self, attempt: Attempt, source: Source, contents: Contents) -> None:
        async with self.pool.connection() as connection:
            await attempts.ready(connection, attempt)
            document, count = str(attempt.document), len(contents.pieces)
            if await self.chunks.publish(connection, source.collection, document, attempt.version) != count:
                raise Torn
            await sources.switch(connection, source, attempt.version, count, contents.pages, contents.title)

    async def _tend(self, collection: Collection) -> None:
        """Let the index follow the collection's size. What fails here is tried again after the next document."""
        try:
            await self.chunks.tend(collection)
        except DOWN as failed:
            log.warning("The index of collection %s was not tended: %s", collection.name, _line(failed))

    async def _leave(self, document: uuid.UUID) -> None:
        """The job has ended already, perhaps just before its worker was killed: do what comes after."""
        async with self.pool.connection() as connection:
            collection = await sources.collection(connection, document)
        if collection is not None:
            await self.sweep(collection, document)
            await self._tend(collection)

    async def _progress(self, attempt: Attempt, stage: str, done: int, total: int) -> None:
        async with self.pool.connection() as connection:
            await attempts.progress(connection, attempt, stage, done, total)

    async def _pause(
        self, attempt: Attempt, code: str, sentence: str, wanted: float | None, *, counts: bool = True
    ) -> None:
        seconds = pause(attempt.number, attempt.last if counts else attempt.number + 1, wanted)
        await self._fault(attempt, code, sentence, final=seconds is None, counts=counts)
        if seconds is not None:
            raise Again(seconds)

    async def _fault(
        self, attempt: Attempt, code: str, sentence: str, *, final: bool = True, counts: bool = True
    ) -> None:
        try:
            async with self.pool.connection() as connection:
                await attempts.fault(connection, attempt, code, sentence, final=final, counts=counts)
        except Lost:
            return
        except DOWN as down:
            raise Again(2) from down


def _node(attempt: Attempt, place: int, piece: Piece) -> str:
    """The same piece at the same place of the same version has the same id, whoever reads it."""
    told = hashlib.sha256(f"{piece.page}\0{piece.heading}\0{piece.text}".encode()).hexdigest()
    return str(uuid.uuid5(attempt.document, f"{attempt.version} {place} {told}"))


def _metadata(source: Source, title: str, piece: Piece) -> dict[str, object]:
    found = {"title": title, "page": piece.page, "heading": piece.heading, "url": source.url}
    return {**source.metadata, **{name: value for name, value in found.items() if value not in (None, "")}}


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split()) or type(fault).__name__
