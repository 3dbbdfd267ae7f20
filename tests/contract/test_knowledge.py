"""Knowledge, on the twin in memory and through HTTP alike."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from maitre.knowledge.collection import Readers
from maitre.knowledge.knowledge_memory import MemoryKnowledge
from maitre.knowledge.passage import Knowledge, Passage, Reader
from maitre.knowledge.rag_client_http import RagClient
from maitre.knowledge.rag_http import HttpKnowledge
from tests.rag_double import rag_double

KEYS = Passage("k1", "", "d1", "Handbook", "The keys hang behind the bar.", 0, page=3, heading="Rooms › Keys")
BAR = Passage(
    "k2", "", "d1", "Handbook", "The bar closes at eleven: keys go back.", 0, url="https://x.io/h", metadata={"a": 1}
)
FRAN = Reader("u1", "Fran@x.io", ("cooks",), "coach", "t1")


@dataclass
class Shelf:
    """Where passages are put, and where they are found."""

    library: MemoryKnowledge
    knowledge: Knowledge


@pytest.fixture(params=["memory", "http"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    """Nothing on it yet."""
    if request.param == "memory":
        library = MemoryKnowledge()
        yield Shelf(library, library)
        return
    async with rag_double() as double:
        client = RagClient(lambda: double.url, double.key, time.time, time.monotonic)
        yield Shelf(double.library, HttpKnowledge(client))
        await client.close()


async def found(shelf: Shelf, reader: Reader = FRAN, names: tuple[str, ...] = ("a",), limit: int = 5) -> list[str]:
    """The ids of what is found."""
    return [one.id for one in await shelf.knowledge.find(reader, "keys of the bar", names, limit, 10)]


async def test_a_passage_comes_as_it_is(shelf: Shelf) -> None:
    """With all that is known of it, and its collection."""
    shelf.library.offer("a", Readers(everyone=True), KEYS, BAR)
    first, second = await shelf.knowledge.find(FRAN, "Where are the keys of the bar?", ("a",), 5, 10)
    assert (first.id, first.collection, first.document, first.title) == ("k1", "a", "d1", "Handbook")
    assert (first.text, first.page, first.heading) == (KEYS.text, 3, "Rooms › Keys")
    assert (second.page, second.url, second.metadata) == (None, "https://x.io/h", {"a": 1})
    assert first.score >= second.score


async def test_no_more_than_were_wanted(shelf: Shelf) -> None:
    """The best of them."""
    shelf.library.offer("a", Readers(everyone=True), BAR, KEYS)
    assert len(await found(shelf, limit=1)) == 1


@pytest.mark.parametrize(
    ("readers", "may"),
    [
        (Readers(), False),
        (Readers(everyone=True), True),
        (Readers(users=("fran@x.io",)), True),
        (Readers(users=("u1",)), True),
        (Readers(users=("petro@x.io",)), False),
        (Readers(groups=("waiters", "cooks")), True),
        (Readers(groups=("waiters",)), False),
        (Readers(assistants=("coach",)), True),
        (Readers(assistants=("host",)), False),
    ],
)
async def test_only_readers_find_anything(shelf: Shelf, readers: Readers, may: bool) -> None:
    """By user, e-mail in any case, group or assistant; for everybody else it is not there."""
    shelf.library.offer("a", readers, KEYS)
    assert await found(shelf) == (["k1"] if may else [])


async def test_an_empty_name_opens_nothing(shelf: Shelf) -> None:
    """Whoever has no e-mail and no assistant is not taken for a reader without a name."""
    shelf.library.offer("a", Readers(users=("",), assistants=("",)), KEYS)
    assert await found(shelf, Reader("u2")) == []


async def test_only_the_named_collections_are_asked(shelf: Shelf) -> None:
    """Others stay closed, and one that is not there is passed over."""
    shelf.library.offer("a", Readers(everyone=True), KEYS)
    shelf.library.offer("b", Readers(everyone=True), BAR)
    assert await found(shelf, names=("b", "gone")) == ["k2"]


async def test_nothing_found_is_nothing(shelf: Shelf) -> None:
    """No error."""
    assert await found(shelf) == []
