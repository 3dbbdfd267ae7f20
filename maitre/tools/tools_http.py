"""Tools over HTTP (aiohttp): one bounded request to the one server that the operator named.

No redirect is followed, no proxy, cookie or credential of the environment is used. The server's name is resolved for
each connection, and connected to is the address that was looked at: a name that leads into the house's own network,
now or at the next look, is refused unless the operator said `private: true`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from maitre.errors import ToolFault
from maitre.tools.addresses import is_address, is_open
from maitre.tools.asked import Asked, asked
from maitre.tools.openapi import Operation
from maitre.tools.source import Source
from maitre.tools.tool import Behalf, Outcome, Tool
from maitre.tools.toolbox import Use

log = logging.getLogger(__name__)

REDACTED = "[REDACTED]"

#: What goes with every request; what the operator wrote goes before it.
HEADERS = {
    "Accept": "application/json, text/*;q=0.9",
    "Accept-Encoding": "identity",
    "User-Agent": "Maitre",
}

#: Of connecting, within the source's own timeout. Seconds.
CONNECT = 5.0

#: What a model can read: text, JSON, XML.
READABLE = ("text/", "application/json", "application/xml", "application/problem")


class Refused(OSError):
    """The server's name leads to an address that a tool may not reach."""


class Guarded(AbstractResolver):
    """Resolves names to addresses of the open internet, all of them or none."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [(str(address[0]), kind, protocol) for kind, _, protocol, _, address in found]
        if not addresses or not all(is_open(address) for address, _, _ in addresses):
            raise Refused(f"“{host}” leads to an address that is not open")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for address, kind, protocol in addresses
        ]

    async def close(self) -> None:
        return


class HttpTools:
    """The operations of all sources of a house. Used from one event loop."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def tools(self) -> list[tuple[Tool, Use]]:
        """Each with what does it."""
        return [
            (operation.tool(source.name), self._use(source, operation))
            for source in self._sources
            for operation in source.operations
        ]

    def _use(self, source: Source, operation: Operation) -> Use:
        async def use(arguments: Mapping[str, Any], behalf: Behalf) -> Outcome:  # of whom the server hears nothing
            return await self._called(source, asked(source.base_url, operation, arguments))

        return use

    async def _called(self, source: Source, request: Asked) -> Outcome:
        host = urlsplit(source.base_url).hostname or ""
        if not source.private and is_address(host) and not is_open(host):  # such a one is not resolved
            raise ToolFault("The tool may not reach its server.")
        headers = {**HEADERS, **request.headers}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        headers = {name: text for name, text in headers.items() if name.lower() not in _lower(source.headers)}
        try:
            async with self._http(source).request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body,
                headers={**headers, **source.headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=source.timeout_seconds, sock_connect=CONNECT),
            ) as response:
                return await _outcome(source, response)
        except TimeoutError:
            raise ToolFault(f"The tool did not answer within {source.timeout_seconds:g} seconds.") from None
        except (aiohttp.ClientError, ValueError, OSError) as fault:
            # What the library says may quote the headers.
            log.warning("The tool %s could not be used: %s", source.name, _kind(fault))
            raise ToolFault("The tool does not answer.") from None

    def _http(self, source: Source) -> aiohttp.ClientSession:
        if source.name not in self._sessions:
            self._sessions[source.name] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=None if source.private else Guarded(), use_dns_cache=False, keepalive_timeout=4
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._sessions[source.name]

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


async def _outcome(source: Source, response: aiohttp.ClientResponse) -> Outcome:
    if 300 <= response.status < 400:
        return Outcome(f"The tool answered with a redirect ({response.status}), which is not followed.", failed=True)
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        return Outcome("The tool answered in an encoding that cannot be read.", failed=True)
    kind = response.headers.get("Content-Type", "text/plain").lower()
    if not kind.startswith(READABLE) and "+json" not in kind and "+xml" not in kind:
        return Outcome(f"The tool answered {response.status} with something that is no text.", failed=True)
    secret = max((len(one.encode()) for one in source.secrets), default=0)
    raw = await _read(response, source.max_bytes + secret)
    text = raw.decode("utf-8", "replace")
    for one in source.secrets:  # a server may echo what it was sent
        text = text.replace(one, REDACTED)
    if len(raw) > source.max_bytes:
        text = text[: len(text) - secret]  # the end may be the beginning of one
        text = f"{text[: source.max_bytes]}\n[cut: the answer is longer]"
    failed = response.status >= 400
    return Outcome(f"HTTP {response.status}\n{text}" if failed else text or f"HTTP {response.status}", failed)


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > most:
            response.close()
            break
    return b"".join(pieces)[: most + 1]


def _lower(headers: Mapping[str, str]) -> set[str]:
    return {name.lower() for name in headers}


def _kind(fault: BaseException) -> str:
    cause = fault.__cause__ or getattr(fault, "os_error", None) or fault
    return str(cause) if isinstance(cause, Refused) else type(fault).__name__
