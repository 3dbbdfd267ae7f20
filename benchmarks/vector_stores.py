"""The stock llama-index-vector-stores-postgres and our store, opened on one database for the benchmarks."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from llama_index.vector_stores.postgres import PGVectorStore

from benchmarks.rows import DIMENSION
from rag_service.chunk import Index
from rag_service.store.vector_store import PgVectorStore

#: What the stock store's documentation says.
HNSW = {"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_ef_search": 40, "hnsw_dist_method": "vector_cosine_ops"}


def stock(url: str, table: str, indexed: bool) -> Any:
    """The stock store; one with an index builds it when it is first used."""
    at = urlsplit(url)
    return PGVectorStore.from_params(
        host=at.hostname,
        port=str(at.port),
        database=at.path[1:],
        user=at.username,
        password=at.password,
        table_name=table,
        embed_dim=DIMENSION,
        use_jsonb=True,
        hnsw_kwargs=dict(HNSW) if indexed else None,
    )


def ours(url: str, collection: str, words: bool = True, index: Index = "hnsw") -> PgVectorStore:
    """Our store, with an index of words or without; that of vectors is built by `tend`."""
    language = "english" if words else None
    return PgVectorStore(url, collection=collection, dimension=DIMENSION, language=language, index=index)
