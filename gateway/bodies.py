"""Request bodies: read whole, but never more than is allowed, and parsed without trust."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from gateway.answers import Problem
from gateway.asgi import Event, Receive, Scope, header

LARGEST = 16 * 1024 * 1024  # bytes
#: Brackets and commas, in texts too. No context holds so many, and so many tiny values take a second and a gigabyte to
#: parse; in a thread as well, since the parser does not let the loop's thread run meanwhile.
MOST_MARKS = 1_000_000
PATIENCE = 30.0  # seconds within which a body must have arrived


class Gone(Exception):
    """The client left before its request was whole."""


def size_of(scope: Scope) -> int:
    """The most that the body can have, in bytes: as declared, the largest when it comes in chunks, else none. Raises
    Problem (413)."""
    lengths = header(scope, b"content-length")
    if any(not length.isdigit() or int(length[:20]) > LARGEST for length in lengths):
        raise _too_large()
    return LARGEST if header(scope, b"transfer-encoding") else max(map(int, lengths), default=0)


async def read(receive: Receive) -> bytes:
    """The whole body. Raises Problem (413, 408), and then reads no further; Gone when the client leaves."""
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _read(receive)
    except TimeoutError:
        raise Problem(408, f"The request did not arrive within {PATIENCE:.0f} seconds.", _CLOSE) from None
    if sum(map(body.count, (b"{", b"[", b","))) > MOST_MARKS:
        raise Problem(413, "The request has too many parts.")
    return body


async def _read(receive: Receive) -> bytes:
    pieces, size, more = [], 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Gone
        piece: bytes = event.get("body", b"")
        size += len(piece)
        if size > LARGEST:
            raise _too_large()
        pieces.append(piece)
        more = event.get("more_body", False)
    return b"".join(pieces)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises Problem (400)."""
    try:
        value = json.loads(body)
    except RecursionError:
        raise Problem(400, "The request cannot be read: it is nested too deeply.") from None
    except ValueError:
        raise Problem(400, "The request cannot be read: it is no JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise Problem(400, "The request cannot be read: it is no JSON object.")
    return value


def replay(body: bytes, receive: Receive) -> Receive:
    """Receives the body once more, then whatever comes."""
    waiting: list[Event] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Event:
        return waiting.pop() if waiting else await receive()

    return again


def _too_large() -> Problem:
    return Problem(413, f"The request is larger than {LARGEST // 1024 // 1024} MiB.", _CLOSE)


#: The rest of such a body is not read, so the connection cannot be used again.
_CLOSE = {"Connection": "close"}
