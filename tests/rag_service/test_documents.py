"""Documents and jobs that are there."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest

from rag_service.chunk import Collection, Found
from rag_service.store.faults import StoreFault
from tests.rag_service.desk import ANN, BOB, Desk


async def test_documents_are_listed_in_pages(desk: Desk) -> None:
    """By their keys, each once."""
    await desk.collection(ANN, "notes")
    for number in range(5):
        body = {"collection": "notes", "key": f"k{number}", "text": "x"}
        assert (await desk.ask(ANN, "POST", "/index-text", body)).status == 202
    keys, after = [], ""
    while after is not None:
        page = (await desk.ask(ANN, "GET", "/collections/notes/documents", params={"limit": 2, "after": after})).json
        keys += [one["key"] for one in page["documents"]]
        after = page["next"]
    assert keys == ["k0", "k1", "k2", "k3", "k4"]
    none = await desk.ask(ANN, "GET", "/collections/notes/documents?status=failed")
    assert none.json == {"documents": [], "next": None}


async def test_a_document_goes_with_its_chunks_and_its_job(desk: Desk) -> None:
    """Also while the job has not ended."""
    await desk.collection(ANN, "notes")
    made = await desk.text(ANN, "notes", "k", "some words")
    waiting = (await desk.ask(ANN, "POST", f"/documents/{made['document']}/re-index")).json
    assert (await desk.ask(BOB, "DELETE", f"/documents/{made['document']}")).status == 404
    assert (await desk.ask(ANN, "DELETE", f"/documents/{made['document']}")).status == 204
    assert (await desk.ask(ANN, "GET", f"/documents/{made['document']}")).status == 404
    assert (await desk.ask(ANN, "GET", f"/jobs/{waiting['job']}")).status == 404
    assert (await desk.ask(ANN, "POST", "/query", {"question": "words"})).json == {"passages": []}


async def test_a_collection_goes_with_everything_in_it(desk: Desk) -> None:
    """Its name is free again, and what was in the old one does not come back."""
    await desk.collection(ANN, "notes")
    made = await desk.text(ANN, "notes", "k", "some words")
    assert (await desk.ask(ANN, "POST", "/collections/notes/re-index")).json["documents"][0]["status"] == "waiting"
    assert (await desk.ask(ANN, "DELETE", "/collections/notes")).status == 204
    assert (await desk.ask(ANN, "GET", f"/documents/{made['document']}")).status == 404
    await desk.collection(ANN, "notes")
    assert (await desk.ask(ANN, "POST", "/query", {"question": "words"})).json == {"passages": []}


async def test_uploads_and_the_collections_deletion_at_once_leave_no_trace(desk: Desk) -> None:
    """Each upload is either taken before, or finds no collection."""
    await desk.collection(ANN, "notes")
    texts = [{"collection": "notes", "key": f"k{number}", "text": "x"} for number in range(10)]
    uploads = [desk.ask(ANN, "POST", "/index-text", text) for text in texts]
    *replies, deleted = await asyncio.gather(*uploads, desk.ask(ANN, "DELETE", "/collections/notes"))
    assert deleted.status == 204
    assert {reply.status for reply in replies} <= {202, 404}
    async with desk.service.pool.connection() as connection:
        left = await (await connection.execute("select count(*) from documents")).fetchone()
    assert left == (0,)


async def test_documents_are_forgotten_by_their_metadata(desk: Desk) -> None:
    """Those that the filters hold for, and no others; filters that make no sense delete nothing."""
    await desk.collection(ANN, "notes")
    for key, session in (("a", "s1"), ("b", "s1"), ("c", "s2")):
        await desk.text(ANN, "notes", key, f"words {key}", metadata={"session": session})

    async def forget(filters: object) -> tuple[int, object]:
        said = filters if isinstance(filters, str) else json.dumps(filters)
        reply = await desk.ask(ANN, "DELETE", "/collections/notes/documents", params={"filters": said})
        return reply.status, reply.json.get("deleted")

    for senseless in ("", "{", "[]", "{}", '{"filters": [{"key": "session", "operator": ">", "value": [1]}]}'):
        assert (await forget(senseless))[0] == 400, senseless
    assert (await desk.ask(ANN, "DELETE", "/collections/notes/documents")).status == 400
    assert await forget({"filters": [{"key": "session", "value": "s1' or true --"}]}) == (200, 0)
    assert await forget({"filters": [{"key": "session", "value": "s1"}]}) == (200, 2)
    found = (await desk.ask(ANN, "POST", "/query", {"question": "words"})).json["passages"]
    assert [passage["text"] for passage in found] == ["words c"]


async def test_a_job_is_cancelled_and_tried_again(desk: Desk) -> None:
    """What has ended cannot be cancelled, and what has not failed cannot be tried again: a 409 with a sentence."""
    await desk.collection(ANN, "notes", readers={"everyone": True})
    body = {"collection": "notes", "key": "k", "text": "x"}
    job = "/jobs/" + (await desk.ask(ANN, "POST", "/index-text", body)).json["job"]
    for step in ("cancel", "retry"):
        assert (await desk.ask(BOB, "POST", f"{job}/{step}")).code == "not_owner"
    assert (await desk.ask(ANN, "POST", f"{job}/retry")).code == "not_failed"
    assert (await desk.ask(ANN, "POST", f"{job}/cancel")).json["status"] == "cancelled"
    assert (await desk.ask(ANN, "POST", f"{job}/cancel")).code == "ended"
    retried = await desk.ask(ANN, "POST", f"{job}/retry")
    assert (retried.status, retried.json["status"]) == (202, "waiting")


async def test_a_job_tells_of_itself_until_it_ends(desk: Desk) -> None:
    """Server-sent events: how it is, then each change, then the end of the stream."""
    await desk.collection(ANN, "notes")
    body = {"collection": "notes", "key": "k", "text": "x"}
    job = (await desk.ask(ANN, "POST", "/index-text", body)).json["job"]
    reading = asyncio.create_task(desk.ask(ANN, "GET", f"/jobs/{job}/events"))
    assert (await desk.ask(ANN, "POST", f"/jobs/{job}/cancel")).status == 200
    told = await asyncio.wait_for(reading, 30)
    assert told.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: ")]
    assert events[-1]["status"] == "cancelled"
    assert {event["job"] for event in events} == {job}
    assert (await desk.ask(BOB, "GET", f"/jobs/{job}/events")).code == "unknown_job"


async def test_an_index_follows_what_is_deleted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a deletion by filters, and of a collection; a database that is away then spoils no answer."""
    tended = []

    async def tend(collection: Collection) -> None:
        tended.append(collection.name)
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(desk.service.chunks, "tend", tend)
    await desk.collection(ANN, "notes")
    await desk.text(ANN, "notes", "k", "some words", metadata={"n": 1})
    filters = json.dumps({"filters": [{"key": "n", "value": 1}]})
    told = await desk.ask(ANN, "DELETE", "/collections/notes/documents", params={"filters": filters})
    assert told.json == {"deleted": 1}
    assert tended == ["notes"]
    assert (await desk.ask(ANN, "DELETE", "/collections/notes")).status == 204
    assert tended == ["notes", "notes"]


async def test_what_the_store_refuses_is_the_client_s_to_mend(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the store's sentence."""

    async def search(*_: object) -> list[Found]:
        raise StoreFault("It cannot be.")

    monkeypatch.setattr(desk.service.chunks, "search", search)
    await desk.collection(ANN, "notes")
    told = await desk.ask(ANN, "POST", "/query", {"question": "x", "collections": ["notes"]})
    assert (told.status, told.code, told.json["error"]["message"]) == (400, "bad_request", "It cannot be.")
