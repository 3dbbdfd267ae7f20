"""Postgres, killed under a worker: the worker waits for it, and goes on where it was."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import house as parts
from devstack import state
from devstack.process import alive, wait_until
from maitre.settings import Endpoint, House
from tests.rag_service.embedder import EmbedderDouble
from tests.rag_service.ingest.desk import Desk, text
from tests.rag_service.ingest.processes import serving, working
from tests.rag_service.ingest.serving import STEPS as serving_steps
from tests.rag_service.ingest.uploading import upload
from tests.rag_service.ingest.waiting import ended, idle
from tests.rag_service.ingest.working import STEPS
from tests.stores import running_stores

SECTIONS = 10


@pytest.fixture(scope="module")
def stores() -> Iterator[House]:
    """Stores of this file's own: the others' must live."""
    with running_stores() as house:
        yield house


ONLY: tuple[Endpoint, ...] = ("postgres",)


def kill_postgres(house: House) -> None:
    """End it as a crash of the machine would, and start it again."""
    who = state.read(house.state)["postgres"].who
    os.kill(who.pid, signal.SIGKILL)
    assert wait_until(lambda: not alive(who), 10)
    parts.up(house, only=ONLY)


@pytest.mark.parametrize("step", STEPS)
async def test_the_worker_finishes_when_postgres_is_back(
    step: str, stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """A re-index that loses its database at any step ends whole; at every moment one whole version answers."""
    with working(stores, embedder.url, log=tmp_path / "first.log"):
        document, job = await desk.bring("notes", text("notes", SECTIONS))
        assert await ended(desk, job) == "ready"
    assert _version(await desk.answering(document)) == 1
    document, job = await desk.bring("notes", text("notes", SECTIONS, version=2))
    with working(stores, embedder.url, step, tmp_path / "worker.log") as worker:
        assert worker.stands() == step, (tmp_path / "worker.log").read_text()
        kill_postgres(stores)
        assert _version(await desk.answering(document)) in (1, 2)  # 2: it was done already by a fresh attempt
        worker.go_on()
        assert await ended(desk, job) == "ready", await desk.job(job)
        await idle(desk)
    assert _version(await desk.answering(document)) == 2
    assert await desk.staged(document) == []


@pytest.mark.parametrize("step", serving_steps)
async def test_an_upload_that_loses_postgres_is_whole_or_was_never_there(
    step: str, stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """The service says that it is in trouble, lives on, and takes the document when it is sent again."""
    name, content = desk.collection.name, text("notes", SECTIONS, version=2)
    with serving(stores, embedder.url, step, tmp_path / "service.log") as (service, url):
        sending = asyncio.create_task(upload(stores, url, name, content))
        assert await asyncio.to_thread(service.stands) == step
        kill_postgres(stores)
        service.go_on()
        told = await sending
        assert (told is not None) == (step == "committed")
        assert len(await desk.documents()) == (1 if step == "committed" else 0)
        told = await upload(stores, url, name, content)
        assert told is not None
        with working(stores, embedder.url):
            assert await ended(desk, told["job"]) == "ready"
    assert _version(await desk.answering(uuid.UUID(told["document"]))) == 2
    assert len(await desk.documents()) == 1


def _version(texts: list[str]) -> int:
    """Which version these chunks are, all of them and each once; 0: none."""
    whole = len(set(texts)) == len(texts) == SECTIONS
    return next((n for n in (1, 2) if whole and all(f"Version {n} " in text for text in texts)), 0)
