"""A server that starts before its stores, or before anybody seeded the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.hall import STORES, Hall
from tests.engine.receivers import refusing
from tests.engine.small_house import seed
from tests.upstream import ScriptedUpstream

GUEST = {"id": "early", "email": "early@maitre.example", "name": "Early", "role": "user"}


@pytest.fixture
def early_hall(tmp_path: Path, upstream: ScriptedUpstream) -> Iterator[Hall]:
    """A hall of its own, of which only the server runs."""
    with refusing() as traces:
        hall = Hall(tmp_path / "house", upstream.url, traces)
        try:
            hall.start("pipelines")
            yield hall
        finally:
            hall.close()


def test_stores_may_come_later(early_hall: Hall, eventually: Callable[..., Any]) -> None:
    """Without stores a guest reads the sentence; when they are there and seeded, the same server serves."""
    assert early_hall.chat(GUEST, model="models.scripted").status_code == 503
    early_hall.start(*STORES)
    early_hall.ask(lambda books: seed(books, early_hall.house))
    eventually(lambda: early_hall.chat(GUEST).status_code == 200)
    eventually(lambda: early_hall.agrees(GUEST))


def test_without_stores_the_assistants_are_there_too(early_hall: Hall) -> None:
    """A server that started while Postgres was down offers the house's assistants, and answers with the sentence."""
    refused = early_hall.chat(GUEST)
    assert (refused.status_code, "cannot check your plan" in refused.text) == (503, True)


def test_an_empty_database_is_no_fault_of_the_code(early_hall: Hall, eventually: Callable[..., Any]) -> None:
    """Between `cli up` and `cli seed` the tables are missing: the log says so in a line, the guest reads a sentence."""
    log = early_hall.fresh_log()
    early_hall.start(*STORES)
    eventually(lambda: "relation" in log() or "seed" in log(), "the log does not say what is missing", seconds=6)
    refused = early_hall.chat(GUEST, model="models.scripted")
    assert (refused.status_code, "cannot check your plan" in refused.text) == (503, True)
    assert "Traceback" not in log()
