"""A passage of a document, as a turn is given it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Passage:
    """`score` is only good for an order. `page` counts from 1, where the document has pages; `heading` is the path of
    headings above the passage."""

    id: str
    collection: str
    document: str  # its id
    title: str
    text: str
    score: float
    page: int | None = None
    heading: str = ""
    url: str = ""
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """On whose behalf collections are read: a user with groups, through an assistant or not. `turn_id` puts the
    embedding of the question into the turn's rows, and `key_id` into the windows of the API key that asks. `record`:
    what of the turn may be recorded (full, metadata, none)."""

    user_id: str
    email: str = ""
    groups: tuple[str, ...] = ()
    assistant: str = ""
    turn_id: str = ""
    key_id: str = ""
    record: str = "full"


class Knowledge(Protocol):
    """Where passages are found: the RAG service, or its twin in memory."""

    async def find(
        self, reader: Reader, question: str, collections: Sequence[str], limit: int, seconds: float
    ) -> list[Passage]:
        """The best passages of those of the collections that the reader may read, the best first. Raises KnowledgeDown
        when the service does not answer in so many seconds, or refuses."""
