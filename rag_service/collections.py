"""The collections that somebody may see. Whoever gets one here may read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rag_service.access import Grant, Owner, Readers, grants_of, marks, may_manage, owner_of, readers_of
from rag_service.callers import Caller
from rag_service.chunk import Collection
from rag_service.database import Connection, Pool, row, rows
from rag_service.errors import Refused
from rag_service.languages import configuration
from rag_service.names import MEMORY, NAME
from rag_service.ports import Chunks, Jobs

#: The condition under which a caller sees a collection `c`: access.may_read, as the database decides it.
READABLE = """(%(operator)s or exists (
    select from grants g where g.collection = c.id
    and (g.kind, g.who) in (select * from unnest(%(kinds)s::text[], %(whos)s::text[]))))"""

_COLLECTION = "c.id, c.name, c.title, c.description, c.language, c.model, c.dimension, c.index, c.created_at"
_COUNTS = """(
    select coalesce(jsonb_object_agg(status, documents), '{}') as statuses, coalesce(sum(chunks), 0)::bigint as chunks
    from (
        select d.status, count(*) as documents, sum(d.chunks) as chunks from documents d
        where d.collection = c.id group by d.status
    ) by_status)"""
_GRANTS = "array(select array[g.role, g.kind, g.who] from grants g where g.collection = c.id)"


@dataclass(frozen=True, slots=True)
class Kept:
    """A collection as it is kept. `language` is the one that was asked for, the collection's what PostgreSQL makes of
    it. `statuses`: how many documents there are of each."""

    collection: Collection
    language: str
    grants: tuple[Grant, ...]
    created_at: datetime
    statuses: Mapping[str, int]
    chunks: int

    @property
    def owner(self) -> Owner:
        """Whose it is."""
        return owner_of(self.grants)

    @property
    def documents(self) -> int:
        """How many there are, ready or not."""
        return sum(self.statuses.values())

    def for_change(self, caller: Caller) -> Collection:
        """The collection, for somebody who may change it; refused to others."""
        if not may_manage(caller, self.grants):
            raise Refused(403, "not_owner", f"Only its owner may change the collection “{self.collection.name}”.")
        return self.collection

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        made, owner, readers = self.collection, self.owner, readers_of(self.grants)
        return {
            "name": made.name,
            "title": made.title,
            "description": made.description,
            "language": self.language,
            "model": made.model,
            "dimension": made.dimension,
            "index": made.index,
            "owner": {"user": owner.user, "email": owner.email},
            "readers": {
                "everyone": readers.everyone,
                "users": list(readers.users),
                "groups": list(readers.groups),
                "assistants": list(readers.assistants),
            },
            "documents": self.documents,
            "chunks": self.chunks,
            "statuses": dict(self.statuses),
            "created_at": self.created_at.isoformat(),
        }


def seen_by(caller: Caller) -> dict[str, Any]:
    """The values of READABLE."""
    carried = sorted(marks(caller))
    return {
        "operator": caller.operator,
        "kinds": [kind for kind, _ in carried],
        "whos": [who for _, who in carried],
    }


def collection_of(found: Mapping[str, Any]) -> Collection:
    """The noun of a row of `collections`."""
    return Collection(
        found["id"],
        found["name"],
        found["title"],
        found["description"],
        configuration(found["language"]),
        found["model"],
        found["dimension"],
        found["index"],
    )


async def prepare(pool: Pool, chunks: Chunks) -> None:
    """Bring the tables of chunks of all collections up to date, as an earlier version may have made them."""
    async with pool.connection() as connection:
        found = await rows(connection, "select distinct dimension from collections order by dimension", [])
    for one in found:
        await chunks.prepare(one["dimension"])


async def readable(connection: Connection, caller: Caller, names: Sequence[str] | None = None) -> list[Collection]:
    """Those that the caller may read: all but guests' memories, or of the named ones. Raises Refused: 404, when none of
    those is."""
    found = await rows(
        connection,
        f"select {_COLLECTION} from collections c where {READABLE} and (c.name = any(%(names)s::text[])"
        " or %(names)s::text[] is null and c.name !~ %(memory)s) order by c.name",
        {**seen_by(caller), "names": None if names is None else list(names), "memory": MEMORY},
    )
    if names and not found:
        raise unknown(names[0])
    return [collection_of(one) for one in found]


async def every(connection: Connection, caller: Caller, name: str | None = None, counted: bool = True) -> list[Kept]:
    """Those that the caller may read, with their grants. `counted`: with the numbers of documents and chunks, for which
    all documents are looked at."""
    counts = _COUNTS if counted else "(select '{}'::jsonb as statuses, 0::bigint as chunks)"
    found = await rows(
        connection,
        f"""select {_COLLECTION}, {_GRANTS} as grants, n.statuses, n.chunks
        from collections c cross join lateral {counts} n
        where {READABLE} and (%(name)s::text is null or c.name = %(name)s) order by c.name""",
        {**seen_by(caller), "name": name},
    )
    return [
        Kept(
            collection_of(one),
            one["language"],
            tuple(Grant(*grant) for grant in one["grants"]),
            one["created_at"],
            one["statuses"],
            one["chunks"],
        )
        for one in found
    ]


async def find(connection: Connection, caller: Caller, name: str, counted: bool = False) -> Kept:
    """One that the caller may read. Raises Refused: 404."""
    found = await every(connection, caller, name, counted) if NAME.fullmatch(name) else []
    if not found:
        raise unknown(name)
    return found[0]


def unknown(name: str) -> Refused:
    """The same for what is not there and what is not for the caller."""
    return Refused(404, "unknown_collection", f"There is no collection “{name[:100]}”.".replace("\x00", ""))


async def taken(connection: Connection, name: str) -> bool:
    """Whether somebody has a collection of that name."""
    return await row(connection, "select 1 as found from collections where name = %s", [name]) is not None


async def create(connection: Connection, values: Mapping[str, Any], owner: Owner, readers: Readers) -> bool:
    """Keep a new collection; False when the name was taken meanwhile. The values are the table's columns."""
    made = await row(
        connection,
        """insert into collections (name, title, description, language, model, dimension, index)
        values (%(name)s, %(title)s, %(description)s, %(language)s, %(model)s, %(dimension)s, %(index)s)
        on conflict (name) do nothing returning id""",
        values,
    )
    if made is not None:
        await _grant(connection, made["id"], grants_of(owner, readers))
    return made is not None


