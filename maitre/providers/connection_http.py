"""How every adapter reaches its provider over HTTP: one pool of connections, JSON out, bytes back, faults.

No redirect is followed, for the key and the guest's words would go to whom the operator did not name; cookies and
proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from maitre.errors import ProviderError
from maitre.http.http_client import HttpClient, Unreachable
from maitre.http.http_connection import Broken
from maitre.http.http_connection import Connection as Answer
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
        # Idle connections end before common servers end them (uvicorn: 5 s), so that none is found dead.
        self._http = HttpClient(connect=CONNECT, keep=4)

    @asynccontextmanager
    async def asked(
        self, url: str, body: Mapping[str, Any], request_id: str, scrubber: Scrubber
    ) -> AsyncIterator[Answer]:
        """What the provider answers with a status below 300. Whatever goes wrong is a ProviderError or BadRequest."""
        headers = {**self._headers(), "X-Request-Id": request_id}
        try:
            async with self._http.post(url, _json(body), headers) as response:
                if response.status >= 300:
                    said = (await _whole(response, ERROR))[:ERROR].decode("utf-8", "replace")
                    wait = retry_after(response.headers, datetime.now(UTC))
                    raise refusal(response.status, said, wait, scrubber)
                yield response
        except Unreachable as fault:
            raise _down(fault) from fault
        except (Broken, ValueError) as fault:
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
            async with asyncio.timeout(TOKENIZE), self._http.post(url, _json(body), self._headers()) as response:
                if response.status != 200:
                    return None
                answer = json.loads(await _whole(response))
                return answer if isinstance(answer, dict) else None
        except (Unreachable, Broken, TimeoutError, ValueError, ProviderError) as fault:
            # A provider that is really down says so at the call itself.
            log.info("%s cannot tokenize: %s", self._provider.name, fault or type(fault).__name__)
            return None

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()
        await asyncio.sleep(0)


_DUMP = json.JSONEncoder(ensure_ascii=False).encode


def _json(body: Mapping[str, Any]) -> bytes:
    return _DUMP(body).encode()


async def _whole(content: Answer, enough: int | None = None) -> bytes:
    """The body; what comes after `enough` bytes is left out. Raises ValueError when it is too large to be one."""
    pieces, size = [], 0
    while piece := await content.read():
        pieces.append(piece)
        size += len(piece)
        if enough is not None and size >= enough:
            break
        if size > MAX_ANSWER:
            raise ValueError("the answer is too large")
    return b"".join(pieces)


def _down(fault: Exception) -> ProviderError:
    return ProviderError("provider_down", status=503, cause=f"{type(fault).__name__}: {fault}")


def _broke(fault: Exception) -> ProviderError:
    # What the library says of a broken answer may quote it.
    return ProviderError("provider_broke", status=502, cause=type(fault).__name__, detail=str(fault))
