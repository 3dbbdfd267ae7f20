"""The scripted upstream behaves as a real one does, and does what a script says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import requests

from tests.raw_socket import raw_chat
from tests.upstream import ScriptedUpstream, running_upstream

TOOL = {"name": "clock", "arguments": {"zone": "UTC"}}


@pytest.fixture
async def up() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def client(up: ScriptedUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=up.url + "/v1", api_key="any", max_retries=0) as made:
        yield made


def asked(script: dict[str, Any] | None = None, *more: dict[str, Any]) -> list[Any]:
    words = "Good evening" if script is None else "Please play script:" + json.dumps(script) + " now"
    return [{"role": "user", "content": words}, *more]


async def text(client: openai.AsyncOpenAI, messages: list[Any], **options: Any) -> str:
    stream = await client.chat.completions.create(model="scripted", messages=messages, stream=True, **options)
    return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])


async def test_sentence(up: ScriptedUpstream, client: openai.AsyncOpenAI) -> None:
    """Without a script the answer is a fixed sentence, the same whether it is streamed or not."""
    whole = await client.chat.completions.create(model="scripted", messages=asked())
    assert await text(client, asked()) == whole.choices[0].message.content == "The kitchen is open tonight."
    assert [call.ended for call in up.calls] == ["completed", "completed"]
    assert up.calls[1].deltas == 5


async def test_usage(up: ScriptedUpstream, client: openai.AsyncOpenAI) -> None:
    """Usage counts words plus 3 a message, and deltas; when asked for, it is the last chunk."""
    messages = [{"role": "system", "content": "Be very kind."}, *asked()]
    stream = await client.chat.completions.create(
        model="scripted", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    last = [chunk async for chunk in stream][-1]
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (3 + 2 + 2 * 3, 5)
    assert up.calls[0].usage_sent


@pytest.mark.parametrize(
    ("script", "limits", "words", "finish"),
    [
        ({"n": 7}, {"max_tokens": 3}, 3, "length"),
        ({"n": 7}, {"max_completion_tokens": 4}, 4, "length"),
        ({"n": 3}, {"max_tokens": 3}, 3, "stop"),
        ({"n": 0}, {}, 0, "stop"),
        ({"text": "one two", "n": 4}, {}, 4, "stop"),
        ({"finish_reason": "content_filter"}, {}, 5, "content_filter"),
    ],
)
async def test_length(
    client: openai.AsyncOpenAI, script: dict[str, Any], limits: dict[str, int], words: int, finish: str
) -> None:
    """An answer has the script's number of deltas, and never more than the request allows."""
    answer = await client.chat.completions.create(model="m", messages=asked(script), **limits)  # type: ignore[call-overload]
    assert answer.usage.completion_tokens == words
    assert answer.choices[0].finish_reason == finish


async def test_tools(client: openai.AsyncOpenAI) -> None:
    """Tools are asked for first; a conversation that brings their results gets the text."""
    messages = asked({"tool_calls": [TOOL, TOOL], "text": "It is noon."})
    first = (await client.chat.completions.create(model="m", messages=messages)).choices[0]
    assert first.finish_reason == "tool_calls"
    calls = first.message.tool_calls or []
    assert [call.function.arguments for call in calls if call.type == "function"] == ['{"zone": "UTC"}'] * 2
    results = [{"role": "tool", "tool_call_id": call.id, "content": "12:00"} for call in calls]
    messages += [
        {"role": "assistant", "content": "", "tool_calls": [c.model_dump() for c in calls]},
        *results,
    ]
    assert await text(client, messages) == "It is noon."
    assert await text(client, asked({"tool_calls": [TOOL]})) == ""


async def test_texts(client: openai.AsyncOpenAI) -> None:
    """Successive calls get successive texts, also from a repair whose own message has no script."""
    messages = asked({"texts": ['{"a":', '{"a": 1}']})
    assert await text(client, messages) == '{"a":'
    repair = [{"role": "assistant", "content": '{"a":'}, {"role": "user", "content": "This is not JSON."}]
    assert await text(client, messages + repair) == '{"a": 1}'
    assert await text(client, messages) == '{"a": 1}'


