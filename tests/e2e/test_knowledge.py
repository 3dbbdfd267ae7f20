"""Knowledge, from a document to a chip: indexed over HTTP, found for whoever may read it, read by the upstream, seen in
Open WebUI."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from maitre.errors import HouseError
from maitre.knowledge.passage import Reader
from maitre.knowledge.rag_http import ON_BEHALF, signed
from tests.e2e.browser_chat import browser_chat
from tests.e2e.inn import Guest, Inn
from tests.e2e.page import PATIENCE, ChatPage, chromium, find_chromium
from tests.upstream import ScriptedUpstream

pytestmark = pytest.mark.e2e

MakeGuest = Callable[..., Guest]

MODEL = "assistants.scripted-reader"
COLLECTION = "e2e-handbook"  # which the assistant `scripted-reader` of conftest.py looks into
SENTENCE = "The spare key of the wine cellar lies in the blue teapot."
QUESTION = "Where is the spare key of the wine cellar?"
PATIENT = 60.0  # seconds that indexing may take on a slow machine


class Archive:
    """The house's RAG service, as an owner of a collection uses it."""

    def __init__(self, inn: Inn) -> None:
        self.url, self._key = inn.house.endpoint("rag"), inn.house.secret("rag_key")
        self._owner = Reader(inn.admin.user_id, inn.admin.email)

    def call(self, method: str, path: str, **how: Any) -> requests.Response:
        """A request on the owner's behalf."""
        token = signed(self._owner, self._key, time.time())
        headers = {"Authorization": f"Bearer {self._key}", ON_BEHALF: token}
        answer = requests.request(method, self.url + path, headers=headers, timeout=60, **how)
        answer.raise_for_status()
        return answer

    def open_to(self, *readers: str) -> None:
        """Make the collection, or say anew who may read it, by e-mail."""
        owner = {"user": self._owner.user_id, "email": self._owner.email}
        form = {"title": "Handbook", "language": "english", "owner": owner, "readers": {"users": list(readers)}}
        self.call("PUT", f"/collections/{COLLECTION}", json=form)

    def index(self, name: str, text: str) -> None:
        """Index a file, and wait until it is found."""
        files = {"file": (name, text.encode(), "text/markdown")}
        queued = self.call("POST", "/index-document", data={"collection": COLLECTION, "title": "Handbook"}, files=files)
        if queued.json()["status"] == "unchanged":
            return
        until = time.monotonic() + PATIENT
        while (job := self.call("GET", f"/jobs/{queued.json()['job']}").json())["status"] != "ready":
            if job["status"] in ("failed", "cancelled") or time.monotonic() > until:
                raise HouseError(f"The document is not indexed: {job}")
            time.sleep(0.1)


@pytest.fixture
def archive(running_house: Inn) -> Archive:
    """The service with one document in one collection."""
    if running_house.house.rag is None:
        pytest.skip("the house has no knowledge")
    made = Archive(running_house)
    made.open_to()
    made.index("handbook.md", f"# Cellar\n\n{SENTENCE}\n")
    return made


def prompt_of(inn: Inn, guest: Guest, upstream: ScriptedUpstream) -> str:
    """The system message that the upstream read in the guest's one turn."""
    (turn,) = [row for row in inn.rows(guest) if row["kind"] == "turn"]
    (call,) = [one for one in upstream.calls if one.request_id == turn["request_id"]]
    return str(call.body["messages"][0]["content"])


def test_a_passage_becomes_a_source_of_the_chat(
    running_house: Inn, guest: MakeGuest, archive: Archive, upstream: ScriptedUpstream
) -> None:
    """The document that was just indexed is in the prompt, Open WebUI keeps its source with the chat, and the embedding
    of the question is a row of the same turn."""
    reader = guest("wide")
    archive.open_to(reader.email)
    with browser_chat(running_house, reader, MODEL) as chat:
        question = chat.ask(QUESTION)
        chat.until(lambda: chat.finished(question), "the answer did not end")
        (source,) = chat.stored(question)["sources"]
    assert source["source"]["name"] == "Handbook"
    assert SENTENCE in source["document"][0]
    assert SENTENCE in prompt_of(running_house, reader, upstream)
    rows = running_house.rows(reader)
    (turn,) = [row["turn_id"] for row in rows if row["kind"] == "turn"]
    assert [row["kind"] for row in rows if row["turn_id"] == turn and row["kind"] == "embedding"] == ["embedding"]


def test_who_may_not_read_it_never_hears_of_it(
    running_house: Inn, guest: MakeGuest, archive: Archive, upstream: ScriptedUpstream
) -> None:
    """The same question of somebody else: no passage, no source."""
    archive.open_to("somebody-else@maitre.example")
    stranger = guest("wide")
    with browser_chat(running_house, stranger, MODEL) as chat:
        question = chat.ask(QUESTION)
        chat.until(lambda: chat.finished(question), "the answer did not end")
        assert not chat.stored(question).get("sources")
    assert SENTENCE not in prompt_of(running_house, stranger, upstream)


@contextmanager
def a_page(inn: Inn) -> Iterator[ChatPage]:
    """A window of Chromium. Skipped by name where it is not installed."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("Chromium is not installed (Debian: chromium, fonts-liberation); as root `make test` installs it")
    shots = "gateway-" if inn.house.webui.connection == "gateway" else ""
    with chromium(executable) as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
        yield ChatPage(context.new_page(), inn.url, PATIENCE, shots)
        context.close()


@pytest.mark.browser
def test_a_person_sees_the_chip(running_house: Inn, guest: MakeGuest, archive: Archive) -> None:
    """Below the answer, with the document's title; a click shows the passage."""
    reader = guest("wide")
    archive.open_to(reader.email)
    with a_page(running_house) as page:
        page.sign_in(reader)
        page.choose(MODEL)
        page.say(QUESTION)
        page.read()
        chip = page.page.get_by_text("1 Source")
        expect(chip).to_be_visible()
        page.shot("test_a_person_sees_the_chip")
        chip.click()
        page.page.get_by_text("Handbook", exact=True).first.click()
        expect(page.page.get_by_text(SENTENCE).first).to_be_visible()
        page.shot("test_a_person_sees_the_passage")
