"""Several workers that are killed at any moment while documents come in, one version after another."""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from maitre.settings import House
from tests.rag_service.embedder import EmbedderDouble
from tests.rag_service.ingest.desk import Desk, text
from tests.rag_service.ingest.processes import working
from tests.rag_service.ingest.waiting import ended, idle

DOCUMENTS, SECTIONS, KILLS = 8, 7, 6


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_newest_version_of_every_document_answers_in_the_end(
    seed: int, stores: House, desk: Desk, embedder: EmbedderDouble, tmp_path: Path
) -> None:
    """Whatever was killed when: every document answers with its newest version, whole and once, and nothing is left."""
    draw = random.Random(seed)
    newest: dict[str, tuple[int, str]] = {}
    documents = {}
    with ExitStack() as living:
        workers = [living.enter_context(working(stores, embedder.url, log=tmp_path / f"{n}.log")) for n in range(2)]
        for turn in range(KILLS):
            for _ in range(DOCUMENTS // 2):
                key = f"d{draw.randrange(DOCUMENTS)}"
                version = newest.get(key, (0, ""))[0] + 1
                documents[key], job = await desk.bring(key, text(key, SECTIONS, version))
                newest[key] = (version, job)
            await asyncio.sleep(draw.uniform(0, 1.5))  # any moment will do
            victim = draw.randrange(len(workers))
            workers[victim].kill()
            workers[victim] = living.enter_context(working(stores, embedder.url, log=tmp_path / f"{victim}-{turn}.log"))
        assert {await ended(desk, job) for _, job in newest.values()} == {"ready"}
        await idle(desk)
    for key, (version, _) in newest.items():
        found = await desk.answering(documents[key])
        assert len(found) == len(set(found)) == SECTIONS
        assert all(f"Version {version} " in one for one in found)
        assert await desk.staged(documents[key]) == []
