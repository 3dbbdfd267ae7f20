"""An OpenAI-compatible upstream over HTTP: streams, whole answers, and tokenizers where there are any.

Tokenizers: llama.cpp's server has `/apply-template` and `/tokenize`, vLLM has `/tokenize` for messages
(both beside `/v1`, not below it). Everybody else has none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from maitre.chat import sse
from maitre.errors import ProviderError
from maitre.providers.connection_http import Connection
from maitre.providers.keyring import Keyring
from maitre.providers.provider import Provider
from maitre.providers.scrub import Scrubber

#: So much of an error's body is read. Bytes.
ERROR = 4000


class OpenAIUpstream:
    """A provider that speaks the OpenAI API. One connection pool, used from one event loop."""

    def __init__(self, provider: Provider, keyring: Keyring | None = None) -> None:
        self._provider, self._keyring = provider, keyring or Keyring()
        self._root = provider.base_url.removesuffix("/v1")
        self._connection = Connection(provider, self._headers)

    def _headers(self) -> Mapping[str, str]:
        key = self._keyring.key_of(self._provider)
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        splitter = sse.EventSplitter()
        scrubber = self._scrubber(body)
        wanted = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with self._connection.asked(self._url("chat/completions"), wanted, request_id, scrubber) as content:
            while data := await content.read():
                for event in splitter.feed(data):
                    if event[5:].strip() == b"[DONE]":
                        return
                    yield _scrubbed(event, scrubber) if b'"error"' in event else event
            for event in splitter.end():
                if event[5:].strip() != b"[DONE]":
                    yield _scrubbed(event, scrubber) if b'"error"' in event else event

    async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        return await self._connection.answer(self._url("chat/completions"), body, request_id, self._scrubber(body))

    async def embed(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        answer = await self._connection.answer(self._url("embeddings"), body, request_id, self._scrubber(body))
        if answer.get("error") or not isinstance(answer.get("data"), list):
            raise ProviderError("provider_broke", status=502, cause="the answer holds no embeddings")
        return answer

    def _url(self, path: str) -> str:
        return f"{self._provider.base_url}/{path}"

    def _scrubber(self, body: Mapping[str, Any]) -> Scrubber:
        return self._keyring.scrubber(self._provider, str(body.get("model") or ""))

    async def count_prompt(self, body: Mapping[str, Any]) -> int | None:
        match self._provider.kind:
            case "llama_cpp":
                known = {name: body[name] for name in ("messages", "tools") if body.get(name)}
                prompt = await self._tokenizer("/apply-template", known)
                return None if prompt is None else await self._llama_count(str(prompt.get("prompt", "")))
            case "vllm":
                known = {name: body[name] for name in ("model", "messages", "tools") if body.get(name)}
                answer = await self._tokenizer("/tokenize", known)
                return None if answer is None else _count(answer.get("count"))
            case _:
                return None

    async def count_text(self, model: str, text: str) -> int | None:
        match self._provider.kind:
            case "llama_cpp":
                return await self._llama_count(text)
            case "vllm":
                answer = await self._tokenizer(
                    "/tokenize", {"model": model, "prompt": text, "add_special_tokens": False}
                )
                return None if answer is None else _count(answer.get("count"))
            case _:
                return None

    async def _llama_count(self, text: str) -> int | None:
        answer = await self._tokenizer("/tokenize", {"content": text, "add_special": False, "parse_special": True})
        tokens = None if answer is None else answer.get("tokens")
        return len(tokens) if isinstance(tokens, list) else None

    async def _tokenizer(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        return await self._connection.counted(self._root + path, body)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _scrubbed(event: bytes, scrubber: Scrubber) -> bytes:
    """The event, its error without the house's secrets; one that holds no error is the upstream's own."""
    chunk = sse.payload(event)
    if chunk is None or not chunk.get("error"):
        return event
    return sse.frame({**chunk, "error": scrubber.deep(chunk["error"])})
