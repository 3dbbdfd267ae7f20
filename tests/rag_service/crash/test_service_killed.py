"""The service, killed while a document comes in: there is a document with its job, or nothing at all."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import aiohttp
import pytest

from maitre.settings import House
from tests.rag_service.embedder import EmbedderDouble
from tests.rag_service.ingest.desk import Desk, text
from tests.rag_service.ingest.processes import serving, working
from tests.rag_service.ingest.serving import STEPS
from tests.rag_service.ingest.uploading import upload
from tests.rag_service.ingest.waiting import ended, idle, until

SECTIONS = 4


@pytest.mark.parametrize("again", [False, True], ids=["new", "re-index"])
@pytest.mark.parametrize("step", STEPS)
async def test_an_upload_is_whole_or_was_never_there(
    step: str, again: bool, stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """Whoever had no answer sends it once more, and it is there once."""
    name = desk.collection.name
    if again:
        document, job = await desk.bring("notes", text("notes", SECTIONS))
        with working(stores, embedder.url):
            assert await ended(desk, job) == "ready"
            await idle(desk)
    with serving(stores, embedder.url, step, tmp_path / "service.log") as (service, url):
        sending = asyncio.create_task(upload(stores, url, name, text("notes", SECTIONS, version=2)))
        assert await asyncio.to_thread(service.stands) == step
        service.kill()
        assert await sending is None
    assert len(await desk.queue()) == (1 if step == "committed" else 0)
    if again:
        row = await desk.document(document)
        assert row is not None
        assert row["status"] == ("waiting" if step == "committed" else "ready")
        assert all("Version 1" in one for one in await desk.answering(document))
    with serving(stores, embedder.url) as (_, url), working(stores, embedder.url):
        told = await upload(stores, url, name, text("notes", SECTIONS, version=2))
        assert told is not None
        if "job" in told:
            assert await ended(desk, told["job"]) == "ready"
        await idle(desk)
    after = await desk.answering(uuid.UUID(told["document"]))
    assert len(after) == len(set(after)) == SECTIONS
    assert all("Version 2" in one for one in after)
    assert len(await desk.documents()) == 1


async def test_a_service_that_is_told_to_end_takes_what_is_coming_in(
    stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """It takes nobody new, answers whom it was answering, and ends with 0."""
    with serving(stores, embedder.url, "enqueued", tmp_path / "service.log") as (service, url):
        sending = asyncio.create_task(upload(stores, url, desk.collection.name, text("notes", SECTIONS)))
        assert await asyncio.to_thread(service.stands) == "enqueued"
        ending = asyncio.create_task(asyncio.to_thread(service.end))
        await until(lambda: _refused(url))
        service.go_on()
        told = await sending
        assert await ending == 0
    assert told is not None
    assert len(await desk.queue()) == 1


async def _refused(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/health"):
            return False
    except aiohttp.ClientConnectorError:
        return True
