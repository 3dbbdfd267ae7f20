"""What is on the wire of the public API: OpenAI's shapes, our ids, and headers that clients act on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.api.conftest import Client
from tests.engine.answers import DONE, script
from tests.raw_socket import RawAnswer, raw_chat
from tests.upstream import ScriptedUpstream

HEAD = {"id", "object", "created", "model"}


def stream(client: Client, text: str = "hello", **more: Any) -> RawAnswer:
    """A streamed chat completion on a raw socket."""
    body = {"model": "models.scripted", "messages": [{"role": "user", "content": text}], "stream": True, **more}
    return raw_chat(client.url, body, headers=client.headers)


def chunks(answer: RawAnswer) -> list[dict[str, Any]]:
    """The chunks of a stream that ended as it should."""
    *events, end = answer.events
    assert (answer.status, end) == (200, DONE)
    return [json.loads(event[6:]) for event in events]


def test_nothing_of_the_upstream_is_in_a_stream(client: Client) -> None:
    """Every chunk has the public model and the id that the headers tell; no fingerprint, no timings."""
    answer = stream(client, script(n=20))
    told = chunks(answer)
    assert {one["id"] for one in told} == {f"chatcmpl-{answer.headers['x-router-log-id']}"}
    assert {one["model"] for one in told} == {"models.scripted"}
    assert {frozenset(one) for one in told} == {frozenset({*HEAD, "choices"})}
    assert len({one["created"] for one in told}) == 1


def test_nothing_of_the_upstream_is_in_a_whole_answer(client: Client) -> None:
    """The same, with the usage."""
    answer = client.chat(model="scripted")
    told = answer.json()
    assert set(told) == {*HEAD, "choices", "usage"}
    assert told["id"] == f"chatcmpl-{answer.headers['x-router-log-id']}"
    assert (told["model"], told["object"]) == ("models.scripted", "chat.completion")


@pytest.mark.parametrize("model", ["models.scripted", "assistants.former"])
@pytest.mark.parametrize("usage", [True, False, "always"])
@pytest.mark.parametrize("asked", [True, False, None])
def test_usage_is_told_once_and_only_when_it_is_asked_for(
    client: Client, model: str, usage: Any, asked: bool | None
) -> None:
    """Whatever the upstream tells: with `include_usage` the last chunk has it and no choices, else none has it."""
    options = {} if asked is None else {"stream_options": {"include_usage": asked}}
    told = chunks(stream(client, script(text='{"a": 1}', usage=usage), model=model, **options))
    with_usage = [one for one in told if one.get("usage") is not None]
    if asked:
        assert with_usage == told[-1:]
        assert told[-1]["choices"] == []
        assert told[-1]["usage"]["completion_tokens"] > 0
    else:
        assert with_usage == []
        assert all(one["choices"] for one in told)


def test_an_error_in_a_stream_is_an_event_with_a_word_as_its_code(client: Client) -> None:
    """Official clients raise it; the stream ends all the same."""
    answer = stream(client, script(n=10, error_after=3))
    *_, told = chunks(answer)
    assert set(told) == {"error"}
    assert (told["error"]["type"], told["error"]["code"]) == ("upstream_error", "provider_broke")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "two-answers": ({"n": 2}, "n"),
    "no-model": ({"model": None}, "model"),
    "no-messages": ({"messages": None}, "messages"),
    "a-message-that-is-none": ({"messages": ["hi"]}, "messages"),
    "no-role": ({"messages": [{"content": "hi"}]}, "messages"),
    "text-for-a-number": ({"temperature": "hot"}, "temperature"),
    "an-odd-format": ({"response_format": {"type": "xml"}}, "response_format"),
    "functions": ({"functions": []}, "functions"),
}


@pytest.mark.parametrize(("more", "param"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_a_400_that_names_the_parameter(client: Client, more: dict[str, Any], param: str) -> None:
    """Nothing is dropped in silence that would change the answer, and no mistake of a client is ours."""
    answer = client.post("/v1/chat/completions", {"model": "scripted", "messages": [HELLO], **more})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["type"] == "invalid_request_error"


HELLO = {"role": "user", "content": "hello"}

#: What may be asked in vain, and its status.
VAIN: dict[str, tuple[str, str, dict[str, str], bytes, int]] = {
    "no-key": ("POST", "/v1/chat/completions", {"Authorization": ""}, b"{}", 401),
    "wrong-key": ("POST", "/v1/chat/completions", {"Authorization": "Bearer mtr-0"}, b"{}", 401),
    "no-path": ("GET", "/v1/nothing", {}, b"", 404),
    "no-method": ("DELETE", "/v1/chat/completions", {}, b"", 405),
    "no-json": ("POST", "/v1/chat/completions", {}, b"{", 400),
    "no-model": ("POST", "/v1/chat/completions", {}, json.dumps({"model": "x", "messages": [HELLO]}).encode(), 404),
    "too-large": ("POST", "/v1/chat/completions", {}, b'"' + b"x" * (17 * 1024 * 1024), 413),
}


@pytest.mark.parametrize(("method", "path", "headers", "body", "status"), VAIN.values(), ids=VAIN)
def test_every_answer_has_an_id(
    client: Client, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    """An error's too, and it is OpenAI's in shape."""
    answer = requests.request(method, client.url + path, headers={**client.headers, **headers}, data=body, timeout=30)
    assert answer.status_code == status
    assert len(answer.headers["x-router-log-id"]) == 32
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] is None or isinstance(error["code"], str)


def test_a_full_window_says_when_to_come_back(client: Client) -> None:
    """429 with the window's numbers, whole and streamed."""
    guest = client.hall.guest("free")
    poor = Client(client.hall, guest, client.hall.key(guest))
    for _ in range(5):
        assert poor.chat().status_code == 200
    for streamed in (False, True):
        answer = poor.chat(stream=streamed)
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        seconds = int(answer.headers["retry-after"])
        assert 0 < seconds <= 60
        told = {name: answer.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")}
        assert told == {"limit": "5", "remaining": "0", "reset": "1m0s" if seconds == 60 else f"{seconds}s"}


PASSED: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END"],
    "seed": 7,
    "logprobs": True,
    "top_logprobs": 3,
    "presence_penalty": 0.1,
    "frequency_penalty": -0.1,
    "reasoning_effort": "low",
}


