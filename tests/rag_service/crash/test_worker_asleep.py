"""A worker that sleeps longer than its lease, perhaps in a transaction, and wakes up when another has its job."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from maitre.settings import House
from tests.rag_service.embedder import EmbedderDouble
from tests.rag_service.ingest.desk import Desk, text
from tests.rag_service.ingest.processes import working
from tests.rag_service.ingest.waiting import ended, idle

SECTIONS = 10


@pytest.mark.parametrize("step", ["parsed", "embedded", "staged", "whole", "switching"])
async def test_it_does_no_harm_and_works_on(
    step: str, stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """What it still does for the lost job changes nothing, and the next document is its own again."""
    document, job = await desk.bring("notes", text("notes", SECTIONS))
    with working(stores, embedder.url, step, tmp_path / "sleeper.log") as sleeper:
        assert sleeper.stands() == step
        os.kill(sleeper.process.pid, signal.SIGSTOP)
        with working(stores, embedder.url, log=tmp_path / "heir.log"):
            assert await ended(desk, job) == "ready"
            await idle(desk)
        sleeper.go_on()
        os.kill(sleeper.process.pid, signal.SIGCONT)
        assert await ended(desk, job) == "ready"
        _, other = await desk.bring("other", text("other", 2))
        assert await ended(desk, other) == "ready", (tmp_path / "sleeper.log").read_text()
        await idle(desk)
    found = await desk.answering(document)
    assert len(found) == len(set(found)) == SECTIONS
    assert await desk.staged(document) == []
