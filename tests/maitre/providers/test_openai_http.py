"""The OpenAI client against the scripted upstream, which speaks llama.cpp's and vLLM's dialects too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from maitre.errors import BadRequest, ProviderError, Refusal
from maitre.providers.openai_http import OpenAIUpstream
from maitre.providers.provider import Provider
from tests.upstream import ScriptedUpstream

Client = Callable[..., OpenAIUpstream]


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream on this test's own loop."""
    async with ScriptedUpstream(api_key="sk-house") as started:
        yield started


@pytest.fixture
async def client(upstream: ScriptedUpstream) -> AsyncIterator[Client]:
    """Makes clients of it, of any kind."""
    made: list[OpenAIUpstream] = []

    def make(kind: str = "openai", api_key: str = "sk-house", url: str | None = None) -> OpenAIUpstream:
        made.append(OpenAIUpstream(Provider("scripted", kind, url or f"{upstream.url}/v1", api_key)))
        return made[-1]

    yield make
    for one in made:
        await one.close()


def body(**script: Any) -> dict[str, Any]:
    """A request whose last message carries the script."""
    return {"model": "scripted", "messages": [{"role": "user", "content": f"script:{json.dumps(script)}"}]}


async def test_events_are_the_upstreams_own_bytes_without_the_end_mark(
    upstream: ScriptedUpstream, client: Client
) -> None:
    """What is yielded, joined as it was sent, is what the upstream's log has; usage is always asked for."""
    events = [event async for event in client().stream(body(n=9), "r1")]
    call = upstream.calls[-1]
    assert [event + b"\n\n" for event in events] == call.events[:-1]
    assert call.request_id == "r1"
    assert call.body["stream_options"] == {"include_usage": True}
    assert call.headers["authorization"] == "Bearer sk-house"


@pytest.mark.parametrize("how", [{"crlf": True}, {"comments": True}, {"chunk_bytes": 7}, {"no_done": True}], ids=str)
async def test_the_stream_may_be_cut_and_spelled_in_any_way(client: Client, how: dict[str, Any]) -> None:
    """CRLF, comments, odd pieces and a missing [DONE] give the same deltas."""
    events = [json.loads(event[5:]) async for event in client().stream(body(n=5, **how), "r1")]
    deltas = [choice["delta"].get("content") for event in events for choice in event["choices"]]
    assert len([delta for delta in deltas if delta]) == 5


FAULTS: list[tuple[dict[str, Any], str, int]] = [
    ({"status": 500}, "provider_error", 500),
    ({"status": 429, "error": "slow down"}, "provider_error", 429),
    ({"status": 401}, "provider_error", 502),
    ({"cut_after": 2}, "provider_broke", 502),
]


@pytest.mark.parametrize(("script", "key", "status"), FAULTS, ids=lambda value: str(value))
async def test_a_fault_of_a_stream_has_a_name(client: Client, script: dict[str, Any], key: str, status: int) -> None:
    """Each fault of the upstream is a ProviderError with its sentence's key and a status for the guest."""
    with pytest.raises(ProviderError) as raised:
        _ = [event async for event in client().stream(body(n=5, **script), "r1")]
    assert (raised.value.key, raised.value.status) == (key, status)


async def test_too_long_a_prompt_is_the_guests_to_mend(client: Client) -> None:
    """llama.cpp's and OpenAI's words for an overflow become one refusal."""
    for code in ("exceed_context_size_error", "context_length_exceeded"):
        with pytest.raises(BadRequest) as raised:
            await client().complete(body(status=400, error={"message": "too long", "type": code, "code": code}), "r1")
        assert raised.value.key == "too_long"


@pytest.mark.parametrize("serve", ["stream", "complete"])
async def test_an_upstream_that_is_away_is_down(client: Client, serve: str) -> None:
    """A refused connection is `provider_down`, not a traceback."""
    away = client(url="http://127.0.0.1:9/v1")

    async def ask() -> None:
        if serve == "complete":
            await away.complete(body(), "r1")
        else:
            _ = [event async for event in away.stream(body(), "r1")]

    with pytest.raises(ProviderError) as raised:
        await ask()
    assert (raised.value.key, raised.value.status, raised.value.accepted) == ("provider_down", 503, False)


@pytest.mark.parametrize("serve", ["stream", "complete"])
async def test_an_upstream_that_leaves_after_it_read_the_request_broke(client: Client, serve: str) -> None:
    """It may have worked on it, so it is no upstream that was never reached."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"script:")
        writer.close()

    async with await asyncio.start_server(leave, "127.0.0.1", 0) as server:
        leaving = client(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        asked = leaving.complete(body(), "r1") if serve == "complete" else anext(leaving.stream(body(), "r1"))
        with pytest.raises(ProviderError) as raised:
            await asked
    assert (raised.value.key, raised.value.accepted) == ("provider_broke", True)


async def test_a_whole_answer_is_the_upstreams_own(upstream: ScriptedUpstream, client: Client) -> None:
    """A whole answer comes with its usage; garbage or an error body does not pass for one."""
    answer = await client().complete(body(n=3), "r1")
    assert answer["usage"]["completion_tokens"] == 3
    with pytest.raises(Refusal):
        await client().complete(body(cut_after=-1), "r2")


async def test_cancelling_closes_the_upstreams_connection(upstream: ScriptedUpstream, client: Client) -> None:
    """Stop reaches the upstream: it sees its client go."""
    began = asyncio.Event()

    async def read() -> None:
        async for _ in client().stream(body(n=10_000, interval_ms=20), "r1"):
            began.set()

    reading = asyncio.create_task(read())
    await began.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await upstream.until(lambda: upstream.calls[-1].ended == "client gone")


@pytest.mark.parametrize("kind", ["llama_cpp", "vllm"])
async def test_a_tokenizer_counts_exactly_what_the_usage_says(
    upstream: ScriptedUpstream, client: Client, kind: Any
) -> None:
    """Where the upstream has a tokenizer, the prompt's size is known before the call, to the token."""
    upstream.tokenize = kind
    asked = body(n=2)
    size = await client(kind).count_prompt(asked)
    answer = await client(kind).complete(asked, "r1")
    assert size == answer["usage"]["prompt_tokens"]
    assert await client(kind).count_text("scripted", "one two three") == 3


async def test_without_a_tokenizer_the_size_is_not_known(client: Client) -> None:
    """Others are never asked; a tokenizer that is missing or away is no fault of the turn."""
    assert await client("openai").count_prompt(body()) is None
    assert await client("llama_cpp").count_prompt(body()) is None  # this upstream answers 404
    assert await client("vllm", url="http://127.0.0.1:9/v1").count_prompt(body()) is None


def test_a_provider_never_shows_its_key() -> None:
    """Logs and tracebacks print [REDACTED]."""
    assert "sk-" not in repr(Provider("a", "openai", "http://x/v1", "sk-secret"))


async def test_embeddings_are_the_upstreams_own(upstream: ScriptedUpstream, client: Client) -> None:
    """A vector for each text, in order, with the usage; the request is known by its id."""
    answer = await client().embed({"model": "scripted", "input": ["one two", "three"]}, "r1")
    assert [one["embedding"] for one in answer["data"]] == [[2.0, 7.0], [1.0, 5.0]]
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert upstream.calls[-1].request_id == "r1"
    with pytest.raises(ProviderError):
        await client().embed({"model": "scripted", "input": 'script:{"status": 500}'}, "r2")
