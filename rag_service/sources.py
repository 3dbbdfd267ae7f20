"""What a job needs of a document, and what its end changes of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rag_service.attempts import Lost
from rag_service.chunk import Collection
from rag_service.queue import Connection, one, rows


@dataclass(frozen=True, slots=True)
class Source:
    """A document's newest bytes (`file`: their version), where they belong, and who pays for their embeddings."""

    document: uuid.UUID
    collection: Collection
    owner: str
    owner_email: str
    title: str
    url: str
    metadata: Mapping[str, Any]
    name: str
    media_type: str
    file: int
    content_hash: str
    data: bytes = field(repr=False)


async def load(connection: Connection, document: uuid.UUID) -> Source:
    """The document as it was uploaded last. Raises Lost when it is gone."""
    row = await one(
        connection,
        """
        select c.id, c.name, c.title, c.description, c.language, c.model, c.dimension, c.index,
               d.title, d.url, d.metadata, f.name, d.media_type, f.version, f.content_hash, f.bytes
        from documents d join collections c on c.id = d.collection
        join lateral (select * from files where document = d.id order by version desc limit 1) f on true
        where d.id = %s
        """,
        (document,),
    )
    if row is None:
        raise Lost
    owner, email = await _owner(connection, row[0])
    return Source(document, Collection(*row[:8]), owner, email, *row[8:])


async def collection(connection: Connection, document: uuid.UUID) -> Collection | None:
    """The collection of a document; None when either is gone."""
    row = await one(
        connection,
        """
        select c.id, c.name, c.title, c.description, c.language, c.model, c.dimension, c.index
        from documents d join collections c on c.id = d.collection where d.id = %s
        """,
        (document,),
    )
    return Collection(*row) if row else None


async def switch(connection: Connection, source: Source, version: int, chunks: int, pages: int | None) -> None:
    """The version answers from now on; the bytes before it go. In the caller's transaction."""
    await rows(
        connection,
        """
        update documents set version = %s, content_hash = %s, chunks = %s, pages = %s, status = 'ready', fault = '',
            fault_code = '', changed_at = now() where id = %s
        """,
        (version, source.content_hash, chunks, pages, source.document),
    )
    await rows(connection, "delete from files where document = %s and version < %s", (source.document, source.file))


async def _owner(connection: Connection, collection: int) -> tuple[str, str]:
    """The owner's user id and e-mail, as far as they are known; the id is the e-mail where only that is."""
    found = await rows(
        connection,
        "select who from grants where collection = %s and role = 'owner' and kind = 'user' order by who",
        (collection,),
    )
    names = [row[0] for row in found]
    email = next((name for name in names if "@" in name), "")
    return next((name for name in names if "@" not in name), email), email
