"""Open WebUI's own files and collections: their embeddings are made by the gateway, on the account of whoever asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from provisioning.seed import seed
from tests.e2e.both_books import aside
from tests.e2e.inn import Guest, Inn, by, text_of
from tests.e2e.recorder import Recorder, recording
from tests.e2e.test_browser import OpenPage, browser, open_page  # noqa: F401 - fixtures
from tests.upstream import ScriptedUpstream

pytestmark = pytest.mark.e2e

MODEL = "assistants.scripted"
QUESTION = "How long does the grey heron soup simmer?"
SOUP = "The grey heron soup simmers for 53 minutes under a lid of marble."
LINE = "The night train to the coast leaves from the seventh platform, and nobody is allowed to bring a goose."
LONG = "\n\n".join([LINE * 9] * 40)

MakeGuest = Callable[..., Guest]


@pytest.fixture
def recorder(running_house: Inn) -> Iterator[Recorder]:
    """Every embedding that Open WebUI asks for is seen on its way to the gateway."""
    path = "/api/v1/retrieval/embedding"
    told = running_house.call("GET", path).json()
    with recording(running_house.house.endpoint("gateway")) as recorder:
        through = {**told, "openai_config": {**told["openai_config"], "url": recorder.url}}
        running_house.call("POST", f"{path}/update", json=through).raise_for_status()
        yield recorder
        running_house.call("POST", f"{path}/update", json=told).raise_for_status()


def upload(inn: Inn, guest: Guest, name: str, text: str) -> dict[str, Any]:
    """Give a file to Open WebUI; the file once it is read or has failed."""
    file = {"file": (name, text.encode(), "text/plain")}
    made = inn.call("POST", "/api/v1/files/?process_in_background=false", guest, files=file)
    made.raise_for_status()
    found: dict[str, Any] = inn.call("GET", f"/api/v1/files/{made.json()['id']}", guest).json()
    return found


def attached(file: dict[str, Any]) -> dict[str, Any]:
    """A file as the page sends it with a message."""
    return {"type": "file", "file": file, "id": file["id"], "url": file["id"], "name": file["filename"]}


def prompt_of(upstream: ScriptedUpstream, rows: list[dict[str, Any]]) -> str:
    """What the model read in the guest's only turn."""
    (turn,) = (row["request_id"] for row in rows if row["kind"] == "turn")
    (call,) = (call for call in upstream.calls if call.request_id == turn)
    return json.dumps(call.body["messages"], ensure_ascii=False)


def test_a_file_is_read_and_asked_on_the_guests_account(
    running_house: Inn, upstream: ScriptedUpstream, recorder: Recorder, guest: MakeGuest, eventually: Any
) -> None:
    """The passage is in the prompt; the file's embedding and the question's are rows of the guest, whose plan has no
    embedder, and only the turn is a request."""
    wide = guest("wide")
    file = upload(running_house, wide, "soup.txt", SOUP)
    assert file["data"]["status"] == "completed", file["data"]
    answer = running_house.chat(wide, MODEL, QUESTION, stream=True, files=[attached(file)])
    assert text_of(answer)
    rows = eventually(lambda: running_house.settled(wide), "a row stayed open")
    assert SOUP in prompt_of(upstream, rows)
    assert [(one.texts, one.input_type, one.signed, one.status) for one in recorder.asked] == [
        ((SOUP,), "passage", True, 200),
        ((QUESTION,), "query", True, 200),
    ]
    made = [row for row in rows if row["kind"] == "embedding"]
    assert [(row["counted"], row["status"], row["model"]) for row in made] == [(0, "done", "e5")] * 2
    assert all(row["prompt_tokens"] > 0 and not row["estimated"] for row in made)
    assert sorted(row["kind"] for row in rows) == ["embedding", "embedding", "turn"]
    assert running_house.windows(wide)["requests", "month"]["used"] == 1


def test_a_long_file_is_asked_for_in_batches_one_after_another(
    running_house: Inn, recorder: Recorder, guest: MakeGuest, eventually: Any
) -> None:
    """A file of many texts is a few calls, and each is a row."""
    wide = guest("wide")
    file = upload(running_house, wide, "timetable.txt", LONG)
    assert file["data"]["status"] == "completed", file["data"]
    rows = eventually(lambda: running_house.settled(wide), "a row stayed open")
    assert [len(one.texts) for one in recorder.asked] == [32, 8]
    assert [row["kind"] for row in rows] == ["embedding"] * 2


