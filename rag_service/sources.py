"""What a job needs of a document, and what its end changes of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_service.attempts import Lost
from rag_service.chunk import Collection
from rag_service.collections import collection_of
from rag_service.database import Connection, row


@dataclass(frozen=True, slots=True)
class Source:
    """A document's newest bytes, where they belong, and who pays for their embeddings."""

    document: uuid.UUID
    collection: Collection
    owner: str
    owner_email: str
    title: str
    url: str
    metadata: Mapping[str, Any]
    name: str
    media_type: str
    content_hash: str
    data: bytes = field(repr=False)


async def load(connection: Connection, document: uuid.UUID) -> Source:
    """The document as it was uploaded last. Raises Lost when it is gone."""
    found = await row(
        connection,
        """
        select to_jsonb(c) as collection, d.title, d.url, d.metadata, f.name, d.media_type, f.content_hash, f.bytes,
            array(select who from grants where collection = c.id and role = 'owner' and kind = 'user') as owners
        from documents d join collections c on c.id = d.collection join files f on f.document = d.id where d.id = %s
        """,
        [document],
    )
    if found is None:
        raise Lost
    owner, email = _owner(found.pop("owners"))
    data = found.pop("bytes")
    return Source(document, collection_of(found.pop("collection")), owner, email, **found, data=data)


async def collection(connection: Connection, document: uuid.UUID) -> Collection | None:
    """The collection of a document; None when either is gone."""
    found = await row(
        connection,
        "select c.* from documents d join collections c on c.id = d.collection where d.id = %s",
        [document],
    )
    return collection_of(found) if found else None


async def switch(
    connection: Connection, source: Source, version: int, chunks: int, pages: int | None, title: str
) -> None:
    """The version answers from now on; where the owner gave no title, under the one that was found in the file. In the
    caller's transaction."""
    await connection.execute(
        """
        update documents set version = %s, content_hash = %s, chunks = %s, pages = %s, status = 'ready', fault = '',
            fault_code = '', changed_at = now(), title = coalesce(nullif(title, ''), %s) where id = %s
        """,
        [version, source.content_hash, chunks, pages, title, source.document],
    )


def _owner(names: Sequence[str]) -> tuple[str, str]:
    """The owner's user id and e-mail, as far as they are known; the id is the e-mail where only that is."""
    email = next((name for name in names if "@" in name), "")
    return next((name for name in names if "@" not in name), email), email
