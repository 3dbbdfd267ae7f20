"""The parts of the running service, as its routes use them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from maitre.errors import HouseError
from maitre.settings import House
from rag_service.callers import Caller, sign
from rag_service.chunk import Collection
from rag_service.database import Pool
from rag_service.errors import Refused
from rag_service.ports import Chat, Chunks, Embedder, Jobs

_log = logging.getLogger("rag_service")

#: Uploads that are in memory at once, on their way into the database.
AT_ONCE = 4


@dataclass(frozen=True)
class Service:
    """One house's service. `embedding` is the id of the house's embedder, `answer_model` the model that answers where a
    request names none."""

    key: str
    embedding: str
    answer_model: str | None
    max_file_bytes: int
    pool: Pool
    chunks: Chunks
    embedder: Embedder
    jobs: Jobs
    chat: Chat
    clock: Callable[[], float] = time.time
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @classmethod
    def of(cls, house: House, pool: Pool, chunks: Chunks, embedder: Embedder, jobs: Jobs, chat: Chat) -> Service:
        """The service of this house. Raises HouseError for one without `rag`."""
        if house.rag is None:
            raise HouseError("This house has no knowledge: maitre.yaml says nothing under `rag`.")
        rag = house.rag
        key = house.secret("rag_key")
        return cls(key, rag.embedding, rag.answer_model, rag.max_file_bytes, pool, chunks, embedder, jobs, chat)

    def same_model(self, collection: Collection, dimension: int | None = None) -> Collection:
        """The collection, unless the house's embedder is another one than it was made with, or gives embeddings of
        another dimension."""
        if collection.model != self.embedding or dimension not in (None, collection.dimension):
            made = f"“{collection.name}” was made with {collection.model} ({collection.dimension} numbers)"
            raise Refused(
                409,
                "changed_model",
                f"The collection {made}, and the house's embedder is now {self.embedding}: delete it and make it anew.",
            )
        return collection

    async def tend(self, collection: Collection) -> None:
        """Let the collection's index follow its size, after the answer; a database that is away does it later."""
        try:
            await self.chunks.tend(collection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as away:
            _log.warning("The index of collection %s was not tended: %s", collection.name, type(away).__name__)

    def on_behalf(self, user: str, email: str, asked: Caller) -> str:
        """A token for the gateway in the name of that user; of the caller's own where it is nobody."""
        return sign(self.key, self.clock(), user_id=user, email=email) if user else asked.token