def test_a_guest_without_tokens_reads_that_the_file_was_not_taken(
    running_house: Inn, recorder: Recorder, guest: MakeGuest, eventually: Any
) -> None:
    """The upload ends, failed, and says why; nothing was embedded, and the next question is answered without it."""
    narrow = guest("narrow")
    file = upload(running_house, narrow, "timetable.txt", LONG)
    assert file["data"]["status"] == "failed"
    assert file["data"]["error"].startswith("429, message='Too Many Requests'")  # Open WebUI keeps our sentence back
    assert [one.status for one in recorder.asked] == [429]
    assert "tokens for today do not suffice" in recorder.asked[0].answer
    assert running_house.rows(narrow) == []
    answer = running_house.chat(narrow, MODEL, QUESTION, stream=True, files=[attached(file)])
    assert text_of(answer)
    rows = eventually(lambda: running_house.settled(narrow), "a row stayed open")
    assert sorted((row["kind"], row["counted"]) for row in rows) == [("embedding", 0), ("turn", 1)]


def test_a_collection_of_open_webui_is_made_by_its_owner_and_asked_by_the_guest(
    running_house: Inn, upstream: ScriptedUpstream, recorder: Recorder, guest: MakeGuest, eventually: Any
) -> None:
    """Its documents are embedded on its owner's account, questions on the guest's; what Open WebUI asks for nobody is
    refused, and the collection works without."""
    owner, wide = guest("wide", role="admin"), guest("wide")
    grants = [{"principal_type": "user", "principal_id": "*", "permission": "read"}]
    told = {"name": "Soups", "description": "Soups of the house", "access_grants": grants}
    shelf = running_house.call("POST", "/api/v1/knowledge/create", owner, json=told)
    assert shelf.status_code == 200, shelf.text
    file = upload(running_house, owner, "soup.txt", SOUP)
    added = running_house.call(
        "POST", f"/api/v1/knowledge/{shelf.json()['id']}/file/add", owner, json={"file_id": file["id"]}
    )
    assert added.status_code == 200, added.text
    book = {"type": "collection", "id": shelf.json()["id"], "name": "Soups"}
    assert text_of(running_house.chat(wide, MODEL, QUESTION, stream=True, files=[book]))
    rows = eventually(lambda: running_house.settled(wide), "a row stayed open")
    assert SOUP in prompt_of(upstream, rows)
    signed = [one for one in recorder.asked if one.signed]
    assert [one.texts for one in signed] == [(SOUP,), (SOUP,), (QUESTION,)]
    assert [one.status for one in recorder.asked if not one.signed] == [401]
    owned = eventually(lambda: running_house.settled(owner), "a row stayed open")
    assert [row["kind"] for row in owned] == ["embedding"] * 2
    assert sorted(row["kind"] for row in rows) == ["embedding", "turn"]


def test_the_house_needs_nothing_more(running_house: Inn) -> None:
    """The settings of its files are as `cli seed` wants them after they were used."""
    seeded = seed(running_house.house)
    assert [change.sentence for change in seeded if change.resource in ("settings", "models", "connection")] == []


@by("pipelines")
@pytest.mark.browser
def test_the_page_takes_a_file_and_shows_where_the_answer_is_from(
    running_house: Inn,
    upstream: ScriptedUpstream,
    open_page: OpenPage,  # noqa: F811 - the fixture
    guest: MakeGuest,
) -> None:
    """The guest attaches a file behind the plus sign; its passage is in the prompt and its source below the answer.
    Whose tokens do not suffice is told so at once."""
    wide, narrow = aside(guest, "wide"), aside(guest, "narrow")
    page = open_page()
    page.enter(wide)
    page.choose(MODEL)
    page.attach("soup.txt", SOUP)
    page.shot("attached")
    page.say(QUESTION)
    assert page.read()
    chip = page.page.get_by_text("1 Source", exact=True)
    expect(chip).to_be_visible(timeout=page.patience)
    page.shot("file-source")
    page.rest()
    rows = aside(running_house.settled, wide)
    assert rows
    assert SOUP in prompt_of(upstream, rows)
    assert [row["counted"] for row in rows if row["kind"] == "embedding"] == [0, 0]
    other = open_page()
    other.enter(narrow)
    other.choose(MODEL)
    other.attach("timetable.txt", LONG)
    other.shot("not-attached")
    expect(other.page.get_by_text("Too Many Requests").first).to_be_visible(timeout=other.patience)
