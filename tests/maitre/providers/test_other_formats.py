"""The adapters of Anthropic's and Ollama's own wire formats against a scripted server that speaks both."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from maitre.chat.openai_wire import Answer
from maitre.errors import BadRequest, ProviderError
from maitre.providers.keyring import Keyring
from maitre.providers.kinds_http import AnyUpstream, upstream_of
from maitre.providers.openai_http import OpenAIUpstream
from maitre.providers.provider import Provider
from maitre.providers.upstream_error import in_answer, told
from tests.maitre.providers.answers import read
from tests.upstream import ScriptedUpstream

KINDS = ("anthropic", "ollama")


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream on this test's own loop."""
    async with ScriptedUpstream(api_key="house-key-1") as started:
        yield started


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, upstream: ScriptedUpstream) -> AsyncIterator[AnyUpstream]:
    """An adapter of each kind."""
    made = upstream_of(Provider("scripted", request.param, upstream.url, "house-key-1"), Keyring())
    yield made
    await made.close()


def body(**script: Any) -> dict[str, Any]:
    """A request whose last message carries the script."""
    talk = [{"role": "system", "content": "Be short."}, {"role": "user", "content": f"script:{json.dumps(script)}"}]
    return {"model": "real-model-7b", "messages": talk, "max_tokens": 50}


async def test_a_stream_reads_as_openais(upstream: ScriptedUpstream, client: AnyUpstream) -> None:
    """Role, text, one finish reason, and the usage that the server counted, cache and all."""
    chunks = await read(client, body(n=5, reasoning=2))
    assert chunks.text == "word0 word1 word2 word3 word4 "
    assert chunks.reasoning == "thought0 thought1 "
    assert chunks.finish == ["stop"]
    call = upstream.calls[-1]
    assert call.usage is not None
    assert {name: chunks.usage[name] for name in call.usage} == call.usage
    assert (call.request_id, call.ended) == ("r1", "completed")


@pytest.mark.parametrize("how", [{"chunk_bytes": 3}, {"nul": True}, {"raw": ["\n\n", ": a comment\n\n"]}], ids=str)
async def test_the_bytes_may_come_in_any_pieces(client: AnyUpstream, how: dict[str, Any]) -> None:
    """Odd pieces, control characters and noise before the stream change nothing."""
    assert (await read(client, body(n=4, **how))).deltas == 4


async def test_a_whole_answer_says_what_the_stream_says(client: AnyUpstream) -> None:
    """The same text, finish reason and usage."""
    streamed, whole = await read(client, body(n=3)), await client.complete(body(n=3), "r2")
    choice = whole["choices"][0]
    assert (choice["message"], choice["finish_reason"]) == ({"role": "assistant", "content": streamed.text}, "stop")
    assert whole["usage"] == streamed.usage


async def test_the_largest_answer_is_kept(client: AnyUpstream) -> None:
    """`max_tokens` reaches the server by its own name, and its limit reads as `length`."""
    assert (await read(client, {**body(n=9), "max_tokens": 4})).finish == ["length"]


async def test_tools_are_called_and_answered(upstream: ScriptedUpstream, client: AnyUpstream) -> None:
    """A call comes with an id and its arguments as text; the conversation with its result reads as one."""
    asked = body(tool_calls=[{"name": "add", "arguments": {"a": 1}}, {"name": "now", "arguments": {}}], text="Two.")
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}}
    asked["tools"] = [{"type": "function", "function": {"name": "add", "parameters": parameters}}]
    answer = await client.complete(asked, "r1")
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    calls = choice["message"]["tool_calls"]
    assert [call["function"] for call in calls] == [
        {"name": "add", "arguments": '{"a": 1}'},
        {"name": "now", "arguments": "{}"},
    ]
    assert len({call["id"] for call in calls}) == 2
    streamed = await read(client, asked)
    assert [call["function"]["arguments"] for call in streamed.calls] == ['{"a": 1}', "{}"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "2"} for call in calls]
    again = {**asked, "messages": [*asked["messages"], choice["message"], *results]}
    assert (await read(client, again)).text == "Two."


FAULTS: list[tuple[dict[str, Any], str, int]] = [
    ({"status": 529, "error": "Overloaded"}, "provider_error", 529),
    ({"status": 500}, "provider_error", 500),
    ({"status": 429, "retry_after": 7}, "provider_error", 429),
    ({"status": 401}, "provider_error", 502),
    ({"status": 404}, "provider_error", 502),
    ({"cut_after": 2}, "provider_broke", 502),
]


