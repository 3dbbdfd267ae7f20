"""No row that the caller may not read ever comes back, whatever is asked by whatever route."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.rag_service.desk import OPERATOR, Desk, Person
from tests.rag_service.worlds import NASTY, WORDS, Shelf, email, people, questions, shelves

WORLDS = int(os.environ.get("ISOLATION_WORLDS", "8"))
_numbers = itertools.count()


@dataclass(frozen=True)
class Placed:
    """A shelf in the database. `mark` is in each of its texts, titles, keys and metadata, and nowhere else."""

    shelf: Shelf
    name: str
    mark: str
    documents: tuple[str, ...]
    jobs: tuple[str, ...]


async def place(desk: Desk, number: int, shelf: Shelf) -> Placed:
    """Make the collection with its documents, as its owner."""
    count = next(_numbers)
    name, mark = f"shelf-{count}", f"mark{count:04}x"
    owner = {"user": shelf.owner, "email": email(shelf.owner)}
    body = {"title": mark, "description": mark, "owner": owner, "readers": shelf.readers()}
    made = await desk.ask(OPERATOR, "PUT", f"/collections/{name}", body)
    assert made.status == 201, made.text
    documents = []
    for place in range(shelf.documents):
        metadata = {"tenant": shelf.owner, "n": number, "tags": [mark, NASTY[place]], NASTY[number]: mark}
        words = f"{WORDS[number % len(WORDS)]} {WORDS[place]} {mark}"
        owning = Person(shelf.owner, email(shelf.owner))
        documents.append(
            await desk.text(owning, name, f"{mark}-{place}", words, title=f"{mark} title", metadata=metadata)
        )
    ids = tuple(document["document"] for document in documents)
    return Placed(shelf, name, mark, ids, tuple(document["job"] for document in documents))


async def questioned(desk: Desk, person: Person, body: Mapping[str, Any], placed: Sequence[Placed]) -> None:
    """What comes back is the caller's to read; without filters, by meaning, it is everything that is."""
    found = await desk.ask(person, "POST", "/query", body)
    assert found.status in (200, 400), found.text  # 400: a filter without a sense
    hidden = [one.mark for one in placed if not one.shelf.open_to(person)]
    assert not [mark for mark in hidden if mark in found.text], (person, body)
    if found.status == 200 and "filters" not in body and body["mode"] == "dense" and body["limit"] == 50:
        readable = {id for one in placed if one.shelf.open_to(person) for id in one.documents}
        assert {passage["document"] for passage in found.json["passages"]} == readable


async def listed(desk: Desk, person: Person, placed: Sequence[Placed]) -> None:
    """The list of collections is exactly what may be read."""
    found = await desk.ask(person, "GET", "/collections")
    assert {one["name"] for one in found.json["collections"]} == {
        one.name for one in placed if one.shelf.open_to(person)
    }


def doors(one: Placed) -> list[tuple[str, str, Any, bool]]:
    """Method, path and body of everything that touches a collection by name or id, and whether it is a change."""
    every = '{"filters": [{"key": "n", "operator": ">=", "value": 0}]}'
    inside, text = f"/collections/{one.name}", {"collection": one.name, "key": "k", "text": "mine"}
    found: list[tuple[str, str, Any, bool]] = [
        ("GET", inside, None, False),
        ("GET", f"{inside}/documents", None, False),
        ("POST", "/query", {"question": "dog", "collections": [one.name]}, False),
        ("DELETE", f"{inside}/documents?filters={every}", None, True),
        ("POST", f"{inside}/re-index", None, True),
        ("POST", "/index-text", text, True),
        ("DELETE", inside, None, True),
    ]
    for document, job in zip(one.documents, one.jobs, strict=True):
        found += [
            ("GET", f"/documents/{document}", None, False),
            ("POST", f"/documents/{document}/re-index", None, True),
            ("DELETE", f"/documents/{document}", None, True),
            ("GET", f"/jobs/{job}", None, False),
            ("GET", f"/jobs/{job}/events", None, False),
            ("POST", f"/jobs/{job}/cancel", None, True),
            ("POST", f"/jobs/{job}/retry", None, True),
        ]
    return found


async def knocked(desk: Desk, person: Person, one: Placed) -> None:
    """Each door is shut to somebody who may not read, as if nothing was behind it; to a reader those that change."""
    readable, own = one.shelf.open_to(person), person.user_id == one.shelf.owner
    for method, path, body, changes in doors(one):
        if own or (readable and not changes):
            if not changes:
                assert (await desk.ask(person, method, path, body)).status == 200, (method, path)
            continue
        refused = await desk.ask(person, method, path, body)
        assert refused.status == (403 if readable else 404), (person, method, path, refused.text)
        assert one.mark not in refused.text
    if not own:
        taken = await desk.ask(person, "PUT", f"/collections/{one.name}", {"readers": {"everyone": True}})
        assert taken.status == (403 if readable else 409)
        assert one.mark not in taken.text


@settings(
    max_examples=WORLDS,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # a smaller example would cost minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    kept=st.lists(shelves, min_size=2, max_size=4),
    asking=st.lists(people, min_size=2, max_size=3),
    asked=st.lists(questions, min_size=4, max_size=8),
)
async def test_no_row_comes_back_that_the_caller_may_not_read(
    desk: Desk, kept: list[Shelf], asking: list[Person], asked: list[dict[str, Any]]
) -> None:
    """Random users, groups, collections, documents, questions and filters; afterwards everything is still there."""
    for left in (await desk.ask(OPERATOR, "GET", "/collections")).json["collections"]:  # an example that failed
        assert (await desk.ask(OPERATOR, "DELETE", f"/collections/{left['name']}")).status == 204
    placed = [await place(desk, number, shelf) for number, shelf in enumerate(kept)]
    everything = {"question": "dog", "mode": "dense", "limit": 50}
    for person in [*asking, OPERATOR]:
        await listed(desk, person, placed)
        for body in [*asked, everything]:
            await questioned(desk, person, body, placed)
    for person in asking:
        for one in placed:
            await knocked(desk, person, one)
    for one in placed:
        documents = (await desk.ask(OPERATOR, "GET", f"/collections/{one.name}/documents")).json["documents"]
        assert {document["id"] for document in documents} == set(one.documents)
