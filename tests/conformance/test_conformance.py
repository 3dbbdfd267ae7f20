"""The official clients for Python and Node do what they do with OpenAI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.conformance.conftest import Ask
from tests.engine.answers import script
from tests.upstream import ScriptedUpstream

ONCE = {"max_retries": 0}
LOOK = {"tool_calls": [{"name": "look", "arguments": {"city": "Kyiv"}}]}


def said(text: str = "hello", model: str = "models.scripted", **more: Any) -> dict[str, Any]:
    """The arguments of a chat completion."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def test_models(ask: Ask) -> None:
    """The list of what the plan has."""
    assert {"assistants.host", "models.scripted", "models.vectors"} <= set(ask("models"))


@pytest.mark.parametrize("model", ["models.scripted", "assistants.host"])
def test_chat(ask: Ask, model: str) -> None:
    """A whole answer under the public model and an id of ours."""
    answer = ask("chat", **said(model=model))
    assert (answer["text"], answer["finish"], answer["model"]) == ("The kitchen is open tonight.", "stop", model)
    assert answer["id"].startswith("chatcmpl-")
    assert answer["tokens"] > 0


@pytest.mark.parametrize("usage", [True, False], ids=["usage", "no-usage"])
def test_stream(ask: Ask, usage: bool) -> None:
    """Chunks of one answer; its usage at the end, once and only when it was asked for."""
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if usage else {}
    answer = ask("stream", **said(script(n=20), **more))
    assert answer["text"] == "".join(f"word{number} " for number in range(20))
    assert (len(answer["ids"]), answer["models"]) == (1, ["models.scripted"])
    assert (len(answer["usages"]), answer["empty"]) == (usage, usage)


def test_tools(ask: Ask, upstream: ScriptedUpstream) -> None:
    """A tool is asked for, whole and streamed, and its result goes back in a second request."""
    asked = ask("tools", **said(script(**LOOK)))
    assert (asked["finish"], asked["calls"]) == ("tool_calls", [["look", '{"city": "Kyiv"}']])
    assert upstream.calls[-1].body["parallel_tool_calls"] is False
    assert ask("gathered", **said(script(**LOOK)))["calls"] == asked["calls"]
    call = {"id": "call_0_0", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": script(**LOOK)},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0_0", "content": "sunny"},
    ]
    assert ask("tools", model="models.scripted", messages=messages)["text"] == "The kitchen is open tonight."


def test_a_stream_is_put_together(ask: Ask) -> None:
    """The clients' own helpers find all that they look for."""
    answer = ask("gathered", **said())
    assert (answer["text"], answer["finish"], answer["calls"]) == ("The kitchen is open tonight.", "stop", [])


def test_an_answer_by_a_schema(ask: Ask, upstream: ScriptedUpstream) -> None:
    """The schema goes upstream, and the answer can be parsed."""
    assert ask("schema", **said(script(text='{"city": "Kyiv"}'))) == {"city": "Kyiv"}
    assert upstream.calls[-1].body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("input", "vectors"), [("a b", [[2.0, 3.0]]), (["a", "b c"], [[1.0, 1.0], [2.0, 3.0]])], ids=["text", "texts"]
)
@pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}], ids=["default", "float"])
def test_embeddings(ask: Ask, input: Any, vectors: Any, form: dict[str, Any]) -> None:
    """Vectors as numbers, in whichever form the client asks for them."""
    answer = ask("embeddings", model="models.vectors", input=input, **form)
    assert (answer["vectors"], answer["model"]) == (vectors, "models.vectors")


#: What goes wrong: the step's arguments, then the error's class, status, code and param.
WRONG: dict[str, tuple[dict[str, Any], tuple[str, int, str | None, str | None]]] = {
    "key": ({"key": "mtr-0", **said()}, ("AuthenticationError", 401, "invalid_api_key", None)),
    "model": (said(model="gpt-9"), ("NotFoundError", 404, "model_not_found", "model")),
    "two-answers": (said(n=2), ("BadRequestError", 400, None, "n")),
    "no-words": (said(""), ("BadRequestError", 400, "empty_message", "messages")),
    "too-long": (said("x" * 300_000, "models.small"), ("BadRequestError", 400, "context_length_exceeded", "messages")),
}


@pytest.mark.parametrize(("asked", "error"), WRONG.values(), ids=WRONG)
def test_errors(ask: Ask, asked: dict[str, Any], error: tuple[str, int, str | None, str | None]) -> None:
    """Each is the client's own class, with the code and the parameter, an id, and a sentence."""
    told = ask("chat", **asked)
    assert (told["error"], told["status"], told["code"], told["param"]) == error
    assert (told["type"], told["attempts"]) == ("invalid_request_error", 1)
    assert told["headers"]["x-router-log-id"]
    assert told["message"]


def test_an_error_in_a_stream(ask: Ask) -> None:
    """An answer that breaks off is raised, and is no shorter answer."""
    told = ask("stream", **said(script(n=10, error_after=3)))
    assert (told["error"], told["code"]) == ("APIError", "provider_broke")


def test_a_full_window(ask: Ask, client: Client) -> None:
    """429 is the client's rate limit error and tells when to come back; a client that may ask again does so."""
    guest = client.hall.guest("free")
    poor = Client(client.hall, guest, client.hall.key(guest))
    for _ in range(5):
        assert poor.chat().status_code == 200
    told = ask("stream", who=poor, options=ONCE, **said(model="assistants.host"))
    assert (told["error"], told["status"], told["code"]) == ("RateLimitError", 429, "rate_limit_exceeded")
    assert 0 < int(told["headers"]["retry-after"]) <= 60
    assert told["headers"]["x-ratelimit-remaining-requests"] == "0"


def test_a_window_that_is_full_for_long_is_not_asked_again(ask: Ask, client: Client) -> None:
    """The client does not repeat by itself what cannot be answered for hours."""
    guest = client.hall.guest("free")
    poor = Client(client.hall, guest, client.hall.key(guest))
    told = ask("chat", who=poor, **said("word " * 10_000, "assistants.host"))
    assert (told["error"], told["status"], told["attempts"]) == ("RateLimitError", 429, 1)
    assert int(told["headers"]["retry-after"]) > 0
    assert told["headers"]["x-ratelimit-limit-tokens"] == "20000"


def test_a_client_that_has_no_patience(ask: Ask, client: Client, eventually: Callable[..., Any]) -> None:
    """A time-out is the client's own error; the turn ends with it, and its row says so."""
    told = ask("chat", options={"timeout": 2, **ONCE}, **said(script(ttft_ms=20_000)))
    assert told["error"] in ("APITimeoutError", "APIConnectionTimeoutError")
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    assert row["status"] == "stopped"


def test_a_client_that_leaves(
    ask: Ask, client: Client, upstream: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """A stream that is aborted ends the upstream's call, and is charged what was relayed."""
    assert ask("abort", **said(script(n=100, hang_after=3)))["text"]
    eventually(lambda: upstream.calls[-1].ended == "client gone", "the upstream goes on")
    (row,) = eventually(lambda: client.hall.settled(client.guest))
    assert row["status"] == "stopped"
    assert 0 < row["completion_tokens"] < 100
