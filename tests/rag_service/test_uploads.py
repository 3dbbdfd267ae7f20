"""Files and texts that come in."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import aiohttp
import pytest

from rag_service.database import row
from tests.rag_service.desk import ANN, BOB, Desk, Reply


async def upload(desk: Desk, name: str, data: bytes, path: str = "/index-document", **fields: str) -> Reply:
    """A file of that name in the collection `notes`."""
    form = aiohttp.FormData({"collection": "notes", **fields}, quote_fields=False)
    form.add_field("file", data, filename=name, content_type="text/plain")
    return await desk.ask(ANN, "POST", path, data=form)


async def test_a_file_is_kept_with_its_document_and_its_job(desk: Desk) -> None:
    """All three or nothing: the bytes are the database's."""
    await desk.collection(ANN, "notes")
    accepted = await upload(desk, "dir/Dogs.txt", b"Dogs bark.", title="Dogs", metadata='{"year": 2026}')
    assert (accepted.status, accepted.json["status"]) == (202, "waiting")
    shown = (await desk.ask(ANN, "GET", f"/documents/{accepted.json['document']}")).json
    expected = {"key": "Dogs.txt", "title": "Dogs", "metadata": {"year": 2026}, "size": 10, "status": "waiting"}
    assert shown | expected == shown
    assert (shown["collection"], shown["job"]) == ("notes", accepted.json["job"])
    job = (await desk.ask(ANN, "GET", f"/jobs/{shown['job']}")).json
    assert (job["document"], job["status"]) == (shown["id"], "waiting")
    async with desk.service.pool.connection() as connection:
        file = await row(connection, "select name, sha256, bytes from files where document = %s", [shown["id"]])
    assert file == {"name": "Dogs.txt", "sha256": hashlib.sha256(b"Dogs bark.").hexdigest(), "bytes": b"Dogs bark."}


async def test_the_same_again_changes_nothing(desk: Desk) -> None:
    """While it waits it is the same job; when it answers it is `unchanged`; anything else is a new version."""
    await desk.collection(ANN, "notes")
    first = await upload(desk, "a.txt", b"One")
    again = await upload(desk, "a.txt", b"One")
    assert (again.status, again.json) == (202, first.json)
    await desk.work(first.json["document"], "One")
    again = await upload(desk, "a.txt", b"One")
    assert (again.status, again.json) == (200, {"document": first.json["document"], "status": "unchanged"})
    for data, fields in ((b"Two", {}), (b"Two", {"title": "T"}), (b"Two", {"title": "T", "metadata": '{"a":1}'})):
        changed = await upload(desk, "a.txt", data, **fields)
        assert (changed.status, changed.json["document"]) == (202, first.json["document"])
        await desk.work(first.json["document"], "Two")
    assert (await desk.ask(ANN, "GET", "/collections/notes")).json["documents"] == 1


async def test_what_answers_answers_while_a_new_version_waits(desk: Desk) -> None:
    """A failed one leaves it, too."""
    await desk.collection(ANN, "notes")
    await desk.text(ANN, "notes", "k", "old words")
    body = {"collection": "notes", "key": "k", "text": "new words"}
    assert (await desk.ask(ANN, "POST", "/index-text", body)).status == 202
    found = (await desk.ask(ANN, "POST", "/query", {"question": "words"})).json["passages"]
    assert [passage["text"] for passage in found] == ["old words"]


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"collection": "absent"}, 404, "absent"),
        ({"collection": "A b"}, 400, "collection"),
        ({"metadata": "["}, 400, "metadata"),
        ({"metadata": "[]"}, 400, "metadata"),
        ({"metadata": '{"a": "\\u0000"}'}, 400, "metadata"),
        ({"metadata": '{"a": NaN}'}, 400, "metadata"),
        ({"metadata": "[" * 5000}, 400, "metadata"),
        ({"metadata": '{"a": 1' + "0" * 5000 + "}"}, 400, "metadata"),
        ({"url": "javascript:alert(1)"}, 400, "url"),
        ({"url": "https://x\x00"}, 400, "url"),
        ({"title": "x" * 501}, 400, "title"),
        ({"key": "a\nb"}, 400, "key"),
    ],
)
async def test_a_field_that_is_wrong_is_named(desk: Desk, fields: dict[str, str], status: int, named: str) -> None:
    """In one sentence, and nothing is kept."""
    await desk.collection(ANN, "notes")
    refused = await upload(desk, "a.txt", b"One", **fields)
    assert refused.status == status, refused.text
    assert named in refused.json["error"]["message"]
    assert (await desk.ask(ANN, "GET", "/collections/notes")).json["documents"] == 0


async def test_an_empty_file_is_refused(desk: Desk) -> None:
    """By its name; so is a text of spaces, and a form without a file."""
    await desk.collection(ANN, "notes")
    refused = await upload(desk, "a.txt", b"")
    assert (refused.status, refused.json["error"]["message"]) == (400, "“a.txt” is empty.")
    body = {"collection": "notes", "key": "k", "text": " \n"}
    assert (await desk.ask(ANN, "POST", "/index-text", body)).code == "empty"
    refused = await desk.ask(ANN, "POST", "/index-document", data=aiohttp.FormData({"collection": "notes"}))
    assert (refused.status, refused.json["error"]["param"]) == (400, "file")


async def test_several_files_come_in_together_or_not_at_all(desk: Desk) -> None:
    """One answer for each, in their order."""
    await desk.collection(ANN, "notes")

    def files(*names: tuple[str, bytes]) -> aiohttp.FormData:
        form = aiohttp.FormData({"collection": "notes"})
        for name, data in names:
            form.add_field("file", data, filename=name)
        return form

    refused = await desk.ask(ANN, "POST", "/index-documents", data=files(("b.txt", b"B"), ("a.txt", b"")))
    assert refused.status == 400
    assert (await desk.ask(ANN, "GET", "/collections/notes/documents")).json["documents"] == []
    taken = await desk.ask(ANN, "POST", "/index-documents", data=files(("b.txt", b"B"), ("a.txt", b"A")))
    assert (taken.status, len(taken.json["documents"])) == (202, 2)
    first = await desk.ask(ANN, "GET", f"/documents/{taken.json['documents'][0]['document']}")
    assert first.json["key"] == "b.txt"


async def test_only_who_manages_a_collection_puts_documents_into_it(desk: Desk) -> None:
    """A reader is told so; to anybody else it is not there."""
    await desk.collection(ANN, "open", readers={"everyone": True})
    await desk.collection(ANN, "closed")
    for name, status in (("open", 403), ("closed", 404)):
        body = {"collection": name, "key": "k", "text": "x"}
        assert (await desk.ask(BOB, "POST", "/index-text", body)).status == status


async def test_many_at_once_make_one_document_of_a_key(desk: Desk) -> None:
    """Whoever comes at the same time waits, and the last one's bytes are kept with a job."""
    await desk.collection(ANN, "notes")
    texts = [{"collection": "notes", "key": "k", "text": f"text {number}"} for number in range(12)]
    replies = await asyncio.gather(*(desk.ask(ANN, "POST", "/index-text", text) for text in texts))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.json["document"] for reply in replies}) == 1
    (shown,) = (await desk.ask(ANN, "GET", "/collections/notes/documents")).json["documents"]
    job: Any = (await desk.ask(ANN, "GET", f"/jobs/{shown['job']}")).json
    assert job["status"] == "waiting"
