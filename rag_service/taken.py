"""What becomes of the rows of a stock table: chunks of documents that have no file of ours."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection as Some
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rag_service.chunk import Chunk, Collection
from rag_service.database import Connection, rows
from rag_service.store.chunks import Chunks

LONGEST = 500  # characters of a document's key, title or address

#: LlamaIndex's own keys: the kind of a node and the names of its document.
_INTERNAL = {"_node_type", "document_id", "doc_id", "ref_doc_id"}
#: What a passage shows beside its text.
_SHOWN = {"title", "page", "heading", "url"}


async def documents(
    connection: Connection, collection: Collection, source: str, chunks: Sequence[Chunk]
) -> list[Chunk]:
    """Make the documents that the chunks belong to, where they are missing; the chunks as they go into the collection.
    Those of a document that somebody has uploaded under the same key since are left out."""
    keys = [line(f"{source}/{chunk.document}" if chunk.document else source) for chunk in chunks]
    shown = [_metadata(chunk.metadata) for chunk in chunks]
    firsts = dict(zip(reversed(keys), reversed(shown), strict=True))
    ids = {key: uuid.uuid5(uuid.NAMESPACE_OID, f"{collection.id} {key}") for key in firsts}
    # In the order in which a deletion holds them.
    ids = dict(sorted(ids.items(), key=lambda one: one[1]))
    known = await rows(
        connection,
        """insert into documents (id, collection, key, title, url, status, version)
        select id, %s, key, title, url, 'ready', 1
        from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) as one (id, key, title, url)
        on conflict (collection, key) do update set changed_at = now()
        where documents.id = excluded.id and not exists (select from files f where f.document = documents.id)
        returning id""",
        [
            collection.id,
            list(ids.values()),
            list(ids),
            [firsts[key].get("title", "") for key in ids],
            [firsts[key].get("url", "") for key in ids],
        ],
    )
    ours = {found["id"] for found in known}
    return [
        replace(chunk, document=str(ids[key]), metadata=metadata, node=None)
        for chunk, key, metadata in zip(chunks, keys, shown, strict=True)
        if ids[key] in ours
    ]


async def count(connection: Connection, collection: Collection, chunks: Chunks, ids: Some[str]) -> None:
    """Write down how many chunks these documents have."""
    await connection.execute(
        f"""update documents d set chunks = (
            select count(*) from {chunks.table(collection.dimension).name}
            where collection = d.collection and document = d.id::text)
        where d.id = any(%s::uuid[])""",
        [sorted(ids)],
    )


def line(text: str) -> str:
    """One line that can be a key or a title."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:LONGEST]


def _metadata(said: Mapping[str, Any]) -> dict[str, Any]:
    """The owner's metadata, with title, page, heading and url as this service writes them where that is known."""
    made = {key: value for key, value in said.items() if key not in _INTERNAL and key not in _SHOWN}
    title, page, url = said.get("title") or said.get("file_name"), said.get("page", said.get("page_label")), ""
    if isinstance(said.get("url"), str) and re.fullmatch(r"https?://\S+", said["url"], re.IGNORECASE):
        url = line(said["url"])  # a browser follows it from a source of an answer, so it must not be a script
    number = int(page) if re.fullmatch(r"[0-9]{1,6}", str(page)) else None
    heading = said["heading"] if isinstance(said.get("heading"), str) else ""
    ours = {"title": line(str(title)) if title else "", "page": number, "heading": heading, "url": url}
    return {**made, **{key: value for key, value in ours.items() if value not in (None, "")}}