async def test_task(client: openai.AsyncOpenAI) -> None:
    """A background task that quotes a scripted chat plays that script's task, not the chat's script."""
    script = json.dumps({"n": 9, "task": {"text": "A title"}})
    quote = [{"role": "user", "content": f"### Task:\nTitle this.\nUSER: script:{script}\n"}]
    assert await text(client, quote) == "A title"


@pytest.mark.parametrize(("stream", "status"), [(False, 500), (True, 429), (True, 529)])
async def test_status(client: openai.AsyncOpenAI, stream: bool, status: int) -> None:
    """A scripted HTTP error reaches the client with its status, message and Retry-After."""
    script = {"status": status, "error": {"message": "No table"}, "retry_after": 7}
    with pytest.raises(openai.APIStatusError, match="No table") as refused:
        await client.chat.completions.create(model="m", messages=asked(script), stream=stream)
    assert refused.value.status_code == status
    assert refused.value.response.headers["retry-after"] == "7"


async def test_stream_options_rejected(client: openai.AsyncOpenAI) -> None:
    """An old server refuses stream_options and serves the same request without them."""
    messages = asked({"reject_stream_options": True})
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        await text(client, messages, stream_options={"include_usage": True})
    assert await text(client, messages) == "The kitchen is open tonight."


async def test_error_in_stream(up: ScriptedUpstream, client: openai.AsyncOpenAI) -> None:
    """An error event after some deltas ends the stream."""
    with pytest.raises(openai.APIError, match="out of memory"):
        await text(client, asked({"n": 5, "error_after": 2, "error": "out of memory"}))
    await up.until(lambda: up.calls[0].ended == "error")
    assert up.calls[0].deltas == 2


async def test_cut(up: ScriptedUpstream) -> None:
    """A cut stream ends in the middle, and the log holds exactly the events that were sent."""
    answer = await asyncio.to_thread(raw_chat, up.url, {"messages": asked({"cut_after": 3}), "stream": True})
    assert not answer.whole
    assert answer.events == up.calls[0].events
    assert (up.calls[0].ended, up.calls[0].deltas) == ("cut", 3)


async def test_cut_whole(up: ScriptedUpstream) -> None:
    """An answer that is not streamed can be cut too."""
    answer = await asyncio.to_thread(raw_chat, up.url, {"messages": asked({"cut_after": 0})})
    assert (answer.status, answer.whole) == (200, False)
    assert (up.calls[0].ended, up.calls[0].usage_sent) == ("cut", False)


@pytest.mark.parametrize("script", [{"hang_after": 2}, {"n": 100_000, "interval_ms": 1}, {"n": 100_000}])
async def test_client_gone(up: ScriptedUpstream, script: dict[str, Any]) -> None:
    """A client that leaves in the middle is noticed and written down with what it got."""
    body = {"messages": asked(script), "stream": True}
    answer = await asyncio.to_thread(raw_chat, up.url, body, leave_after=3)
    await up.until(lambda: up.calls[0].ended == "client gone")
    assert answer.events[:3] == up.calls[0].events[:3]
    assert len(up.calls[0].events) < 100_000


async def test_wire(up: ScriptedUpstream) -> None:
    """On the wire every event is `data: ...` and a blank line, and the last one is [DONE]."""
    body = {"messages": asked({"n": 40}), "stream": True, "stream_options": {"include_usage": True}}
    answer = await asyncio.to_thread(raw_chat, up.url, body)
    assert answer.whole
    assert len(answer.events) == 1 + 40 + 1 + 1 + 1  # role, deltas, finish, usage, [DONE]
    assert answer.events[-1] == b"data: [DONE]\n\n"
    assert answer.events == up.calls[0].events


@pytest.mark.parametrize("script", [{"chunk_bytes": 7}, {"comments": True, "crlf": True}, {"raw": ["data: {oops\n\n"]}])
async def test_odd_wire(up: ScriptedUpstream, script: dict[str, Any]) -> None:
    """Oddly cut, commented and broken streams carry the bytes that the log has."""
    answer = await asyncio.to_thread(raw_chat, up.url, {"messages": asked(script), "stream": True})
    assert answer.body == b"".join(up.calls[0].events)
    assert answer.whole


