"""The tables of chunks: one for each dimension and kind of vector, shared by all collections. Pure.

There is no vector index over a whole table: under a filter it loses the rows of small collections. A large collection
has a partial index of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rag_service.chunk import Index
from rag_service.store.faults import StoreFault

OLDEST_PGVECTOR = (0, 8)

#: The most dimensions that a column may have, and those that an index can hold (pgvector's documentation).
MOST = 16000
INDEXED = {True: 4000, False: 2000}

#: What is new in a GIN index waits in a list of so many kB, and is sorted in with much else at once: half the time of a
#: bulk load. A search reads the whole list, so `tend` and bulk loads empty it.
GIN = "with (gin_pending_list_limit = 16384)"

#: The language of collections that PostgreSQL has no dictionary for.
NO_DICTIONARY = "simple"

#: Instead of the language of collections that are searched by meaning alone.
NO_WORDS = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Names and statements of one table of chunks and of the versions staged beside it."""

    prefix: str
    dimension: int
    halfvec: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z_]{0,20}", self.prefix):
            raise StoreFault(f"A table's prefix is made of small letters, not {self.prefix!r}.")
        if not 1 <= self.dimension <= MOST:
            raise StoreFault(f"Vectors have 1 to {MOST} dimensions, not {self.dimension}.")

    @property
    def name(self) -> str:
        return f"{self.prefix}_{self.dimension}{'' if self.halfvec else '_full'}"

    @property
    def staged(self) -> str:
        return f"{self.name}_staged"

    @property
    def type(self) -> str:
        return f"{'halfvec' if self.halfvec else 'vector'}({self.dimension})"

    @property
    def whole(self) -> int:
        """Bytes that a row may have before PostgreSQL moves the largest of it elsewhere: more than its own 2,040 where
        the vector, which stays, would push out all else, and a page's at most."""
        vector = (2 if self.halfvec else 4) * self.dimension
        return min(8160, max(2040, vector + 1000))

    @property
    def indexable(self) -> bool:
        """Whether pgvector can index vectors of this size."""
        return self.dimension <= INDEXED[self.halfvec]

    def index(self, collection: int, kind: Index) -> str:
        """The name of a collection's own index."""
        return f"{self.name}_c{collection}_{kind}"

    def index_of(self, name: str) -> tuple[int, Index] | None:
        """The collection and the kind of an index by its name; None: not an index of one collection."""
        found = re.fullmatch(re.escape(self.name) + r"_c(\d+)_(hnsw|ivfflat)", name)
        return (int(found[1]), "hnsw" if found[2] == "hnsw" else "ivfflat") if found else None

    def build(self, collection: int, kind: Index, rows: int) -> str:
        """The statement that builds a collection's own index while reads and writes go on."""
        ops = "halfvec_cosine_ops" if self.halfvec else "vector_cosine_ops"
        options = f" with (lists = {lists(rows)})" if kind == "ivfflat" else ""
        return (
            f"create index concurrently {self.index(collection, kind)} on {self.name} "
            f"using {kind} (embedding {ops}){options} where collection = {collection:d}"
        )

    @property
    def create(self) -> list[str]:
        """Statements that may run many times."""
        return [
            f"""create table if not exists {self.name} (
                collection bigint not null,
                node_id text not null,
                document text not null,
                text text not null,
                metadata jsonb not null,
                embedding {self.type} not null,
                words tsvector not null,
                fuzzy boolean not null,
                node text,
                primary key (collection, node_id)
            )""",
            f"create index if not exists {self.name}_document on {self.name} (collection, document)",
            f"create index if not exists {self.name}_words on {self.name} using gin (words) {GIN}",
            f"create index if not exists {self.name}_metadata on {self.name} using gin (metadata jsonb_path_ops) {GIN}",
            f"create index if not exists {self.name}_fuzzy on {self.name} "
            f"using gin (text gin_trgm_ops) {GIN} where fuzzy",
            f"""create table if not exists {self.staged} (
                collection bigint not null,
                document text not null,
                version integer not null,
                node_id text not null,
                text text not null,
                metadata jsonb not null,
                tokens text[] not null,
                embedding {self.type} not null,
                node text,
                primary key (collection, document, version, node_id)
            )""",
            # What a table of an earlier version lacks; changing nothing would still wait for locks. Vectors stay in
            # their rows, for a sorted search would fetch each of them from elsewhere. Nothing that the planner could be
            # told of them and of texts helps it, and to find it out is most of an `analyze`.
            f"""do $$ begin
                if exists (select from pg_attribute where attrelid = '{self.name}'::regclass
                           and attname = 'embedding' and (attstorage <> 'm' or attstattarget is distinct from 0)) then
                    alter table {self.name} set (toast_tuple_target = {self.whole}),
                        alter embedding set storage main,
                        alter embedding set statistics 0, alter text set statistics 0;
                end if;
                if not exists (select from pg_attribute where attrelid = '{self.name}'::regclass
                               and attname = 'node') then
                    alter table {self.name} add column node text;
                    alter table {self.staged} add column node text;
                end if;
            end $$""",
        ]

    def insert(self, source: str, language: str) -> tuple[str, list[Any]]:
        """Rows from the staged form into the searched one: the statement and its parameters."""
        words, values = "''::tsvector", []
        if language != NO_WORDS:
            title = "concat_ws(' ', metadata ->> 'title', metadata ->> 'heading')"
            words = (
                f"setweight(to_tsvector(%s::regconfig, {title}), 'A') "
                "|| to_tsvector(%s::regconfig, text) || array_to_tsvector(tokens)"
            )
            values = [language, language]
        return (
            f"insert into {self.name} (collection, node_id, document, text, metadata, embedding, node, words, fuzzy) "
            f"select collection, node_id, document, text, metadata, embedding, node, {words}, %s from {source}",
            [*values, language == NO_DICTIONARY],
        )


def lists(rows: int) -> int:
    """Lists of an ivfflat index: pgvector's documentation says rows / 1000."""
    return max(10, rows // 1000)


def check_pgvector(version: str | None) -> None:
    """Raises StoreFault when the database's pgvector is older than 0.8: that takes the settings of an iterative search
    and ignores them."""
    if version is None or tuple(map(int, re.findall(r"\d+", version))) < OLDEST_PGVECTOR:
        raise StoreFault(f"pgvector 0.8 or newer is needed; the database has {version or 'none'}.")
