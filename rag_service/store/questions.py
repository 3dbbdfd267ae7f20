"""LlamaIndex's queries as searches. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from rag_service.chunk import Search
from rag_service.store.filters import Condition, joined

#: How much a chunk's nearness counts beside its being unlike the others, when a query does not say.
MMR = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """A search, which documents and nodes it is about, and what meaning and words count."""

    search: Search
    also: Condition
    weights: tuple[float, float]


def question(query: VectorStoreQuery, collection: int, **extra: Any) -> Question:
    """A query of LlamaIndex. Raises NotImplementedError for modes that train a model on the answers."""
    mode = VectorStoreQueryMode(query.mode)
    found: dict[str, Any] = {"limit": query.similarity_top_k, "mode": "dense"}
    match mode:
        case VectorStoreQueryMode.DEFAULT:
            pass
        case VectorStoreQueryMode.SPARSE | VectorStoreQueryMode.TEXT_SEARCH:
            found = {"limit": query.sparse_top_k or query.similarity_top_k, "mode": "text"}
        case VectorStoreQueryMode.HYBRID:
            found = {"limit": query.hybrid_top_k or query.similarity_top_k, "mode": "hybrid"}
        case VectorStoreQueryMode.SEMANTIC_HYBRID:  # candidates of both, in the order of their meaning
            found = {"limit": query.hybrid_top_k or query.similarity_top_k, "mode": "hybrid", "mmr": 1.0}
        case VectorStoreQueryMode.MMR:
            threshold = query.mmr_threshold if query.mmr_threshold is not None else extra.get("mmr_threshold")
            found["mmr"] = MMR if threshold is None else threshold
        case _:
            raise NotImplementedError(f"PgVectorStore has no query mode {mode.value!r}.")
    search = Search(
        [collection], text=query.query_str or "", embedding=query.query_embedding, filters=query.filters, **found
    )
    alpha = 0.5 if query.alpha is None else query.alpha
    # The retriever of LlamaIndex sends empty lists when it means all.
    return Question(search, named(query.doc_ids or None, query.node_ids or None), (alpha, 1 - alpha))


def named(doc_ids: list[str] | None = None, node_ids: list[str] | None = None) -> Condition:
    """Only these documents and nodes; None: all."""
    parts = []
    if doc_ids is not None:
        parts.append(Condition("document = any(%s)", (doc_ids,)))
    if node_ids is not None:
        parts.append(Condition("node_id = any(%s)", (node_ids,)))
    return joined("and", parts)