async def test_odd_text(client: openai.AsyncOpenAI) -> None:
    """NUL and control characters, and reasoning before the text, arrive as they were scripted."""
    stream = await client.chat.completions.create(
        model="m", messages=asked({"n": 1, "nul": True, "reasoning": 2}), stream=True
    )
    deltas = [chunk.choices[0].delta async for chunk in stream]
    assert "".join(d.content or "" for d in deltas) == "\x00w\x07ord0 \x1b"
    assert [getattr(d, "reasoning_content", None) for d in deltas[1:3]] == ["thought0 ", "thought1 "]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [None, 5, "x"],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": [{"type": "text", "text": 'script:{"n":5}'}, {"type": "image_url"}]}],
        [{"role": "user", "content": "script: {broken"}],
        [{"role": "user", "content": "script:" + "{" * 5000}],
        [{"role": "user", "content": "script:[1] \x00 \ud800 ☃ script:{}"}],
        [{"role": "user", "content": "x" * 2_000_000}],
    ],
)
async def test_any_message(up: ScriptedUpstream, messages: list[Any]) -> None:
    """Whatever a conversation holds, it is answered with five deltas."""
    answer = await asyncio.to_thread(raw_chat, up.url, {"messages": messages, "stream": True})
    assert answer.status == 200
    assert up.calls[0].deltas == 5


@pytest.mark.parametrize("script", [{"interval": 5}, {"n": "many"}, {"status": 200}])
async def test_mistaken_script(client: openai.AsyncOpenAI, script: dict[str, Any]) -> None:
    """A mistake in a script is said, so that no test passes by a misspelling."""
    with pytest.raises(openai.BadRequestError, match=f"The script is wrong: {next(iter(script))}"):
        await client.chat.completions.create(model="m", messages=asked(script))


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b'{"messages": 5}'])
async def test_bad_body(up: ScriptedUpstream, body: bytes) -> None:
    """A body that is no chat completion is refused and not logged."""
    assert (await asyncio.to_thread(raw_chat, up.url, body)).status == 400
    assert up.calls == []


async def test_models(client: openai.AsyncOpenAI) -> None:
    """The models are listed."""
    assert [model.id async for model in client.models.list()] == ["scripted"]


@pytest.mark.parametrize("kind", ["llama_cpp", "vllm"])
def test_tokenize(kind: str) -> None:
    """Each way of counting a prompt gives what the usage will say."""
    messages: Any = [{"role": "system", "content": "Be  kind"}, {"role": "user", "content": "Good evening all"}]
    with running_upstream(tokenize=kind) as up:
        if kind == "llama_cpp":
            prompt = requests.post(up.url + "/apply-template", json={"messages": messages}, timeout=10).json()["prompt"]
            count = len(requests.post(up.url + "/tokenize", json={"content": prompt}, timeout=10).json()["tokens"])
        else:
            asking = {"model": "scripted", "messages": messages}
            count = requests.post(up.url + "/tokenize", json=asking, timeout=10).json()["count"]
        usage = json.loads(raw_chat(up.url, {"messages": messages}).body)["usage"]
        assert count == usage["prompt_tokens"] == 5 + 6
        up.tokenize = "none"
        assert requests.post(up.url + "/tokenize", json={}, timeout=10).status_code == 404


def test_key() -> None:
    """An upstream with a key serves nobody without it."""
    with running_upstream(api_key="secret") as up:
        assert raw_chat(up.url, {"messages": []}).status == 401
        assert raw_chat(up.url, {"messages": []}, headers={"Authorization": "Bearer secret"}).status == 200


def test_process() -> None:
    """As a process it prints its address, keeps the log over HTTP, forgets on demand and stops on SIGTERM."""
    command = [sys.executable, "-m", "tests.upstream", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        raw_chat(url, {"messages": asked(), "stream": True}, headers={"X-Request-Id": "turn-1"})
        (call,) = requests.get(url + "/_log", timeout=10).json()
        assert (call["request_id"], call["ended"], call["events"]) == ("turn-1", "completed", 8)
        assert call["sent"][-1] == "data: [DONE]\n\n"
        assert "sent" not in requests.get(url + "/_log?brief", timeout=10).json()[0]
        requests.post(url + "/_reset", timeout=10)
        assert requests.get(url + "/_log", timeout=10).json() == []
        process.terminate()
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.stdout.close()
