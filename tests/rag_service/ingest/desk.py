"""A desk at which a test brings documents and looks at what became of them, in the service's real database."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from rag_service import collections, documents, jobs
from rag_service.chunk import Collection
from rag_service.database import Pool, row, rows
from rag_service.documents import Upload
from rag_service.jobs import Job
from rag_service.store.chunks import Chunks
from tests.rag_service.embedder import DIMENSION

OWNER = "3f6c1d6e-0000-4000-8000-00000000000a"


def text(name: str, count: int, version: int = 1) -> str:
    """A Markdown file of so many sections, each of which is one chunk."""
    return "\n\n".join(f"# {name} {place}\n\nVersion {version} of section {place} of {name}." for place in range(count))


@dataclass
class Desk:
    """One collection of one owner."""

    pool: Pool
    chunks: Chunks
    collection: Collection

    async def bring(self, key: str, content: str | bytes, name: str = "") -> tuple[uuid.UUID, str]:
        """Upload a document as the service does; its id and its job's."""
        data = content.encode() if isinstance(content, str) else content
        upload = Upload(key, "", "", {}, name or f"{key}.md", "", data, hashlib.sha256(data).hexdigest())
        async with self.pool.connection() as connection:
            told = await documents.put(connection, self.collection, upload, jobs, uuid.uuid4())
        return told.document, told.job

    async def job(self, id: str) -> Job | None:
        """How a job is."""
        async with self.pool.connection() as connection:
            return await jobs.job(connection, id)

    async def answering(self, document: uuid.UUID) -> list[str]:
        """The texts of the chunks that a search may find."""
        table = self.chunks.table(self.collection.dimension).name
        return await self._texts(table, document)

    async def staged(self, document: uuid.UUID) -> list[str]:
        """The texts of the chunks that wait."""
        return await self._texts(self.chunks.table(self.collection.dimension).staged, document)

    async def document(self, id: uuid.UUID) -> dict[str, object] | None:
        """The document's row."""
        async with self.pool.connection() as connection:
            return await row(connection, "select * from documents where id = %s", [id])

    async def documents(self) -> list[dict[str, object]]:
        """The rows of all of the collection's documents."""
        async with self.pool.connection() as connection:
            return await rows(connection, "select * from documents where collection = %s", [self.collection.id])

    async def queue(self) -> list[dict[str, object]]:
        """What procrastinate still holds."""
        async with self.pool.connection() as connection:
            return await rows(connection, "select id, task_name, status from procrastinate_jobs order by id")

    async def _texts(self, table: str, document: uuid.UUID) -> list[str]:
        async with self.pool.connection() as connection:
            found = await rows(
                connection,
                f"select text from {table} where collection = %s and document = %s order by text",
                [self.collection.id, str(document)],
            )
        return [one["text"] for one in found]


async def open_desk(pool: Pool, model: str = "e5", dimension: int = DIMENSION) -> Desk:
    """A desk with a fresh collection."""
    chunks = Chunks(pool)
    await chunks.prepare(dimension)
    async with pool.connection() as connection:
        name = f"desk-{uuid.uuid4().hex[:8]}"
        made = await row(
            connection,
            "insert into collections (name, title, model, dimension, index)"
            " values (%s, %s, %s, %s, 'hnsw') returning *",
            [name, name, model, dimension],
        )
        assert made is not None
        await connection.execute("insert into grants values (%s, 'owner', 'user', %s)", [made["id"], OWNER])
    return Desk(pool, chunks, collections.collection_of(made))
