"""Documents, their files and the jobs that make them ready, in the same transaction."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from rag_service.access import Grant
from rag_service.callers import Caller
from rag_service.chunk import Collection
from rag_service.collections import READABLE, Kept, collection_of, seen_by
from rag_service.database import Connection, row, rows
from rag_service.errors import Refused
from rag_service.ports import Chunks, Jobs
from rag_service.store.filters import condition

#: How texts are made of files and chunks of texts; another number makes every document worth indexing anew.
MAKING = 1

#: A job is at it, or will be.
UNDER_WAY = ("waiting", "working")

_SHOWN = """d.id, d.key, d.title, d.url, d.metadata, d.media_type, d.size, d.version, d.chunks, d.pages, d.status,
    d.fault, d.fault_code, d.created_at, d.changed_at,
    coalesce((select f.job from files f where f.document = d.id), '') as job"""


@dataclass(frozen=True, slots=True)
class Upload:
    """A document as somebody brings it. `key` is the owner's name for it; `name` the file's."""

    key: str
    title: str
    url: str
    metadata: Mapping[str, Any]
    name: str
    media_type: str
    data: bytes
    sha256: str  # of the data

    def content_hash(self, model: str) -> str:
        """The same for what would give the same chunks."""
        said = [self.title, self.url, self.metadata, self.name, self.media_type, model, MAKING, self.sha256]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an upload: `job` is empty for one that changes nothing."""

    document: uuid.UUID
    job: str
    status: str

    def shown(self) -> dict[str, str]:
        """As the API shows it."""
        return {"document": str(self.document), **({"job": self.job} if self.job else {}), "status": self.status}


async def put(connection: Connection, collection: Collection, upload: Upload, jobs: Jobs, id: uuid.UUID) -> Accepted:
    """Keep the upload as the newest version of the document of that key, and have it made ready. `id` is for a new
    document. What answers, answers until then."""
    await connection.execute(
        "insert into documents (id, collection, key) values (%s, %s, %s) on conflict (collection, key) do nothing",
        [id, collection.id, upload.key],
    )
    document = await row(
        connection,
        "select id, status from documents where collection = %s and key = %s for update",
        [collection.id, upload.key],
    )
    if document is None:
        raise Refused(409, "deleted", f"“{upload.key}” was deleted while it was uploaded; upload it again.")
    content_hash = upload.content_hash(collection.model)
    file = await _file(connection, document["id"])
    if file is not None and file["content_hash"] == content_hash:
        if document["status"] == "ready":
            return Accepted(document["id"], "", "unchanged")
        if document["status"] in UNDER_WAY:
            return Accepted(document["id"], file["job"], document["status"])
    await connection.execute(
        """insert into files (document, name, sha256, content_hash, bytes) values (%s, %s, %s, %s, %b)
        on conflict (document) do update set version = files.version + 1, created_at = now(), name = excluded.name,
        sha256 = excluded.sha256, content_hash = excluded.content_hash, bytes = excluded.bytes""",
        [document["id"], upload.name, upload.sha256, content_hash, upload.data],
    )
    await connection.execute(
        """update documents set title = %s, url = %s, metadata = %s, media_type = %s, size = %s, changed_at = now()
        where id = %s""",
        [upload.title, upload.url, Jsonb(upload.metadata), upload.media_type, len(upload.data), document["id"]],
    )
    return await _begin(connection, jobs, document["id"])


async def again(connection: Connection, jobs: Jobs, id: uuid.UUID) -> Accepted:
    """Make the document anew of its newest bytes, unless that is under way."""
    document = await row(connection, "select status from documents where id = %s for update", [id])
    file = await _file(connection, id)
    if document is None:
        raise unknown()
    if file is None:
        raise Refused(409, "imported", "The document was imported from a table: there is no file to index anew.")
    if document["status"] in UNDER_WAY:
        return Accepted(id, file["job"], document["status"])
    return await _begin(connection, jobs, id)


async def _begin(connection: Connection, jobs: Jobs, id: uuid.UUID) -> Accepted:
    job = await jobs.enqueue(connection, id)
    await connection.execute("update files set job = %s where document = %s", [job, id])
    return Accepted(id, job, "waiting")


