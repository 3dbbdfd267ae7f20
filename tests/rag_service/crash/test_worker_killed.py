"""A worker that is killed: another one goes on where it was, and nobody notices but the clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from maitre.settings import House
from tests.rag_service.embedder import EmbedderDouble
from tests.rag_service.ingest.desk import Desk, text
from tests.rag_service.ingest.processes import working
from tests.rag_service.ingest.waiting import ended, idle
from tests.rag_service.ingest.working import STEPS

SECTIONS = 10


@pytest.mark.parametrize("again", [False, True], ids=["new", "re-index"])
@pytest.mark.parametrize("step", STEPS)
async def test_another_worker_finishes(
    step: str, again: bool, stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """Nothing is lost or doubled, and the version before answers until the new one is whole."""
    before: list[str] = []
    if again:
        with working(stores, embedder.url, log=tmp_path / "first.log"):
            document, job = await desk.bring("notes", text("notes", SECTIONS))
            await ended(desk, job)
        before = await desk.answering(document)
        assert len(before) == SECTIONS
    document, job = await desk.bring("notes", text("notes", SECTIONS, version=2))
    already = len(embedder.texts)
    with working(stores, embedder.url, step, tmp_path / "killed.log") as worker:
        assert worker.stands() == step, (tmp_path / "killed.log").read_text()
        if step not in ("published", "ended"):
            assert await desk.answering(document) == before
        worker.kill()
    kept = len(await desk.staged(document))
    paid = len(embedder.texts)
    with working(stores, embedder.url, log=tmp_path / "heir.log"):
        found = await ended(desk, job)
        await idle(desk)
    assert found == "ready", await desk.job(job)
    after = await desk.answering(document)
    assert len(after) == SECTIONS
    assert len(set(after)) == SECTIONS
    assert all("Version 2" in one for one in after)
    assert await desk.staged(document) == []
    row = await desk.document(document)
    assert row is not None
    assert (row["status"], row["chunks"]) == ("ready", SECTIONS)
    if step not in ("published", "ended"):
        assert len(embedder.texts) - paid == SECTIONS - kept  # what was staged is not embedded again
    else:
        assert len(embedder.texts) - already == SECTIONS