async def change(
    connection: Connection, kept: Kept, values: Mapping[str, Any], owner: Owner | None, readers: Readers | None
) -> None:
    """Change what is given, and leave the rest. `values`: title, description, language, index."""
    id = kept.collection.id
    await connection.execute("select from collections where id = %s for update", [id])
    language = values.get("language") or kept.language
    if language != kept.language:
        filled = await row(connection, "select 1 as found from documents where collection = %s limit 1", [id])
        if filled is not None:
            raise Refused(
                409,
                "language_bound",
                f"The collection “{kept.collection.name}” has documents in “{kept.language}”; empty it to change that.",
            )
    await connection.execute(
        """update collections set title = coalesce(%(title)s, title), language = %(language)s,
        description = coalesce(%(description)s, description), index = coalesce(%(index)s, index) where id = %(id)s""",
        {"title": None, "description": None, "index": None, **values, "language": language, "id": id},
    )
    grants = grants_of(owner or kept.owner, readers if readers is not None else readers_of(kept.grants))
    if grants != set(kept.grants):
        await connection.execute("delete from grants where collection = %s", [id])
        await _grant(connection, id, grants)


async def delete(connection: Connection, collection: Collection, jobs: Jobs, chunks: Chunks) -> None:
    """Forget a collection with its documents and chunks, and put an end to their jobs."""
    # Whoever puts a document in meanwhile waits for this lock, and finds no collection.
    await connection.execute("select from collections where id = %s for update", [collection.id])
    under_way = await rows(
        connection,
        """select f.job from documents d join files f on f.document = d.id
        where d.collection = %s and d.status in ('waiting', 'working') and f.job <> '' order by d.id for update of d""",
        [collection.id],
    )
    for one in under_way:
        await jobs.cancel(connection, one["job"])
    await chunks.drop_collection(connection, collection)
    await connection.execute("delete from collections where id = %s", [collection.id])


async def _grant(connection: Connection, collection: int, grants: set[Grant]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "insert into grants (collection, role, kind, who) values (%s, %s, %s, %s)",
            [(collection, grant.role, grant.kind, grant.who) for grant in grants],
        )
