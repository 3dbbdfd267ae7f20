"""How every adapter reaches its provider over HTTP (aiohttp): one pool of connections, JSON out, bytes back, faults."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp

from maitre.errors import ProviderError
from maitre.providers.provider import Provider
from maitre.providers.scrub import Scrubber
from maitre.providers.upstream_error import refusal, retry_after

log = logging.getLogger(__name__)

#: Connecting and tokenizing are quick or broken; an answer is bounded by the turn. Seconds.
CONNECT = 5.0
TOKENIZE = 5.0

#: A longer answer that is not streamed is not one. Bytes.
MAX_ANSWER = 64 * 1024 * 1024

#: So much of an error's body is read. Bytes.
ERROR = 64 * 1024


class Connection:
    """A provider over HTTP, used from one event loop. `headers` are asked for at each request: a key may change."""

    def __init__(self, provider: Provider, headers: Callable[[], Mapping[str, str]]) -> None:
        self._provider, self._headers = provider, headers
        self._session: aiohttp.ClientSession | None = None

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # Idle connections end before common servers end them (uvicorn: 5 s), so that none is found dead.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
                json_serialize=lambda value: json.dumps(value, ensure_ascii=False),
                read_bufsize=2**18,
            )
        return self._session

    @asynccontextmanager
    async def asked(
        self, url: str, body: Mapping[str, Any], request_id: str, scrubber: Scrubber
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """What the provider answers with a status below 400. Whatever goes wrong is a ProviderError or BadRequest."""
        headers = {**self._headers(), "X-Request-Id": request_id}
        try:
            async with self._http().post(url, json=body, headers=headers) as response:
                if response.status >= 400:
                    said = (await response.content.read(ERROR)).decode("utf-8", "replace")
                    wait = retry_after(response.headers, datetime.now(UTC))
                    raise refusal(response.status, said, wait, scrubber)
                yield response.content
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as fault:  # of connecting
            raise _down(fault) from fault
        except (aiohttp.ClientError, ValueError) as fault:
            raise _broke(fault) from fault

    async def answer(self, url: str, body: Mapping[str, Any], request_id: str, scrubber: Scrubber) -> dict[str, Any]:
        """The whole answer, a JSON object; the provider's words in its `error` are scrubbed."""
        async with self.asked(url, body, request_id, scrubber) as content:
            answer = json.loads(await _whole(content))
        if not isinstance(answer, dict):
            raise ProviderError("provider_broke", status=502, cause="the answer is no JSON object")
        if answer.get("error"):
            answer["error"] = scrubber.deep(answer["error"])
        return answer

    async def counted(self, url: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a tokenizer answers, or None: the size is then estimated."""
        try:
            limit = aiohttp.ClientTimeout(total=TOKENIZE)
            async with self._http().post(url, json=body, headers=self._headers(), timeout=limit) as response:
                if response.status != 200:
                    return None
                answer = await response.json(content_type=None)
                return answer if isinstance(answer, dict) else None
        except (aiohttp.ClientError, TimeoutError, ValueError, ProviderError) as fault:
            # A provider that is really down says so at the call itself.
            log.info("%s cannot tokenize: %s", self._provider.name, fault or type(fault).__name__)
            return None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            await asyncio.sleep(0)


async def _whole(content: aiohttp.StreamReader) -> bytes:
    pieces, size = [], 0
    async for piece in content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER:
            raise ValueError("the answer is too large")
    return b"".join(pieces)


def _down(fault: Exception) -> ProviderError:
    return ProviderError("provider_down", status=503, cause=f"{type(fault).__name__}: {fault}")


def _broke(fault: Exception) -> ProviderError:
    # What the library says of a broken answer may quote it.
    return ProviderError("provider_broke", status=502, cause=type(fault).__name__, detail=str(fault))
