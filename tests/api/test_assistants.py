"""`/api/v1/assistants/…` on the real gateway: a chat without a model, and one-shot invocations by POST and GET."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from maitre.assistants.assistant import Assistant
from maitre.assistants.variable import Variable
from maitre.memory.memory import Memory
from tests.api.conftest import Client
from tests.engine.hall import Hall
from tests.engine.seeded import serving
from tests.upstream import ScriptedUpstream

CITY = {"city": Variable(required=True, max_length=20), "tone": Variable(default="kind")}
GUIDE = Assistant("guide", "Guide", "scripted", "You guide in {{city}}. Be {{tone}}.", variables=CITY)
NURSE = Assistant("nurse", "Nurse", "scripted", "You remember.", memory=Memory())
AT = "/api/v1/assistants"


@pytest.fixture(scope="module", autouse=True)
def assistants(whole_hall: Hall) -> Iterator[None]:
    """One with variables, and one with a memory."""
    with serving(whole_hall, GUIDE, NURSE):
        yield


def system(upstream: ScriptedUpstream) -> str:
    """The system prompt of the last call."""
    return str(upstream.calls[-1].body["messages"][0]["content"])


@pytest.mark.parametrize("name", ["host", "assistants.host"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_needs_no_model(client: Client, upstream: ScriptedUpstream, name: str, stream: bool) -> None:
    """The path says which assistant, by slug or id, whatever the body says."""
    body = {"model": "models.scripted", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    answer = client.post(f"{AT}/{name}/chat", body)
    assert answer.status_code == 200
    assert system(upstream) == "You are the host."


def test_an_assistant_that_is_not_there(client: Client) -> None:
    """A 404, on each of the routes; a plain model is no assistant."""
    for name in ("nobody", "models.scripted", "scripted"):
        assert client.post(f"{AT}/{name}/chat", {"messages": [{"role": "user", "content": "x"}]}).status_code == 404
        assert client.post(f"{AT}/{name}/invoke", {"input": "hello"}).status_code == 404
        assert client.get(f"{AT}/{name}/invoke?input=hello").status_code == 404
    for path in ("/host/chat", "/host/invoke"):
        assert requests.post(client.url + AT + path, json={"input": "hello"}, timeout=30).status_code == 401


def test_an_invocation_answers_in_plain_json(client: Client, eventually: Callable[..., Any]) -> None:
    """Its id finds the row; there is no session where the assistant has no memory."""
    answer = client.post(f"{AT}/host/invoke", {"input": "hello"})
    told = answer.json()
    assert set(told) == {"id", "assistant", "output", "usage", "finish_reason"}
    assert (told["assistant"], told["finish_reason"]) == ("assistants.host", "stop")
    assert told["output"]
    assert told["usage"]["total_tokens"] > 0
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    assert row["turn_id"] == told["id"] == answer.headers["x-router-log-id"]


def test_an_answer_in_json_is_parsed(client: Client) -> None:
    """Beside its text."""
    told = client.post(f"{AT}/former/invoke", {"input": 'script:{"text": "{\\"a\\": 1}"}'}).json()
    assert (told["output"], told["json"]) == ('{"a": 1}', {"a": 1})


def test_a_url_invokes_too(client: Client, upstream: ScriptedUpstream) -> None:
    """`input`, and the declared variables by their names; no cache keeps it."""
    answer = client.get(f"{AT}/guide/invoke", params={"input": "Where to?", "city": "Lviv", "tone": "brief"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert system(upstream) == "You guide in Lviv. Be brief."
    assert client.get(f"{AT}/guide/invoke?input=x&city=Lviv&city=Kyiv").status_code == 400
    assert client.get(f"{AT}/guide/invoke?input=x&city=%FF").status_code == 400


@pytest.mark.parametrize("name", ["key", "api_key", "token", "API_KEY"])
def test_a_key_in_a_url_is_refused(client: Client, upstream: ScriptedUpstream, name: str) -> None:
    """Even the right one, beside the right header; the answer does not repeat it."""
    before = len(upstream.calls)
    answer = client.get(f"{AT}/host/invoke", params={"input": "hello", name: client.key})
    assert answer.status_code == 400
    assert client.key not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    bare = requests.get(f"{client.url}{AT}/host/invoke", params={"input": "x", name: client.key}, timeout=30)
    assert bare.status_code == 401
    assert len(upstream.calls) == before


def test_a_url_has_its_limit(client: Client) -> None:
    """8 KiB of parameters are read, more are 414."""
    assert client.get(f"{AT}/host/invoke?input=" + "x" * (8 * 1024 - 6)).status_code == 200
    assert client.get(f"{AT}/host/invoke?input=" + "x" * (8 * 1024 - 5)).status_code == 414


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": ""},
        {"input": " \n"},
        {"input": 7},
        {"input": None},
        {"input": "x", "more": 1},
        {"input": "x", "messages": []},
        {"input": "x", "variables": {"city": "Lviv", "other": "y"}},
        {"input": "x", "variables": {"city": "x" * 21}},
        {"input": "x", "variables": {"city": {}}},
        {"input": "x", "variables": ["city"]},
        {"input": "x", "variables": {}},
        {"input": "x", "session_id": "a/b", "variables": {"city": "Lviv"}},
    ],
)
def test_what_is_no_invocation_is_refused(client: Client, upstream: ScriptedUpstream, body: dict[str, Any]) -> None:
    """With a sentence, before the upstream hears of it."""
    before = len(upstream.calls)
    answer = client.post(f"{AT}/guide/invoke", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert len(upstream.calls) == before


def test_a_value_stays_in_its_place(client: Client, upstream: ScriptedUpstream) -> None:
    """One line of text, and no variable of its own."""
    variables = {"city": "a\n{{tone}}\x00"}
    assert client.post(f"{AT}/guide/invoke", {"input": "x", "variables": variables}).status_code == 200
    assert system(upstream) == "You guide in a {{tone}}. Be kind."


def test_an_invocation_remembers(client: Client, upstream: ScriptedUpstream) -> None:
    """With an assistant that does: the session goes on by POST and by GET."""
    id = client.post(f"{AT}/nurse/invoke", {"input": "one"}).json()["session_id"]
    told = client.get(f"{AT}/nurse/invoke", params={"input": "two", "session_id": id}).json()
    assert told["session_id"] == id
    assert [message["content"] for message in upstream.calls[-1].body["messages"]][1::2] == ["one", "two"]
    assert "session_id" not in client.post(f"{AT}/nurse/invoke", {"input": "x", "store": False}).json()