def test_parameters_reach_a_plain_model(client: Client, upstream: ScriptedUpstream) -> None:
    """As they are; who asks, and what is only the API's own, stays here."""
    more = {**PASSED, "user": "somebody", "metadata": {"a": "b"}, "store": True, "max_completion_tokens": 9}
    assert client.chat(model="scripted", **more).status_code == 200
    sent = upstream.calls[-1].body
    assert {name: sent[name] for name in PASSED} == PASSED
    assert sent["max_tokens"] == 9
    assert set(sent) == {*PASSED, "model", "messages", "max_tokens"}


@pytest.mark.parametrize("streamed", [False, True])
def test_who_waits_is_told_the_place(client: Client, eventually: Callable[..., Any], streamed: bool) -> None:
    """The headers tell the place in the line; a stream's come with its first comment."""
    hangs = {"model": "narrow", "messages": [{"role": "user", "content": script(hang_after=1)}], "stream": True}
    first = client.post("/v1/chat/completions", hangs, stream=True)
    lines: Any = first.iter_lines()  # its end would be the connection's
    next(lines)
    got: list[RawAnswer | requests.Response] = []

    def ask() -> None:
        got.append(stream(client, model="narrow") if streamed else client.chat(model="narrow"))

    second = threading.Thread(target=ask)
    second.start()
    eventually(lambda: client.hall.ask(lambda books: books.lines())["narrow"].waiting, "nobody waits")
    # Whoever stands in the line hears of it at the process's next look, which tells all at once.
    third = client.post(
        "/v1/chat/completions", {**hangs, "messages": [{"role": "user", "content": "hello"}]}, stream=True
    )
    assert next(third.iter_lines()).startswith(b": queue position=2")
    lines.close()
    second.join(60)
    third.close()
    (answer,) = got
    assert answer.headers["x-queue-position"] == "1"
    if streamed:
        assert b": queue position=1" in answer.body  # type: ignore[union-attr]


def test_embeddings_are_metered(client: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any]) -> None:
    """Vectors for texts, the public model, and a row of their kind."""
    answer = client.post("/v1/embeddings", {"model": "vectors", "input": ["a b", "c"]})
    told = answer.json()
    assert [one["embedding"] for one in told["data"]] == [[2.0, 3.0], [1.0, 1.0]]
    assert (told["model"], told["usage"]) == ("models.vectors", {"prompt_tokens": 3, "total_tokens": 3})
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    assert row["request_id"] == answer.headers["x-router-log-id"] == upstream.calls[-1].request_id
    assert (row["kind"], row["prompt_tokens"], row["completion_tokens"]) == ("embedding", 3, 0)


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"input": []}, 400, "input"),
        ({"encoding_format": "hex"}, 400, "encoding_format"),
        ({"dimensions": 0}, 400, "dimensions"),
        ({"model": "scripted"}, 400, None),
        ({"model": "nobody"}, 404, "model"),
    ],
)
def test_what_cannot_be_embedded_is_a_sentence(
    client: Client, more: dict[str, Any], status: int, param: str | None
) -> None:
    """And never a fault of ours."""
    answer = client.post("/v1/embeddings", {"model": "vectors", "input": "a", **more})
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