@pytest.mark.parametrize(("script", "key", "status"), FAULTS, ids=str)
async def test_a_fault_has_a_name(client: AnyUpstream, script: dict[str, Any], key: str, status: int) -> None:
    """Each fault is a ProviderError, streamed or not, with the status that a guest reads."""
    for ask in (read(client, body(n=5, **script)), client.complete(body(n=5, **script), "r1")):
        with pytest.raises(ProviderError) as raised:
            await ask
        assert (raised.value.key, raised.value.status) == (key, status)
        assert raised.value.retry_after == script.get("retry_after")


async def test_an_error_in_a_stream_is_an_error_chunk_without_secrets(client: AnyUpstream) -> None:
    """The guest reads the server's sentence, but no key, address or real model's name."""
    words = "real-model-7b at http://10.0.0.7:9000/x refuses house-key-1"
    chunks = await read(client, body(n=5, error_after=0, error=words))
    seen = Answer(datetime(2026, 11, 21, tzinfo=UTC))
    seen.see(chunks.errors[0], lambda: seen.started)
    shown = told(in_answer(seen.error or "", False), "models.small")
    assert shown.message == "models.small at [address] refuses [key]"


async def test_a_stream_that_is_garbage_finishes_with_nothing(client: AnyUpstream) -> None:
    """No chunk comes of it, so the turn sees that the stream had no end."""
    garbage = [
        "data: not json\n\n",
        "data: [1]\n\n",
        '{"type": 5}\n',
        'data: {"type":"content_block_delta","delta":7}\n\n',
    ]
    chunks = await read(client, body(raw=garbage, cut_after=-1), broken=True)
    assert (chunks.deltas, chunks.finish) == (0, [])


async def test_cancelling_closes_the_connection(upstream: ScriptedUpstream, client: AnyUpstream) -> None:
    """Stop reaches the server: it sees its client go."""
    reading = asyncio.create_task(read(client, body(n=10_000, interval_ms=20)))
    await upstream.until(lambda: bool(upstream.calls) and upstream.calls[-1].deltas > 1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await upstream.until(lambda: upstream.calls[-1].ended == "client gone")


async def test_a_server_that_is_away_is_down() -> None:
    """A refused connection is `provider_down`."""
    for kind in KINDS:
        away = upstream_of(Provider("away", kind, "http://127.0.0.1:9"), Keyring())
        with pytest.raises(ProviderError) as raised:
            await away.complete(body(), "r1")
        assert (raised.value.key, raised.value.accepted) == ("provider_down", False)
        await away.close()


async def test_anthropic_counts_a_prompt_where_it_can(upstream: ScriptedUpstream) -> None:
    """To the token where the server counts; None where it does not, as for a single text."""
    client = upstream_of(Provider("a", "anthropic", f"{upstream.url}/v1", "house-key-1"), Keyring())
    assert await client.count_prompt(body(n=1)) is None
    upstream.tokenize = "anthropic"
    counted = await client.count_prompt(body(n=1))
    assert counted == (await read(client, body(n=1))).usage["prompt_tokens"]
    assert await client.count_text("real-model-7b", "one two") is None
    with pytest.raises(BadRequest):
        await client.embed({"model": "m", "input": "one"}, "r1")
    await client.close()


async def test_ollama_makes_embeddings(upstream: ScriptedUpstream) -> None:
    """In OpenAI's shape, as numbers or in base64, with the usage; token numbers are no texts."""
    client = upstream_of(Provider("o", "ollama", upstream.url, "house-key-1"), Keyring())
    asked = {"model": "m", "input": ["one two", "three"]}
    answer = await client.embed(asked, "r1")
    assert [one["embedding"] for one in answer["data"]] == [[2.0, 7.0], [1.0, 5.0]]
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    packed = await client.embed({**asked, "input": "one two", "encoding_format": "base64"}, "r1")
    assert struct.unpack("<2f", base64.b64decode(packed["data"][0]["embedding"])) == (2.0, 7.0)
    with pytest.raises(BadRequest):
        await client.embed({"model": "m", "input": [[1, 2]]}, "r1")
    with pytest.raises(ProviderError):
        await client.embed({"model": "m", "input": 'script:{"status": 503}'}, "r1")
    await client.close()


def test_an_address_that_ends_in_v1_is_asked_by_openais_api() -> None:
    """An Ollama is asked by its own API unless its address says otherwise."""
    assert isinstance(upstream_of(Provider("o", "ollama", "http://x:11434/v1"), Keyring()), OpenAIUpstream)
    assert not isinstance(upstream_of(Provider("o", "ollama", "http://x:11434"), Keyring()), OpenAIUpstream)
