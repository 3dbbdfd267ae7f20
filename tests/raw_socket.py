"""One chat completion over a raw socket: what a server put on the wire, before any client tidies it up.

answer = raw_chat("http://127.0.0.1:9099", {"model": "assistants.general", "stream": True, ...})
assert answer.events[-1] == b"data: [DONE]\\n\\n"
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from io import BufferedReader
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came. `body` is de-chunked; `whole` says whether its declared end was reached."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def events(self) -> list[bytes]:
        """The SSE events in order, each with its blank line; what follows the last blank line comes last."""
        return split_events(self.body)


def split_events(body: bytes) -> list[bytes]:
    """Cut a stream after every blank line; nothing is dropped: joined again, the pieces are the stream."""
    end = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    *events, rest = body.split(end)
    return [event + end for event in events] + ([rest] if rest else [])


def raw_chat(
    url: str,
    body: dict[str, Any] | bytes,
    *,
    headers: dict[str, str] | None = None,
    path: str = "/v1/chat/completions",
    leave_after: int | None = None,
    timeout: float = 60,
) -> RawAnswer:
    """POST a chat completion to a server on `url` and read its answer to the end.

    `leave_after`: close the connection as soon as that many events have arrived. `timeout` is in seconds
    for each read; TimeoutError when it passes.
    """
    target = urlsplit(url)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {
        "Host": target.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
        "Connection": "close",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    address = (target.hostname or "127.0.0.1", target.port or 80)
    with socket.create_connection(address, timeout=timeout) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + data)
        with connection.makefile("rb") as stream:
            return _read(stream, leave_after)


def _read(stream: BufferedReader, leave_after: int | None) -> RawAnswer:
    status = int(stream.readline().split()[1])
    headers: dict[str, str] = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers.get("content-length", -1))
        body = stream.read(length)
        return RawAnswer(status, headers, body, length in (-1, len(body)))
    body = b""
    while size := int(stream.readline().strip() or b"0", 16):
        body += stream.read(size)
        if len(stream.read(2)) < 2 or (leave_after is not None and body.count(b"\n\n") >= leave_after):
            return RawAnswer(status, headers, body, False)
    return RawAnswer(status, headers, body, stream.readline() == b"\r\n")
