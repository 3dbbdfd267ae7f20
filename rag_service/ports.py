"""What the routes need of the other parts of the service."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rag_service.chunk import Collection, Found, Search
from rag_service.database import Connection


class Chunks(Protocol):
    """Where chunks are kept and searched."""

    async def prepare(self, dimension: int) -> None:
        """Make the table for embeddings of that dimension if it is missing, and give an old one what it lacks."""

    async def drop(self, connection: Connection, collection: Collection, document: str) -> None:
        """Forget a document's chunks, with the connection's transaction."""

    async def drop_collection(self, connection: Connection, collection: Collection) -> None:
        """Forget a collection's chunks, with the connection's transaction."""

    async def search(self, collections: Sequence[Collection], search: Search) -> list[Found]:
        """The best chunks of these collections, the best first."""

    async def tend(self, collection: Collection) -> None:
        """Give the collection the index that it should have."""


class Embedder(Protocol):
    """The house's embedder, through the gateway. Raises Refused, or another MaitreError when it is down."""

    async def question(self, text: str, on_behalf: str) -> list[float]:
        """The embedding of a question."""

    async def dimension(self, on_behalf: str) -> int:
        """How long its embeddings are."""


class Job(Protocol):
    """How a job is. `stage` says what is being done, `done` of `total` chunks are embedded."""

    @property
    def id(self) -> str: ...
    @property
    def document(self) -> uuid.UUID | None: ...
    @property
    def status(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def fault(self) -> str: ...
    @property
    def fault_code(self) -> str: ...
    @property
    def ended(self) -> bool: ...


class Jobs(Protocol):
    """What is to be done with documents, in the background, all within the connection's transaction. Ids are texts."""

    async def enqueue(self, connection: Connection, document: uuid.UUID) -> str:
        """A job for the document's newest bytes; older ones of the document end."""

    async def job(self, connection: Connection, id: str) -> Job | None:
        """How the job is, if there is one of that id."""

    async def cancel(self, connection: Connection, id: str) -> bool:
        """Put an end to a job; False when it has ended already."""

    async def retry(self, connection: Connection, id: str) -> bool:
        """Try a failed or cancelled job again; False when it is neither."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, and what it cost in tokens."""

    text: str
    model: str
    usage: Mapping[str, Any] | None


class Chat(Protocol):
    """A model that answers, through the gateway."""

    async def answer(self, model: str, messages: Sequence[Mapping[str, str]], on_behalf: str) -> Answer:
        """The answer to a conversation, at the caller's expense. Raises Refused, or another MaitreError when nobody
        answers."""
