"""Ollama's own API over HTTP (aiohttp)."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from maitre.chat import sse
from maitre.errors import ProviderError
from maitre.providers import ollama_wire
from maitre.providers.chunks import Head
from maitre.providers.connection_http import Connection
from maitre.providers.keyring import Keyring
from maitre.providers.ollama_wire import Lines, Reader
from maitre.providers.provider import Provider
from maitre.providers.scrub import Scrubber


class OllamaUpstream:
    """A server that speaks Ollama's own API. One connection pool, used from one event loop."""

    def __init__(self, provider: Provider, keyring: Keyring | None = None) -> None:
        self._provider, self._keyring = provider, keyring or Keyring()
        self._url = provider.base_url.removesuffix("/api") + "/api"
        self._connection = Connection(provider, self._headers)

    def _headers(self) -> Mapping[str, str]:
        key = self._keyring.key_of(self._provider)  # a proxy's, or ollama.com's
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        wanted = ollama_wire.request(body, streamed=True)
        scrubber, lines, reader = self._scrubber(body), Lines(), self._reader(body, request_id)
        async with self._connection.asked(f"{self._url}/chat", wanted, request_id, scrubber) as content:
            while data := await content.read():
                for line in lines.feed(data):
                    for chunk in reader.read(line):
                        yield _framed(chunk, scrubber)
            for line in lines.end():
                for chunk in reader.read(line):
                    yield _framed(chunk, scrubber)

    async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        wanted = ollama_wire.request(body, streamed=False)
        answer = await self._connection.answer(f"{self._url}/chat", wanted, request_id, self._scrubber(body))
        return self._reader(body, request_id).whole(answer)

    async def embed(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        wanted = ollama_wire.embed_request(body)
        answer = await self._connection.answer(f"{self._url}/embed", wanted, request_id, self._scrubber(body))
        try:
            return ollama_wire.embeddings(body, answer)
        except ValueError as bad:
            raise ProviderError("provider_broke", status=502, cause=str(bad)) from bad

    def _reader(self, body: Mapping[str, Any], request_id: str) -> Reader:
        return Reader(Head(f"chatcmpl-{request_id}", str(body["model"]), int(time.time())))

    def _scrubber(self, body: Mapping[str, Any]) -> Scrubber:
        return self._keyring.scrubber(self._provider, str(body["model"]))

    async def count_prompt(self, body: Mapping[str, Any]) -> int | None:
        return None  # the server has no tokenizer to ask

    async def count_text(self, model: str, text: str) -> int | None:
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()


def _framed(chunk: dict[str, Any], scrubber: Scrubber) -> bytes:
    return sse.frame({"error": scrubber.deep(chunk["error"])} if "error" in chunk else chunk)
