"""A vector store for LlamaIndex users on their own: docs/vector-store.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from rag_service.chunk import Collection, Found, Index
from rag_service.store.apart import Apart
from rag_service.store.asking import ask
from rag_service.store.chunks import Chunks
from rag_service.store.faults import StoreFault
from rag_service.store.filters import EVERYTHING, Condition, condition, joined
from rag_service.store.nodes import as_chunk, as_node
from rag_service.store.plan import WIDTH
from rag_service.store.questions import named, question
from rag_service.store.registry import collection_of
from rag_service.store.stock import stock_table
from rag_service.store.tables import NO_WORDS

T = TypeVar("T")
Work = Callable[[Chunks], Coroutine[Any, Any, T]]

#: Before the names of the tables; the service's begin with `chunks`.
PREFIX = "nodes"

#: Nodes that are written in one transaction, and how many transactions at once: one is made ready while the server is
#: busy with another.
BATCH, AT_ONCE = 2500, 2

#: For searches that need no settings of their own.
WIDEN = f"set hnsw.ef_search = {WIDTH}"


class PgVectorStore(BasePydanticVectorStore):
    """One collection of nodes in PostgreSQL with pgvector 0.8 or newer.

    Every method works with a loop running around it and without one. With a connection string, `query` works in the
    caller's thread and all else in a loop of the store's own; with a pool, the async methods use the pool, in the loop
    that opened it.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    collection: str
    dimension: int
    language: str | None = "simple"
    halfvec: bool = True
    index: Index = "hnsw"

    _apart: Apart = PrivateAttr(default_factory=Apart)
    _conninfo: Any = PrivateAttr()  # as psycopg's pool takes it
    _options: Any = PrivateAttr(default=None)
    _theirs: AsyncConnectionPool | None = PrivateAttr(default=None)
    _ours: AsyncConnectionPool | None = PrivateAttr(default=None)
    _readers: ConnectionPool = PrivateAttr()
    _known: Collection = PrivateAttr()
    _stores: dict[int, Chunks] = PrivateAttr(default_factory=dict)

    def __init__(
        self,
        connection: str | AsyncConnectionPool,
        *,
        collection: str,
        dimension: int,
        language: str | None = "simple",
        halfvec: bool = True,
        index: Index = "hnsw",
    ) -> None:
        """The collection is made when it is not there. `language` is a text search configuration of PostgreSQL,
        `simple` for a language that it has no dictionary for, None for searches by meaning alone; `halfvec` halves the
        room of a vector; `index` is what a large collection gets. Raises StoreFault when the collection was made with
        another dimension, language or kind of vector, and when pgvector is too old."""
        super().__init__(  # type: ignore[call-arg]
            collection=collection, dimension=dimension, language=language, halfvec=halfvec, index=index
        )
        if isinstance(connection, str):
            self._conninfo = connection
        else:
            self._theirs = connection
            self._conninfo, self._options = connection.conninfo, connection.kwargs
        self._readers = self._closed_readers()
        try:
            self._known = self._apart.wait(self._find())
        except BaseException:
            self.close()
            raise

    async def _find(self) -> Collection:
        pool = await self._own_pool()
        language = self.language or NO_WORDS
        return await collection_of(pool, PREFIX, self.collection, self.dimension, language, self.halfvec, self.index)

    async def _own_pool(self) -> AsyncConnectionPool:
        """The pool of the store's own loop, opened with the first call."""
        if self._ours is None:
            pool = AsyncConnectionPool(
                self._conninfo, kwargs=self._options, min_size=1, max_size=4, open=False, configure=_widen_async
            )
            await pool.open()
            self._ours = pool
        return self._ours

    def _closed_readers(self) -> ConnectionPool:
        """Connections for `query` in its caller's thread, none of them open yet."""
        return ConnectionPool(
            self._conninfo, kwargs={"autocommit": True}, min_size=0, max_size=4, open=False, configure=_widen
        )

    def _chunks(self, pool: AsyncConnectionPool) -> Chunks:
        """The store on a pool, one for each."""
        return self._stores.setdefault(id(pool), Chunks(pool, prefix=PREFIX, halfvec=self.halfvec))

    async def _here(self, work: Work[T]) -> T:
        return await work(self._chunks(await self._own_pool()))

    def _sync(self, work: Work[T]) -> T:
        return self._apart.wait(self._here(work))

    async def _async(self, work: Work[T]) -> T:
        if self._theirs is not None:
            return await work(self._chunks(self._theirs))
        return await self._apart.join(self._here(work))

    @classmethod
    def class_name(cls) -> str:
        """As LlamaIndex calls it."""
        return "PgVectorStore"

    @property
    def client(self) -> Any:
        """The pool."""
        return self._theirs or self._ours

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Write nodes with their embeddings; one with the id of another replaces it. Returns their ids. Raises
        StoreFault when an embedding is missing or has another dimension; then nothing of its batch is written."""
        return self._sync(lambda chunks: self._add(chunks, nodes))

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """As `add`."""
        return await self._async(lambda chunks: self._add(chunks, nodes))

    async def _add(self, chunks: Chunks, nodes: Sequence[BaseNode]) -> list[str]:
        last = list({node.node_id: node for node in nodes}.values())
        turn = asyncio.Semaphore(min(AT_ONCE, chunks.pool.max_size))

        async def write(start: int) -> None:
            async with turn, chunks.pool.connection() as connection, connection.transaction():
                await chunks.write(connection, self._known, map(as_chunk, last[start : start + BATCH]))

        try:
            async with asyncio.TaskGroup() as group:
                for start in range(0, len(last), BATCH):
                    group.create_task(write(start))
        except BaseExceptionGroup as faults:  # the first one; it ended the others
            raise faults.exceptions[0] from None
        await chunks.settle(self._known, len(last))
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document."""
        self._sync(lambda chunks: chunks.remove(self._known, named([ref_doc_id])))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """As `delete`."""
        await self._async(lambda chunks: chunks.remove(self._known, named([ref_doc_id])))

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Delete nodes that are named and that the filters leave. Raises StoreFault when neither is given."""
        self._sync(lambda chunks: chunks.remove(self._known, some(node_ids, filters)))

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """As `delete_nodes`."""
        await self._async(lambda chunks: chunks.remove(self._known, some(node_ids, filters)))

    def clear(self) -> None:
        """Delete all nodes of the collection."""
        self._sync(lambda chunks: chunks.remove(self._known, EVERYTHING))

    async def aclear(self) -> None:
        """As `clear`."""
        await self._async(lambda chunks: chunks.remove(self._known, EVERYTHING))

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes that are named and that the filters leave, with their embeddings, by node id."""
        return self._sync(lambda chunks: self._get(chunks, node_ids, filters))

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """As `get_nodes`."""
        return await self._async(lambda chunks: self._get(chunks, node_ids, filters))

    async def _get(self, chunks: Chunks, node_ids: list[str] | None, filters: MetadataFilters | None) -> list[BaseNode]:
        where = joined("and", [named(node_ids=node_ids), condition(filters)])
        return [as_node(chunk) for chunk in await chunks.matching(self._known, where)]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes that answer best, best first. Raises NotImplementedError for SVM, linear and logistic
        regression, StoreFault for a filter that means nothing or an embedding of another dimension."""
        if self._theirs is not None:
            return self._sync(lambda chunks: self._query(chunks, query, kwargs))
        asked = question(query, self._known.id, **kwargs)
        chunks = self._chunks(self._ours or self._apart.wait(self._own_pool()))
        self._readers.open()
        with self._readers.connection() as connection:
            return _result(ask(connection, chunks.searching([self._known], asked.search, asked.also, asked.weights)))

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """As `query`."""
        return await self._async(lambda chunks: self._query(chunks, query, kwargs))

    async def _query(self, chunks: Chunks, query: VectorStoreQuery, extra: dict[str, Any]) -> VectorStoreQueryResult:
        asked = question(query, self._known.id, **extra)
        return _result(await chunks.search([self._known], asked.search, asked.also, asked.weights))

    def tend(self) -> None:
        """Build the index of a collection that has grown large, after a bulk load; drop that of one that has shrunk.
        Without it every answer is right and slower."""
        self._sync(lambda chunks: chunks.tend(self._known))

    async def atend(self) -> None:
        """As `tend`."""
        await self._async(lambda chunks: chunks.tend(self._known))

    def import_stock(self, name: str, schema: str = "public") -> int:
        """Copy the nodes of a table `data_<name>` of the stock Postgres store in the same database; how many. What was
        cut off goes on. Raises StoreFault when it is none, or of another dimension."""
        return self._sync(lambda chunks: self._import(chunks, name, schema))

    async def aimport_stock(self, name: str, schema: str = "public") -> int:
        """As `import_stock`."""
        return await self._async(lambda chunks: self._import(chunks, name, schema))

    async def _import(self, chunks: Chunks, name: str, schema: str) -> int:
        table = await stock_table(chunks.pool, name, schema)
        return max([written async for written in table.copy_into(chunks, self._known)], default=0)

    def close(self) -> None:
        """Close the store's own connections; a pool that was given stays open."""
        if self._ours is not None:
            self._apart.wait(self._ours.close())
            self._ours = None
        self._readers.close()
        self._readers = self._closed_readers()
        self._apart.close()


def _widen(connection: Connection[Any]) -> None:
    connection.execute(WIDEN)


async def _widen_async(connection: AsyncConnection[Any]) -> None:
    await connection.execute(WIDEN)
    await connection.commit()


def _result(found: Sequence[Found]) -> VectorStoreQueryResult:
    nodes = [as_node(one.chunk) for one in found]
    return VectorStoreQueryResult(nodes, [one.score for one in found], [one.chunk.node_id for one in found])


def some(node_ids: list[str] | None, filters: MetadataFilters | None) -> Condition:
    """What is to be deleted. All nodes are only deleted by `clear`."""
    if node_ids is None and (filters is None or not filters.filters):
        raise StoreFault("Deleting nodes needs their ids or filters; `clear` deletes all.")
    return joined("and", [named(node_ids=node_ids), condition(filters)])
