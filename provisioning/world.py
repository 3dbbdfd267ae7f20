"""What a change is applied to: Open WebUI, Maitre's database, and the ids found or made so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.books import OpenBooks
from provisioning.indexing import Outcome
from provisioning.openwebui_http import OpenWebUI
from provisioning.rag_http import RagService

#: Makes the embeddings of texts, by whatever they are known by.
Embed = Callable[[Mapping[str, str]], Mapping[str, Sequence[float]]]


@dataclass(slots=True)
class World:
    """The two sides, the RAG service of a house that has one, and the ids of users (by e-mail) and of groups (by our
    key). `uploads`: the documents that were uploaded, with their collections."""

    web: OpenWebUI
    books: OpenBooks
    user_ids: dict[str, str] = field(default_factory=dict)
    group_ids: dict[str, str] = field(default_factory=dict)
    rag: RagService | None = None
    uploads: list[tuple[str, Outcome]] = field(default_factory=list)
    embedder: Embed | None = None  # in a house that makes embeddings
