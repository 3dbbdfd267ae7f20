"""An OpenAI-compatible upstream over HTTP: streams, whole answers, and tokenizers where there are any.

Tokenizers: llama.cpp's server has `/apply-template` and `/tokenize`, vLLM has `/tokenize` for messages
(both beside `/v1`, not below it). Everybody else has none.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from maitre.chat import sse
from maitre.errors import BadRequest, ProviderError, Refusal
from maitre.http.http_client import HttpClient, Unreachable
from maitre.http.http_connection import Broken, Connection
from maitre.providers.provider import Provider

log = logging.getLogger(__name__)

#: Connecting and tokenizing are quick or broken; an answer is bounded by the turn. Seconds.
CONNECT = 5.0
TOKENIZE = 5.0

#: A longer answer that is not streamed is not one. Bytes.
MAX_ANSWER = 64 * 1024 * 1024

#: So much of an error's body is read. Bytes.
ERROR = 4000


class OpenAIUpstream:
    """A provider that speaks the OpenAI API. One connection pool, used from one event loop."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._root = provider.base_url.removesuffix("/v1")
        self._headers = {"Authorization": f"Bearer {provider.api_key}"} if provider.api_key else {}
        # Idle connections end before common servers end them (uvicorn: 5 s), so that none is found dead.
        self._http = HttpClient(connect=CONNECT, keep=4)

    def _post(self, body: Mapping[str, Any], request_id: str) -> AbstractAsyncContextManager[Connection]:
        url = f"{self._provider.base_url}/chat/completions"
        return self._http.post(url, _json(body), {**self._headers, "X-Request-Id": request_id})

    async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        splitter = sse.EventSplitter()
        wanted = {**body, "stream": True, "stream_options": {"include_usage": True}}
        try:
            async with self._post(wanted, request_id) as response:
                await self._check(response)
                while data := await response.read():
                    for event in splitter.feed(data):
                        if event[5:].strip() == b"[DONE]":
                            return
                        yield event
                for event in splitter.end():
                    if event[5:].strip() != b"[DONE]":
                        yield event
        except Unreachable as fault:
            raise _down(fault) from fault
        except (Broken, ValueError) as fault:
            raise _broke(fault) from fault

    async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        try:
            async with self._post(body, request_id) as response:
                await self._check(response)
                answer = json.loads(await _whole(response))
        except Unreachable as fault:
            raise _down(fault) from fault
        except (Broken, ValueError) as fault:
            raise _broke(fault) from fault
        if not isinstance(answer, dict):
            raise ProviderError("provider_broke", status=502, cause="the answer is no JSON object")
        return answer

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
        try:
            async with (
                asyncio.timeout(TOKENIZE),
                self._http.post(self._root + path, _json(body), self._headers) as response,
            ):
                if response.status != 200:
                    return None
                answer = json.loads(await _whole(response))
                return answer if isinstance(answer, dict) else None
        except (Unreachable, Broken, TimeoutError, ValueError) as fault:
            # The size is then estimated; a provider that is really down says so at the call itself.
            log.info("%s cannot tokenize: %s", self._provider.name, fault or type(fault).__name__)
            return None

    async def _check(self, response: Connection) -> None:
        if response.status >= 300:
            raise _error(response.status, (await _whole(response, ERROR))[:ERROR].decode("utf-8", "replace"))

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()
        await asyncio.sleep(0)


def _json(body: Mapping[str, Any]) -> bytes:
    return _DUMP(body).encode()


_DUMP = json.JSONEncoder(ensure_ascii=False).encode


async def _whole(response: Connection, enough: int | None = None) -> bytes:
    """The body; what comes after `enough` bytes is left out. Raises ValueError when it is too large to be one."""
    pieces, size = [], 0
    while piece := await response.read():
        pieces.append(piece)
        size += len(piece)
        if enough is not None and size >= enough:
            break
        if size > MAX_ANSWER:
            raise ValueError("the answer is too large")
    return b"".join(pieces)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _down(fault: Exception) -> ProviderError:
    return ProviderError("provider_down", status=503, cause=f"{type(fault).__name__}: {fault}")


def _broke(fault: Exception) -> ProviderError:
    # What the library says of a broken answer may quote it.
    return ProviderError("provider_broke", status=502, cause=type(fault).__name__, detail=str(fault))


def _error(status: int, detail: str) -> Refusal:
    # llama.cpp says exceed_context_size_error, OpenAI and vLLM say context_length_exceeded.
    if status == 400 and ("exceed_context_size" in detail or "context_length_exceeded" in detail):
        return BadRequest("too_long")
    # What the upstream has against us (401, 404, …) is not the guest's fault; what it has against the request is.
    told = status if status == 429 else 400 if status in (400, 413, 422) else 502
    return ProviderError("provider_error", status=told, detail=detail, upstream_status=status)