async def _file(connection: Connection, id: uuid.UUID) -> dict[str, Any] | None:
    return await row(connection, "select content_hash, job from files where document = %s", [id])


async def delete(
    connection: Connection, collection: Collection, ids: Sequence[uuid.UUID], jobs: Jobs, chunks: Chunks
) -> int:
    """Forget documents of a collection with their chunks, and put an end to their jobs; how many there were."""
    found = await rows(
        connection,
        """select d.id, d.status, f.job from documents d left join files f on f.document = d.id
        where d.collection = %s and d.id = any(%s) order by d.id for update of d""",
        [collection.id, list(ids)],
    )
    for one in found:
        if one["job"] and one["status"] in UNDER_WAY:
            await jobs.cancel(connection, one["job"])
        await chunks.drop(connection, collection, str(one["id"]))
    await connection.execute("delete from documents where id = any(%s)", [[one["id"] for one in found]])
    return len(found)


async def listed(
    connection: Connection, kept: Kept, limit: int, after: str, status: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """So many documents of a collection by their keys, after that key; and the last key when there are more."""
    found = await rows(
        connection,
        f"""select {_SHOWN} from documents d where d.collection = %(collection)s and d.key > %(after)s
        and (%(status)s::text is null or d.status = %(status)s) order by d.key limit %(limit)s""",
        {"collection": kept.collection.id, "after": after, "status": status, "limit": limit + 1},
    )
    shown = [_shown(one, kept.collection.name) for one in found[:limit]]
    return shown, shown[-1]["key"] if len(found) > limit else None


@dataclass(frozen=True, slots=True)
class Filed:
    """A document that the caller may read, and the collection that it lies in."""

    id: uuid.UUID
    kept: Kept
    shown: Mapping[str, Any]


async def find(connection: Connection, caller: Caller, id: str) -> Filed:
    """A document that the caller may read. Raises Refused: 404."""
    try:
        asked = uuid.UUID(id)
    except ValueError:
        raise unknown() from None
    found = await row(
        connection,
        f"""select {_SHOWN}, to_jsonb(c) as collection,
        array(select array[g.role, g.kind, g.who] from grants g where g.collection = c.id) as grants,
        c.created_at as since
        from documents d join collections c on c.id = d.collection where d.id = %(id)s and {READABLE}""",
        {**seen_by(caller), "id": asked},
    )
    if found is None:
        raise unknown()
    made, grants = found["collection"], tuple(Grant(*grant) for grant in found["grants"])
    kept = Kept(collection_of(made), made["language"], grants, found["since"], {}, 0)
    return Filed(asked, kept, _shown(found, made["name"]))


def unknown() -> Refused:
    """The same for what is not there and what is not for the caller."""
    return Refused(404, "unknown_document", "There is no such document.")


def _shown(found: Mapping[str, Any], collection: str) -> dict[str, Any]:
    plain = ("key", "title", "url", "metadata", "media_type", "size", "version", "chunks", "pages", "status", "fault")
    return {
        "id": str(found["id"]),
        "collection": collection,
        **{name: found[name] for name in (*plain, "fault_code", "job")},
        "created_at": found["created_at"].isoformat(),
        "changed_at": found["changed_at"].isoformat(),
    }


async def uploaded(connection: Connection, collection: Collection) -> list[uuid.UUID]:
    """A collection's documents that have a file; those of an imported table have none."""
    found = await rows(
        connection,
        "select d.id from documents d join files f on f.document = d.id where d.collection = %s order by d.id",
        [collection.id],
    )
    return [one["id"] for one in found]


async def ids_of(connection: Connection, collection: Collection, filters: Any) -> list[uuid.UUID]:
    """A collection's documents whose metadata (title and url with it) the filters hold for. Raises
    FilterFault."""
    wanted = condition(filters, "(metadata || jsonb_build_object('title', title, 'url', url))")
    found = await connection.execute(
        f"select id from documents where collection = %s and {wanted.sql} order by id",
        [collection.id, *wanted.parameters],
    )
    return [id for (id,) in await found.fetchall()]
