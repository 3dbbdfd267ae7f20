"""The examples of docs/rag-api.md."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rag_service.callers import sign
from rag_service.database import rows
from tests.guide.page import DOCS, Block, programs, same
from tests.rag_service.desk import ANN, KEY, Desk
from tests.rag_service.test_guard import routes


async def run(block: Block, desk: Desk, folder: Path) -> str:
    """What an example prints; it must succeed."""
    told = {"MAITRE_RAG_URL": desk.url, "RAG_KEY": KEY, "ON_BEHALF": ANN.token(), "CURL_HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", block.text),
        cwd=folder,
        env={**os.environ, **told, "no_proxy": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (block.text, out, err)
    return out.decode()


async def index(desk: Desk) -> None:
    """What the workers do meanwhile."""
    async with desk.service.pool.connection() as connection:
        waiting = await rows(
            connection,
            """select d.id::text, convert_from(f.bytes, 'utf8') as text
            from documents d join files f on f.document = d.id where d.status = 'waiting'""",
        )
    for one in waiting:
        await desk.work(one["id"], one["text"])


async def test_the_examples_work_as_they_stand(desk: Desk, tmp_path: Path) -> None:
    """One after the other, and each prints what the page shows."""
    (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n", "utf-8")
    for block in programs("rag-api.md"):
        printed = await run(block, desk, tmp_path)
        assert block.prints is not None, block.text
        assert same(printed, block.prints), (block.prints, printed)
        await index(desk)


def test_every_path_stands_in_the_page() -> None:
    """Nothing of the API is left untold."""
    page = (DOCS / "rag-api.md").read_text("utf-8")
    for _, path in routes():
        assert path in page, path


def test_the_pages_way_to_a_token_is_the_services() -> None:
    """The call that the page shows has these arguments."""
    assert sign(KEY, 0.0, user_id="u-ann", email="ann@house.example", groups=["staff"])
