"""How jobs end when nothing crashes: done, refused for good, tried again, cancelled, overtaken, deleted."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from maitre.settings import House
from rag_service import documents, jobs
from rag_service.jobs import Job
from tests.rag_service.embedder import EmbedderDouble, Fault
from tests.rag_service.ingest.desk import OWNER, Desk, open_desk, text
from tests.rag_service.ingest.processes import Process, working
from tests.rag_service.ingest.waiting import ended, idle, until


@pytest.fixture
def worker(stores: House, embedder: EmbedderDouble, tmp_path: Path) -> Iterator[Process]:
    """A worker that never stands still."""
    with working(stores, embedder.url, log=tmp_path / "worker.log") as one:
        yield one


def refusal(status: int, code: str, **headers: str) -> Fault:
    """An answer of the gateway's kind."""
    error = {"error": {"message": "It may not be.", "type": "x", "code": code}}
    return Fault(status, json.dumps(error), {name.replace("_", "-"): value for name, value in headers.items()})


async def the(desk: Desk, id: str) -> Job:
    """A job that must be there."""
    found = await desk.job(id)
    assert found is not None
    return found


async def test_a_document_is_embedded_for_its_owner_and_answers(
    worker: Process, desk: Desk, embedder: EmbedderDouble
) -> None:
    """Its owner's account pays, the model is told that these are passages, and progress ends at its total."""
    document, id = await desk.bring("notes", text("notes", 7))
    assert await ended(desk, id) == "ready"
    job = await the(desk, id)
    assert (job.done, job.total, job.stage, job.fault, job.attempts) == (7, 7, "", "", 1)
    assert {(one.caller.user_id, one.model, one.input_type) for one in embedder.asked} == {(OWNER, "e5", "passage")}
    assert len(await desk.answering(document)) == 7
    row = await desk.document(document)
    assert row is not None
    assert (row["status"], row["version"], row["chunks"]) == ("ready", 1, 7)
    assert row["title"] == "notes 0"  # its first heading: the owner gave none
    await idle(desk)


async def test_the_same_again_is_no_job(worker: Process, desk: Desk, embedder: EmbedderDouble) -> None:
    """Unchanged content costs nothing."""
    _, id = await desk.bring("notes", text("notes", 2))
    assert await ended(desk, id) == "ready"
    paid = len(embedder.texts)
    _, nothing = await desk.bring("notes", text("notes", 2))
    assert (nothing, len(embedder.texts)) == ("", paid)


