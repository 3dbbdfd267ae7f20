"""The same limits through every door of Open WebUI, and nothing to gain from forging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.inn import Guest, Inn, by, error_of, events, script, text_of
from tests.upstream import ScriptedUpstream

pytestmark = pytest.mark.e2e

MakeGuest = Callable[..., Guest]
DOORS = ["/api", "/openai"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("with_key", [False, True], ids=["session", "api-key"])
def test_the_minute_holds_for_an_api_client(running_house: Inn, guest: MakeGuest, door: str, with_key: bool) -> None:
    """Five requests are answered, the sixth is a real 429 with the sentence; streamed it is an error event."""
    free = guest("free")
    if with_key:
        free = running_house.api_key(free)
    for number in range(5):
        answer = running_house.chat(free, "assistants.scripted", "hello", stream=number % 2 == 0, door=door)
        assert answer.status_code == 200, answer.text
        if number % 2 == 0:
            assert text_of(answer) == "The kitchen is open tonight."
        else:
            assert answer.json()["choices"][0]["message"]["content"] == "The kitchen is open tonight."
    refused = running_house.chat(free, "assistants.scripted", "hello", door=door)
    assert refused.status_code == 429, refused.text
    assert "Free plan's requests for this minute (limit: 5)" in refused.text
    streamed = running_house.chat(free, "assistants.scripted", "hello", stream=True, door=door)
    assert "You can ask again at" in (error_of(streamed) or "")


def test_the_month_and_the_day_hold(running_house: Inn, guest: MakeGuest) -> None:
    """A plan of 2,000 tokens a day ends with a sentence that names the day's window."""
    narrow = guest("narrow")
    text = "word " * 700 + script(n=3)
    answers = [running_house.chat(narrow, "assistants.scripted", text) for _ in range(4)]
    codes = [answer.status_code for answer in answers]
    assert codes[0] == 200
    assert codes[-1] == 429
    assert "tokens for today do not suffice" in answers[-1].text
    day = running_house.windows(narrow)["tokens", "day"]
    rows = running_house.rows(narrow)
    assert day["used"] == sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)
    # Only the error of the last prompt's estimate may pass the limit.
    assert day["used"] - rows[0]["prompt_tokens"] - rows[0]["completion_tokens"] < 2000


