"""A guest's evening in a deployed house: through Traefik, over TLS, to the ledger's row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser

from devstack.process import wait_until
from provisioning.logins import passwords_of
from tests.docker.deployed import Deployed, Guest
from tests.e2e.inn import Guest as Person
from tests.e2e.page import PATIENCE, ChatPage, chromium, find_chromium

MODEL = "models.smollm2"
WHO = "wide@maitre.example"
LONG = "Write a long story about a cook, a waiter and a very busy evening."
ASK = {"model": MODEL, "stream": True, "max_tokens": 200, "messages": [{"role": "user", "content": LONG}]}
#: What the ledger says of the guest's newest call. An operator asks by `cli usage`, which takes longer than an answer.
NEWEST = f"select request_id, status from ledger join accounts using (user_id) where email = '{WHO}' order by id desc"


@pytest.fixture(scope="module")
def guest(house: Deployed) -> Guest:
    """Somebody who has signed in to Open WebUI."""
    somebody = house.guest("open_webui")
    told = {"email": WHO, "password": passwords_of(house.house)[WHO]}
    answer = somebody.post("/api/v1/auths/signin", json=told)
    assert answer.status_code == 200, answer.text
    somebody.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return somebody


def newest(house: Deployed) -> tuple[str, str]:
    """The id of the guest's newest call, and how it stands."""
    id, _, status = house.psql(f"{NEWEST} limit 1").partition("|")
    return id, status


def settled(house: Deployed, known: str) -> dict[str, Any]:
    """The guest's newest row, as `cli usage` has it, once it is another than the known one and not open any more."""
    assert wait_until(lambda: newest(house)[0] != known and newest(house)[1] != "open", 60, every=0.2), newest(house)
    (row,) = house.asked("usage", WHO, "--limit", "1")
    assert row["request_id"] == newest(house)[0]
    return dict(row)


def told(answer: requests.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream, each as it arrives."""
    for line in answer.iter_lines(chunk_size=None):
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


def words(event: dict[str, Any]) -> str:
    """What an event adds to the answer."""
    return "".join(choice.get("delta", {}).get("content") or "" for choice in event.get("choices", ()))


def test_a_guest_chats_through_traefik(house: Deployed, guest: Guest) -> None:
    """The answer's words arrive one by one: the first is here while the call is still open in the ledger, and the rest
    comes in many pieces. Then the row is there, with the tokens that the upstream itself counted."""
    assert MODEL in {one["id"] for one in guest.get("/api/models").json()["data"]}
    before = newest(house)[0]
    with guest.post("/api/chat/completions", json=ASK, stream=True) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = told(answer)
        first = next(event for event in events if words(event))
        assert newest(house)[1] == "open"
        rest = list(events)
    assert sum(bool(words(event)) for event in rest) > 20
    assert not [event for event in (first, *rest) if event.get("error")]
    usage = next(event["usage"] for event in reversed(rest) if event.get("usage"))
    found = settled(house, before)
    assert (found["status"], found["model"], found["provider"]) == ("done", "smollm2", "local")
    assert not found["estimated"]
    assert found["completion_tokens"] == usage["completion_tokens"] > 20
    assert found["prompt_tokens"] == usage["prompt_tokens"] > 0
    assert found["cost"] > 0


def test_a_program_chats_through_the_gateway(house: Deployed, guest: Guest) -> None:
    """With an API key of the guest's, by the gateway's own host name: the same model, the same ledger."""
    before = newest(house)[0]
    made = house.asked("key", "create", WHO, "--name", "laptop")
    program = house.guest("gateway", Authorization=f"Bearer {made['key']}")
    with program.post("/v1/chat/completions", json={**ASK, "max_tokens": 30}, stream=True) as answer:
        assert answer.status_code == 200, answer.text
        text = "".join(map(words, told(answer)))
    assert text
    found = settled(house, before)
    assert (found["status"], found["door"], found["estimated"]) == ("done", "gateway", False)
    assert house.guest("gateway").post("/v1/chat/completions", json=ASK).status_code == 401


def test_what_the_house_knows_was_read(house: Deployed) -> None:
    """The deploy has filled the house's collection: its documents have been read, and every part has its embedding."""
    ready = "select count(*) from documents where version > 0 and chunks > 0"
    assert wait_until(lambda: house.psql(ready, "rag") == "3", 120, every=0.5), house.psql("table jobs", "rag")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Skipped by name where it is not installed."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("Chromium is not installed (Debian: chromium, fonts-liberation); as root `make test` installs it")
    with chromium(executable) as started:
        yield started


@pytest.mark.browser
def test_a_person_sees_the_answer_grow(house: Deployed, browser: Browser) -> None:
    """Through the form, over TLS, websocket and all."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, ignore_https_errors=True)
    try:
        page = ChatPage(context.new_page(), house.url("open_webui"), 4 * PATIENCE, "deployed-")
        page.sign_in(Person("", WHO, passwords_of(house.house)[WHO], ""))
        page.choose(MODEL)
        page.say(LONG)
        begun = page.read_on()
        grown = page.read_on(begun)
        assert 0 < len(begun) < len(grown)
        page.stop()
        assert page.strangers == []
    finally:
        context.close()
