"""The values of the RAG service. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Index = Literal["hnsw", "ivfflat", "exact"]
Mode = Literal["hybrid", "dense", "text"]

#: Where LlamaIndex keeps all of a node among its metadata. It would be read and passed over for every row that a filter
#: looks at, so it is kept beside them.
NODE = "_node_content"

Status = Literal["waiting", "working", "ready", "failed", "cancelled"]  # of a document, and of its jobs


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as the database has it. Its embedder's model and dimension never change."""

    id: int
    name: str
    title: str
    description: str
    language: str  # a text search configuration of PostgreSQL; `simple` goes with trigrams, an empty one without words
    model: str
    dimension: int
    index: Index = "hnsw"


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of a document before it has an embedding. `heading` is the path of headings above it, ` › ` between;
    `page` counts from 1."""

    text: str
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk as it is stored. `node_id` is unique in its collection."""

    node_id: str
    document: str
    text: str
    embedding: Sequence[float]
    metadata: Mapping[str, Any] = field(default_factory=dict)  # title, page, heading, url, and the owner's own
    node: str | None = None  # how LlamaIndex writes the node that it was, apart from the text


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, in which collections (all of one model), by their ids."""

    collections: Sequence[int]
    text: str = ""
    embedding: Sequence[float] | None = None
    limit: int = 10
    mode: Mode = "hybrid"
    mmr: float | None = None  # 0 (differing) to 1 (relevant); None: no reranking
    filters: Any = None  # llama_index.core.vector_stores.MetadataFilters


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk that was found; `score` is only good for an order."""

    collection: int
    chunk: Chunk
    score: float