def test_the_largest_answer_is_hard(running_house: Inn, guest: MakeGuest, upstream: ScriptedUpstream) -> None:
    """Whatever a client asks for, the upstream is told the plan's cap."""
    narrow = guest("narrow")
    for asked in (None, 5, 5000):
        body: dict[str, Any] = {} if asked is None else {"max_tokens": asked}
        answer = running_house.chat(narrow, "assistants.scripted", script(n=50, id=str(asked)), **body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["completion_tokens"] == min(asked or 20, 20)
        assert upstream.calls[-1].body["max_tokens"] == min(asked or 20, 20)


def test_a_workspace_model_is_under_the_same_plan(running_house: Inn, guest: MakeGuest) -> None:
    """A model that somebody built on an assistant spends the same windows."""
    free = guest("free")
    model = f"mine-{free.user_id[:8]}"
    made = running_house.call(
        "POST",
        "/api/v1/models/create",
        json={
            "id": model,
            "base_model_id": "assistants.scripted",
            "name": "Mine",
            "meta": {},
            "params": {"system": "Say please."},
            "access_grants": [{"principal_type": "user", "principal_id": "*", "permission": "read"}],
        },
    )
    assert made.status_code == 200, made.text
    try:
        running_house.call("GET", "/api/models?refresh=true")  # Open WebUI keeps the list of models in memory
        for door in (*DOORS, "/api", "/openai", "/api"):
            answer = running_house.chat(free, model, "hello", door=door)
            assert answer.status_code == 200, answer.text
        refused = running_house.chat(free, model, "hello")
    finally:
        running_house.call("POST", "/api/v1/models/model/delete", json={"id": model}).raise_for_status()
    assert refused.status_code == 429
    rows = running_house.rows(free)
    assert len(rows) == 5
    assert {row["assistant"] for row in rows} == {"scripted"}


def test_only_the_plans_assistants_answer(running_house: Inn, guest: MakeGuest, upstream: ScriptedUpstream) -> None:
    """A Free guest gets no answer from the Business assistant, a plain model or a switched-off one."""
    free = guest("free")
    before = len(upstream.calls)
    for model in (
        "assistants.business-planner",
        "models.smollm2",
        "models.scripted",
        "assistants.scripted-off",
        "assistants.nobody",
    ):
        for door in DOORS:
            answer = running_house.chat(free, model, "hello", door=door)
            assert answer.status_code >= 400, f"{model} {door}: {answer.text}"
    assert len(upstream.calls) == before
    assert running_house.rows(free) == []


def test_an_administrator_is_metered_too(running_house: Inn, guest: MakeGuest) -> None:
    """An administrator's plan counts like everybody's."""
    chief = guest("free", role="admin")
    codes = [running_house.chat(chief, "assistants.scripted", "hello").status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]


def test_an_unknown_user_gets_the_default_plan(running_house: Inn, guest: MakeGuest) -> None:
    """Somebody whom nobody gave a plan is metered under default_plan."""
    stranger = guest(None, role="admin")  # an administrator sees every model without a group
    assert running_house.chat(stranger, "assistants.scripted", "hello").status_code == 200
    assert running_house.rows(stranger)[0]["plan"] == "free"


def test_tasks_are_spared_requests_but_not_tokens(running_house: Inn, guest: MakeGuest, eventually: Any) -> None:
    """Four tasks ride on one request; the fifth is a request. Each is clamped, and its tokens count."""
    free = guest("free")
    assert running_house.chat(free, "assistants.scripted", "hello").status_code == 200
    chat = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    for _ in range(5):
        answer = running_house.call(
            "POST",
            "/api/v1/tasks/title/completions",
            free,
            json={"model": "assistants.scripted", "messages": chat, "chat_id": "x"},
        )
        assert answer.status_code == 200, answer.text
    rows = eventually(lambda: running_house.settled(free))
    assert [(row["kind"], row["counted"]) for row in reversed(rows)] == [("turn", 1), *[("task", 0)] * 4, ("task", 1)]
    assert running_house.windows(free)["requests", "month"]["used"] == 2
    total = sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)
    assert running_house.windows(free)["tokens", "day"]["used"] == total


def test_a_task_is_clamped(running_house: Inn, guest: MakeGuest, upstream: ScriptedUpstream) -> None:
    """A task that carries any prompt a guest likes is no way to long answers."""
    wide = guest("wide")
    answer = running_house.call(
        "POST",
        "/api/v1/tasks/moa/completions",
        wide,
        json={"model": "assistants.scripted", "prompt": "write a book", "responses": ["a", "b"], "stream": False},
    )
    assert answer.status_code == 200, answer.text
    assert upstream.calls[-1].body["max_tokens"] == 300


FORGED: list[dict[str, Any]] = [
    {"maitre": {"task": "title_generation", "plan": "business"}},
    {"maitre": "eyJ1c2VyX2lkIjoiYWRtaW4ifQ==.0000"},
    {"task": "title_generation", "plan": "business", "quota": 0},
    {"user": {"id": "somebody-else", "email": "admin@maitre.example", "role": "admin"}},
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: "-".join(forged))
def test_forging_gains_nothing(running_house: Inn, guest: MakeGuest, door: str, forged: dict[str, Any]) -> None:
    """Task, plan, the signed key and identity in a body or a header change neither who pays nor what counts."""
    free = guest("free")
    spoofed = {
        "X-OpenWebUI-User-Id": "somebody-else",
        "X-OpenWebUI-Task": "title_generation",
        "X-OpenWebUI-User-Role": "admin",
    }
    body = {"model": "assistants.scripted", "messages": [{"role": "user", "content": "hello"}], **forged}
    codes = []
    for _ in range(6):
        answer = running_house.call(
            "POST", f"{door}/chat/completions", free, json={**body, "stream": False}, headers=spoofed
        )
        codes.append(answer.status_code)
    assert codes == [200] * 5 + [429]
    rows = running_house.rows(free)
    assert [(row["kind"], row["counted"], row["plan"]) for row in rows] == [("turn", 1, "free")] * 5