UNREADABLE = {
    "nothing": (b" \n", "notes.md", "empty"),
    "no-pdf": (b"%PDF-1.7\nnothing of the kind", "notes.pdf", "broken"),
    "unknown": (bytes(range(256)) * 40, "notes.bin", "unknown_type"),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_an_unreadable_file_fails_for_good_with_a_sentence(case: str, worker: Process, desk: Desk) -> None:
    """It is not tried again, and what answered goes on answering."""
    document, id = await desk.bring("notes", text("notes", 2))
    assert await ended(desk, id) == "ready"
    data, name, code = UNREADABLE[case]
    document, id = await desk.bring("notes", data, name)
    assert await ended(desk, id) == "failed"
    job = await the(desk, id)
    assert (job.fault_code, job.attempts) == (code, 1)
    assert job.fault.endswith(".")
    assert len(await desk.answering(document)) == 2
    row = await desk.document(document)
    assert row is not None
    assert (row["status"], row["fault_code"], row["version"]) == ("failed", code, 1)
    await idle(desk)


PASSING = {
    "down": Fault(503),
    "broken": Fault(500, "<html>"),
    "no-json": Fault(200, "{}"),
    "busy": refusal(429, "quota_exceeded", retry_after="1"),
}


@pytest.mark.parametrize("case", PASSING)
async def test_a_passing_fault_is_waited_out(case: str, worker: Process, desk: Desk, embedder: EmbedderDouble) -> None:
    """The job says why it waits, goes on by itself, and embeds nothing twice."""
    embedder.faults = [PASSING[case]]
    document, id = await desk.bring("notes", text("notes", 5))
    assert await ended(desk, id) == "ready"
    job = await the(desk, id)
    assert (job.attempts, job.fault) == (2, "")
    assert len(embedder.texts) == len(set(embedder.texts)) == 5


async def test_who_is_told_when_to_come_back_never_gives_up(
    worker: Process, desk: Desk, embedder: EmbedderDouble
) -> None:
    """A thousand small files wait for many a full minute of their owner's plan; none of them fails of it."""
    document, id = await desk.bring("notes", text("notes", 2))
    async with desk.pool.connection() as connection:
        await connection.execute("update jobs set patience = 2 where id = %s", [int(id)])
    embedder.faults = [PASSING["busy"]] * 3
    assert await ended(desk, id) == "ready"
    assert (await the(desk, id)).attempts == 4


LASTING = {
    "unknown-user": (refusal(403, "forbidden"), "forbidden"),
    "too-long": (refusal(400, "too_long"), "too_long"),
    "month-used-up": (refusal(429, "quota_exceeded", retry_after="900000"), "quota_exceeded"),
}


@pytest.mark.parametrize("case", LASTING)
async def test_a_lasting_refusal_fails_and_a_retry_goes_on_from_there(
    case: str, worker: Process, desk: Desk, embedder: EmbedderDouble
) -> None:
    """The gateway's sentence is shown; when somebody asks for another try, what was staged is not embedded again."""
    fault, code = LASTING[case]
    embedder.lasting = lambda texts: fault if any("section 4" in one for one in texts) else None
    document, id = await desk.bring("notes", text("notes", 5))
    assert await ended(desk, id) == "failed"
    job = await the(desk, id)
    assert (job.fault, job.fault_code, job.done) == ("It may not be.", code, 3)
    assert await desk.answering(document) == []
    embedder.lasting = lambda texts: None
    async with desk.pool.connection() as connection:
        assert await jobs.retry(connection, id)
    assert await ended(desk, id) == "ready"
    assert len(embedder.texts) == len(set(embedder.texts)) == 5
    assert len(await desk.answering(document)) == 5


async def test_another_model_than_the_collections_is_refused(worker: Process, desk: Desk) -> None:
    """Vectors of two models are never mixed."""
    other = await open_desk(desk.pool, model="nomic")
    _, id = await other.bring("notes", text("notes", 2))
    assert await ended(other, id) == "failed"
    assert (await the(other, id)).fault_code == "mixed_models"


async def test_an_embedder_of_another_dimension_is_refused(worker: Process, desk: Desk) -> None:
    """A collection whose embedder was changed behind its name takes no more documents."""
    other = await open_desk(desk.pool, dimension=7)
    _, id = await other.bring("notes", text("notes", 2))
    assert await ended(other, id) == "failed"
    assert (await the(other, id)).fault_code == "mixed_models"


async def begun(desk: Desk, embedder: EmbedderDouble, key: str, content: str) -> tuple[uuid.UUID, str, threading.Event]:
    """A job whose second batch waits at the embedder until the event."""
    held = threading.Event()
    seen = threading.Event()

    def hold(texts: list[str]) -> Fault | None:
        if any("section 4" in one for one in texts) and not held.is_set():
            seen.set()
            return Fault(503, wait=held)
        return None

    embedder.lasting = hold
    document, id = await desk.bring(key, content)

    async def standing() -> bool:
        return seen.is_set()

    await until(standing, "the second batch was not asked for")
    return document, id, held


async def test_a_running_job_is_cancelled(worker: Process, desk: Desk, embedder: EmbedderDouble) -> None:
    """It ends at once, what it staged goes, and a retry makes the document ready after all."""
    document, id, held = await begun(desk, embedder, "notes", text("notes", 6))
    async with desk.pool.connection() as connection:
        assert await jobs.cancel(connection, id)
    await idle(desk)
    held.set()
    assert (await the(desk, id)).status == "cancelled"
    assert await desk.staged(document) == []
    async with desk.pool.connection() as connection:
        assert not await jobs.cancel(connection, id)
        assert await jobs.retry(connection, id)
    assert await ended(desk, id) == "ready"
    assert len(await desk.answering(document)) == 6


async def test_a_waiting_job_is_cancelled(desk: Desk) -> None:
    """Nobody ever begins it."""
    _, id = await desk.bring("notes", text("notes", 2))
    async with desk.pool.connection() as connection:
        assert await jobs.cancel(connection, id)
    assert (await the(desk, id)).status == "cancelled"
    assert [one["task_name"] for one in await desk.queue()] == ["tidy"]


async def test_the_newer_of_two_uploads_wins(worker: Process, desk: Desk, embedder: EmbedderDouble) -> None:
    """The older job ends as overtaken, though it was first and is in the middle of it."""
    document, older, held = await begun(desk, embedder, "notes", text("notes", 6, version=1))
    _, newer = await desk.bring("notes", text("notes", 6, version=2))
    held.set()
    assert await ended(desk, newer) == "ready"
    job = await the(desk, older)
    assert (job.status, job.fault_code) == ("cancelled", "superseded")
    assert all("Version 2" in one for one in await desk.answering(document))
    await idle(desk)
    async with desk.pool.connection() as connection:
        assert not await jobs.retry(connection, older)
    assert await desk.staged(document) == []


async def test_a_deleted_documents_job_ends_quietly(worker: Process, desk: Desk, embedder: EmbedderDouble) -> None:
    """Nothing of it is left, and the worker goes on with others."""
    document, id, held = await begun(desk, embedder, "notes", text("notes", 6))
    async with desk.pool.connection() as connection:
        await documents.delete(connection, desk.collection, [document], jobs, desk.chunks)
    held.set()
    await idle(desk)
    assert await desk.job(id) is None
    assert await desk.staged(document) == []
    assert await desk.answering(document) == []
    _, other = await desk.bring("other", text("other", 2))
    assert await ended(desk, other) == "ready"


async def test_a_worker_that_is_asked_to_end_hands_its_job_over(
    stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """It does not wait for the embedder, and nobody waits for its lease."""
    with working(stores, embedder.url, log=tmp_path / "first.log") as worker:
        _, id, held = await begun(desk, embedder, "notes", text("notes", 6))
        assert worker.end() == 0
    assert [one["status"] for one in await desk.queue()] == ["todo"]
    held.set()
    with working(stores, embedder.url):
        assert await ended(desk, id) == "ready"
    assert len(embedder.texts) == len(set(embedder.texts)) == 6
