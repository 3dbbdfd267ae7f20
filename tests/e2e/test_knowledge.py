"""A guest asks about a document: indexed by the documented command, found for whom it is meant, shown in the page."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.both_books import aside
from tests.e2e.conftest import ROOT
from tests.e2e.inn import Guest, Inn
from tests.e2e.test_browser import OpenPage, browser, open_page  # noqa: F401 - fixtures
from tests.upstream import ScriptedUpstream

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

MODEL = "assistants.scripted-knowing"
QUESTION = "How long does the blue heron soup simmer?"
SOUP = "# Blue heron soup\n\n## Cooking\n\nThe blue heron soup simmers for 47 minutes under a lid of slate.\n"
SAFE = "# The safe\n\nThe blue heron soup is paid for from the safe, whose code is 9041-77.\n"

MakeGuest = Callable[..., Guest]


def cli(inn: Inn, *words: str) -> dict[str, Any]:
    """What a command says as JSON."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words, "--house", str(inn.house.directory), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def shelves(running_house: Inn, tmp_path: Path) -> None:
    """A document in a collection that everybody may read, and one in a collection of the administrator's alone."""
    for name, file, words in (("recipes", "soup.md", SOUP), ("vault", "safe.md", SAFE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(words, "utf-8")
        aside(cli, running_house, "index", str(tmp_path / name), "--collection", name)


def test_the_passage_is_in_the_prompt_and_its_source_in_the_browser(
    running_house: Inn,
    upstream: ScriptedUpstream,
    shelves: None,
    open_page: OpenPage,  # noqa: F811 - the fixture
    guest: MakeGuest,
) -> None:
    """The model reads what the guest may read and nothing else; the page shows the document's chip; the question's
    embedding is a row of the guest's turn."""
    wide = aside(guest, "wide")
    page = open_page()
    page.enter(wide)
    page.choose(MODEL)
    page.say(QUESTION)
    assert page.read()
    chip = page.page.get_by_text("1 Source", exact=True)
    expect(chip).to_be_visible(timeout=page.patience)
    chip.click()
    page.shot("source")
    page.page.get_by_text("Blue heron soup").last.click()
    expect(page.page.get_by_text("under a lid of slate").last).to_be_visible(timeout=page.patience)
    page.shot("passage")
    rows = wait_settled(running_house, wide)
    turn = next(row for row in rows if row["kind"] == "turn")
    asked = next(call.body["messages"] for call in upstream.calls if call.request_id == turn["request_id"])
    assert "47 minutes" in asked[0]["content"]
    theirs = {row["request_id"] for row in rows}  # the administrator may read the safe's code
    assert not [call for call in upstream.calls if call.request_id in theirs and "9041-77" in json.dumps(call.body)]
    assert [row["turn_id"] for row in rows if row["kind"] == "embedding"] == [turn["turn_id"]]


def test_an_api_client_reads_the_sources(running_house: Inn, shelves: None, guest: MakeGuest) -> None:
    """The administrator may read both collections; the answer names what was given to the model."""
    key = cli(running_house, "key", "create", running_house.admin.email, "--name", "sources")["key"]
    answer = requests.post(
        f"{running_house.house.endpoint('gateway')}/v1/chat/completions",
        json={"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    titles = [source["title"] for source in answer.json()["sources"]]
    assert {"Blue heron soup", "The safe"} == set(titles)


def wait_settled(inn: Inn, guest: Guest, seconds: float = 30) -> list[dict[str, Any]]:
    """The guest's rows, once none is open."""
    until = time.monotonic() + seconds
    while not (rows := aside(inn.settled, guest)):
        assert time.monotonic() < until, "a row stayed open"
        time.sleep(0.1)
    return rows
