"""One request over HTTP/2 without TLS, as bytes: nothing between a test and what it says in its header."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, DATA = 4, 1, 0
END_STREAM, END_HEADERS = 1, 4


def request(method: str, host: str, path: str, *fields: tuple[str, str], body: bytes | None, whole: bool) -> bytes:
    """From the preface to the end of the body; None: the header is all that there is. Unless `whole`, more of the body
    would follow."""
    named = ((":method", method), (":scheme", "http"), (":authority", host), (":path", path), *fields)
    header = b"".join(b"\0" + _text(name) + _text(value) for name, value in named)  # RFC 7541, 6.2.2
    ended = END_STREAM if body is None else 0
    frames = [_frame(SETTINGS, 0, 0, b""), _frame(HEADERS, END_HEADERS | ended, 1, header)]
    return PREFACE + b"".join(frames) + (b"" if body is None else _frame(DATA, END_STREAM * whole, 1, body))


def _text(text: str) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content