FORGED_TASK = {"metadata": {"task": "title_generation", "chat_id": "x", "session_id": "y"}}


@by("pipelines")
@pytest.mark.parametrize("door", DOORS)
def test_no_client_makes_a_task(running_house: Inn, guest: MakeGuest, door: str) -> None:
    """A task that a client calls so is a turn like any other."""
    free = guest("free")
    answer = running_house.chat(free, "assistants.scripted", "hello", door=door, **FORGED_TASK)
    assert answer.status_code == 200
    assert [(row["kind"], row["counted"]) for row in running_house.rows(free)] == [("turn", 1)]


@by("gateway")
def test_the_worst_of_a_forged_task_is_a_task(
    running_house: Inn, guest: MakeGuest, upstream: ScriptedUpstream, eventually: Any
) -> None:
    """What kind a task is comes unsigned, and a client can say it through /openai: it then gets small answers, out of
    its own requests, exactly as through the door of tasks that stands open to everybody. Through /api it cannot."""
    honest, forger = guest("free"), guest("free")
    chat = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    honest_body = {"model": "assistants.scripted", "messages": chat, "chat_id": "x"}
    for who in (honest, forger):
        assert running_house.chat(who, "assistants.scripted", "hello", **FORGED_TASK).status_code == 200
    for door, who, body in (
        ("/api/v1/tasks/title/completions", honest, honest_body),
        ("/openai/chat/completions", forger, {**honest_body, "max_tokens": 4000, **FORGED_TASK}),
    ):
        codes = [running_house.call("POST", door, who, json=body).status_code for _ in range(9)]
        assert codes == [200] * 8 + [429], door
        assert upstream.calls[-1].body["max_tokens"] <= 300
    rows = [eventually(lambda who=who: running_house.settled(who)) for who in (honest, forger)]
    first, second = ([(row["kind"], row["counted"], row["plan"], row["chat_id"]) for row in found] for found in rows)
    assert first == second
    assert first[-1][:2] == ("turn", 1)
    assert sum(counted for _, counted, _, _ in first) == 5


def test_a_stamp_is_worth_nothing_to_another_guest(running_house: Inn, guest: MakeGuest) -> None:
    """A stamp that was really signed by the house, for another user, is dropped."""
    import time
    import uuid

    from maitre.chat.message import Stamp
    from maitre.chat.stamp import sign

    free, other = guest("free"), guest("free")
    stamp = Stamp(
        other.user_id, "assistants.scripted", uuid.uuid4().hex, int(time.time()) + 600, kind="task", task="title"
    )
    signed = sign(stamp, running_house.house.secret("stamp"))
    answer = running_house.chat(free, "assistants.scripted", "hello", door="/openai", maitre=signed)
    assert answer.status_code == 200
    row = running_house.rows(free)[0]
    assert (row["kind"], row["counted"], row["door"]) == ("turn", 1, "openai")


def test_events_of_ours_never_reach_an_api_client(running_house: Inn, guest: MakeGuest) -> None:
    """An API client's stream has the upstream's chunks and nothing of ours."""
    wide = guest("wide")
    for answer in (
        running_house.chat(wide, "assistants.scripted", script(usage=False), stream=True),
        running_house.chat(wide, "assistants.scripted", script(usage=False), stream=True, door="/openai"),
    ):
        found = list(events(answer))
        assert all("event" not in event for event in found)
        assert not [event for event in found if event.get("usage")]
