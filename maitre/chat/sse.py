"""Server-sent events, as the OpenAI API streams them: split from the upstream's bytes, framed for the guest.

An event is kept as the upstream's own bytes, so that what is relayed is what was sent.
"""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]"

#: An event larger than this is not one of a chat stream; the upstream is at fault. Bytes.
MAX_EVENT = 8 * 1024 * 1024

_read = json.JSONDecoder().raw_decode
_STATUS = b'data: {"event":'


class EventSplitter:
    """Splits a byte stream into events. Comments and blank events (keep-alives) are left out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are complete after `data`, each from `data:` to its last byte, without the blank line."""
        buffer = self._rest + data if self._rest else data
        if b"\r" in buffer:
            # A lone CR at the end may be half of a CRLF: keep it for the next read.
            tail = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer[: len(buffer) - len(tail)].replace(b"\r\n", b"\n") + tail
        blocks = buffer.split(b"\n\n")
        self._rest = blocks.pop()
        if len(self._rest) > MAX_EVENT:
            raise ValueError("an event of the stream is too large")
        return [event for block in blocks if (event := _data(block))]

    def end(self) -> list[bytes]:
        """The last event, if the stream ended without its blank line."""
        rest, self._rest = self._rest.strip(b"\r\n"), b""
        return [event] if (event := _data(rest)) else []


def _data(block: bytes) -> bytes:
    if block.startswith(b"data:"):
        return block if b"\n" not in block else _lines(block)
    return _lines(block)


def _lines(block: bytes) -> bytes:
    return b"\n".join(line for line in block.split(b"\n") if line.startswith(b"data:"))


def payload(event: bytes) -> dict[str, Any] | None:
    """The JSON object of an event, or None when it has none."""
    data = event[5:] if b"\n" not in event else event[5:].replace(b"\ndata:", b"\n")
    try:
        text = str(data.strip(), "utf-8", "surrogatepass")
        value, end = _read(text)  # json.loads() looks for other encodings and for spaces first, for every token
    except ValueError:
        return None
    return value if end == len(text) and isinstance(value, dict) else None


def is_status(event: bytes) -> bool:
    """Whether an event is one of ours that only tells a waiting browser how things stand."""
    return event.startswith(_STATUS)


def frame(value: dict[str, Any]) -> bytes:
    """An event of our own."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
