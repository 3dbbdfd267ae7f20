"""What places by meaning and by words count together."""

from __future__ import annotations

import pytest

from benchmarks.questions import documents
from rag_service.chunk import Chunk, Search
from rag_service.chunking import pieces
from rag_service.parsing.parse import parse
from rag_service.store.chunks import Chunks
from rag_service.store.fusion import fused, trust
from tests.rag_service.store.rows import collection, vector


def test_places_count_what_they_are_trusted() -> None:
    """What both lists know comes first; a place that counts little does not push aside one that counts in full."""
    assert [key for key, _ in fused([[("a", 1), ("b", 1)], [("b", 1), ("c", 1)]])] == ["b", "a", "c"]
    assert [key for key, _ in fused([[("a", 1), ("b", 1)], [("c", 0.04), ("b", 0.04)]])] == ["a", "b", "c"]


@pytest.mark.parametrize(("said", "counts"), [(0, 0), (0.1, 0.04), (0.25, 0.25), (0.5, 1), (0.9, 1)])
def test_trust(said: float, counts: float) -> None:
    """A chunk with a tenth of the question has its place by chance, one with half of it has not."""
    assert trust(said) == pytest.approx(counts)


@pytest.mark.parametrize("language", ["english", "simple"])
async def test_exact_tokens_come_first(chunks: Chunks, language: str) -> None:
    """Hybrid brings the one document with a code first, whatever its vector is; thirty documents are there."""
    one = collection(1, language)
    read = [document for document in documents() if document.language == "en"][20:50]
    for document in read:
        cut = pieces(parse(f"{document.id}.md", document.data))
        await chunks.put(
            one,
            [
                Chunk(f"{document.id}-{n}", document.id, piece.text, vector(f"{document.id}{n}"))
                for n, piece in enumerate(cut)
            ],
        )
    question = "In which API release does the error code FH-4091 appear?"
    found = await chunks.search([one], Search([1], question, vector("question"), 5))
    assert found[0].chunk.document == "en-030"
