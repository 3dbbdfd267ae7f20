"""Anthropic's Messages API over HTTP (aiohttp), or whatever else speaks it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from maitre.chat import sse
from maitre.chat.openai_wire import count
from maitre.errors import BadRequest
from maitre.providers import anthropic_wire
from maitre.providers.anthropic_answer import Reader
from maitre.providers.chunks import Head
from maitre.providers.connection_http import Connection
from maitre.providers.keyring import Keyring
from maitre.providers.provider import Provider

#: The version of the API whose form is spoken here.
VERSION = "2023-06-01"


class AnthropicUpstream:
    """A provider that speaks Anthropic's Messages API. One connection pool, used from one event loop."""

    def __init__(self, provider: Provider, keyring: Keyring | None = None) -> None:
        self._provider, self._keyring = provider, keyring or Keyring()
        self._url = f"{provider.base_url.removesuffix('/v1')}/v1/messages"
        self._connection = Connection(provider, self._headers)

    def _headers(self) -> Mapping[str, str]:
        key = self._keyring.key_of(self._provider)
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})

    async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        wanted = anthropic_wire.request(body, streamed=True)
        scrubber = self._keyring.scrubber(self._provider, str(body["model"]))
        splitter, reader = sse.EventSplitter(), self._reader(body, request_id)
        async with self._connection.asked(self._url, wanted, request_id, scrubber) as content:
            while data := await content.read():
                for event in splitter.feed(data):
                    for chunk in reader.read(sse.payload(event) or {}):
                        if "error" in chunk:
                            chunk = {"error": scrubber.deep(chunk["error"])}
                        yield sse.frame(chunk)

    async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        wanted = anthropic_wire.request(body, streamed=False)
        scrubber = self._keyring.scrubber(self._provider, str(body["model"]))
        answer = await self._connection.answer(self._url, wanted, request_id, scrubber)
        return self._reader(body, request_id).whole(answer)

    def _reader(self, body: Mapping[str, Any], request_id: str) -> Reader:
        head = Head(f"chatcmpl-{request_id}", str(body["model"]), int(time.time()))
        return Reader(head, by_tool=anthropic_wire.answers_by_tool(body))

    async def embed(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        raise BadRequest("no_embeddings")

    async def count_prompt(self, body: Mapping[str, Any]) -> int | None:
        wanted = anthropic_wire.to_count(anthropic_wire.request(body, streamed=False))
        answer = await self._connection.counted(f"{self._url}/count_tokens", wanted)
        return None if answer is None else count(answer.get("input_tokens"))

    async def count_text(self, model: str, text: str) -> int | None:
        return None  # the API counts conversations only

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()
