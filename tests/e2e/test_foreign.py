"""A model that the operator connects to Open WebUI besides ours: refused early, counted, traced, never exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from commands.traces import traces_of
from tests.e2e.browser_chat import browser_chat
from tests.e2e.inn import Guest, Inn, by, error_of, text_of
from tests.upstream import ScriptedUpstream, running_upstream

#: The gateway has no filter: a foreign model is not asked about there.
pytestmark = [pytest.mark.e2e, by("pipelines")]

MakeGuest = Callable[..., Guest]
MODEL = "gpt-plain"


@pytest.fixture(scope="module")
def foreign(running_house: Inn) -> Iterator[ScriptedUpstream]:
    """An upstream that Open WebUI talks to itself, with one public model."""
    with running_upstream(models=(MODEL,)) as upstream:
        before = running_house.call("GET", "/openai/config").json()
        config = {
            **before,
            "OPENAI_API_BASE_URLS": [*before["OPENAI_API_BASE_URLS"], f"{upstream.url}/v1"],
            "OPENAI_API_KEYS": [*before["OPENAI_API_KEYS"], "sk-foreign"],
        }
        running_house.call("POST", "/openai/config/update", json=config).raise_for_status()
        everybody = {"principal_type": "user", "principal_id": "*", "permission": "read"}
        row = {"id": MODEL, "base_model_id": None, "name": "Plain", "params": {}, "access_grants": [everybody]}
        meta = {"capabilities": {"usage": True, "builtin_tools": False}}
        running_house.call("POST", "/api/v1/models/create", json={**row, "meta": meta}).raise_for_status()
        running_house.call("GET", "/api/models?refresh=true").raise_for_status()
        yield upstream
        running_house.call("POST", "/api/v1/models/model/delete", json={"id": MODEL}).raise_for_status()
        running_house.call("POST", "/openai/config/update", json=before).raise_for_status()
        running_house.call("GET", "/api/models?refresh=true").raise_for_status()


def test_the_same_minute_holds_and_the_sentence_reaches_the_guest(
    running_house: Inn, guest: MakeGuest, foreign: ScriptedUpstream
) -> None:
    """Ours and theirs count into one window; past it the foreign model is not called."""
    free = guest("free")
    assert running_house.chat(free, "assistants.scripted", "hello").status_code == 200
    for _ in range(4):
        assert running_house.chat(free, MODEL, "hello").status_code == 200
    before = len(foreign.calls)
    refused = running_house.chat(free, MODEL, "hello")
    assert refused.status_code == 429, refused.text
    assert "requests for this minute (limit: 5)" in refused.text
    streamed = running_house.chat(free, MODEL, "hello", stream=True)
    assert "requests for this minute" in (error_of(streamed) or "")
    assert running_house.chat(free, "assistants.scripted", "hello").status_code == 429
    assert len(foreign.calls) == before


def test_the_outlet_settles_what_the_inlet_held(
    running_house: Inn, guest: MakeGuest, foreign: ScriptedUpstream, eventually: Any
) -> None:
    """The row of a foreign turn is closed with the usage that Open WebUI tells, and its answer is capped."""
    free = guest("free")
    assert running_house.chat(free, MODEL, "hello there").status_code == 200
    assert foreign.calls[-1].body["max_tokens"] == 512
    assert "maitre" not in foreign.calls[-1].body
    rows = eventually(lambda: running_house.settled(free), "the outlet did not settle the row")
    assert [(row["door"], row["provider"], row["model"], row["counted"]) for row in rows] == [
        ("filter", "open-webui", MODEL, 1)
    ]
    assert rows[0]["completion_tokens"] == 5


def test_a_foreign_turn_of_a_browser_has_its_trace(
    running_house: Inn, guest: MakeGuest, foreign: ScriptedUpstream, eventually: Any
) -> None:
    """The tracing filter reports what it saw at the inlet and at the outlet, once."""
    free = guest("free")
    with browser_chat(running_house, free, MODEL) as chat:
        answer = chat.ask("hello there")
        chat.until(lambda: chat.finished(answer), "the answer did not end")
    found = eventually(lambda: traces_of(running_house.house, free.user_id, 10), "the trace did not arrive")
    assert [(trace["name"], "door:filter" in trace["tags"]) for trace in found] == [(MODEL, True)]


def test_a_forged_stamp_does_not_travel_to_a_foreign_upstream(
    running_house: Inn, guest: MakeGuest, foreign: ScriptedUpstream
) -> None:
    """Our key is ours alone: a client's never leaves the house."""
    free = guest("free")
    assert running_house.chat(free, MODEL, "hello", maitre={"task": "x"}).status_code == 200
    assert "maitre" not in foreign.calls[-1].body


def test_an_assistants_prompt_goes_before_a_foreign_model_where_wanted(
    running_house: Inn, guest: MakeGuest, foreign: ScriptedUpstream
) -> None:
    """The opt-in valve puts the assistant's prompt first."""
    valves = {"pipelines": ["*"], "priority": 0, "assistant_for": f"{MODEL}=scripted"}
    path = "/api/v1/pipelines/quota_filter/valves/update?urlIdx=0"
    running_house.call("POST", path, json=valves).raise_for_status()
    try:
        answer = running_house.chat(guest("free"), MODEL, "hello", stream=True)
        assert text_of(answer)
    finally:
        running_house.call("POST", path, json={**valves, "assistant_for": ""}).raise_for_status()
    assert foreign.calls[-1].body["messages"][0] == {"role": "system", "content": "You are read from a script."}
