"""Server-sent events: the same events come out, however the network cut the stream."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.chat.sse import MAX_EVENT, EventSplitter, frame, payload


def split(*reads: bytes) -> list[bytes]:
    """The events of a stream that arrived in these reads and then ended."""
    splitter = EventSplitter()
    return [event for data in reads for event in splitter.feed(data)] + splitter.end()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"data: a", b"data: b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"data: a", b"data: b"]),
        (b"data: a\n\ndata: b", [b"data: a", b"data: b"]),  # the last blank line is missing
        (b"data: a\n\ndata: b\r\n", [b"data: a", b"data: b"]),
        (b": keep-alive\n\ndata: a\n\n: bye\n\n", [b"data: a"]),
        (b": OPENROUTER PROCESSING\ndata: a\n\n", [b"data: a"]),
        (b"event: chunk\nid: 7\nretry: 5\ndata: a\n\n", [b"data: a"]),
        (b"data: a\ndata: b\n\n", [b"data: a\ndata: b"]),
        (b"data: a\r\ndata: b\r\n\r\n", [b"data: a\ndata: b"]),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", [b"data: a", b"data: b"]),
        (b"data:a\n\n", [b"data:a"]),
        (b"data: [DONE]\n\n", [b"data: [DONE]"]),
        ("data: ї😀\n\n".encode(), ["data: ї😀".encode()]),
        (b"", []),
        (b"\r\n", []),
        (b"no stream at all", []),
    ],
)
def test_events_of_a_stream(stream: bytes, events: list[bytes]) -> None:
    """Data lines come out byte for byte; comments, other fields and blank events do not."""
    assert split(stream) == events


LINE = st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))
EVENT = st.lists(LINE.map(lambda line: b"data: " + line), min_size=1, max_size=3)
NOISE = st.lists(LINE.map(lambda line: b": " + line) | st.just(b"event: x"), max_size=2)


@given(
    blocks=st.lists(st.tuples(NOISE, EVENT, NOISE), max_size=5),
    crlf=st.booleans(),
    ended=st.booleans(),
    cuts=st.lists(st.integers(0, 300), max_size=12),
)
def test_any_cutting_of_any_stream_gives_the_same_events(
    blocks: list[tuple[list[bytes], list[bytes], list[bytes]]], crlf: bool, ended: bool, cuts: list[int]
) -> None:
    """Where reads begin and end, down to single bytes within a line break, changes nothing."""
    end = b"\r\n" if crlf else b"\n"
    stream = (end * 2).join(end.join([*before, *data, *after]) for before, data, after in blocks)
    stream += end * 2 if ended and blocks else b""
    expected = [b"\n".join(data) for _, data, _ in blocks]
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reads = [stream[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]
    assert split(*reads) == expected
    assert split(*(stream[at : at + 1] for at in range(len(stream)))) == expected


def test_an_event_is_given_out_as_soon_as_it_is_complete() -> None:
    """Nothing waits for the next event."""
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n") == []
    assert splitter.feed(b"\nda") == [b"data: a"]
    assert splitter.feed(b"ta: b\r\n\r") == []
    assert splitter.feed(b"\n") == [b"data: b"]


def test_a_giant_event_is_the_upstreams_fault() -> None:
    """Memory stays bounded when an event does not end."""
    splitter = EventSplitter()
    piece = b"x" * (1024 * 1024)
    splitter.feed(b"data: ")
    for _ in range(MAX_EVENT // len(piece) - 1):
        splitter.feed(piece)
    with pytest.raises(ValueError, match="too large"):
        splitter.feed(piece)


def test_a_large_event_below_the_bound_is_whole() -> None:
    """A long tool call in one event is passed on."""
    event = b"data: " + b"x" * (MAX_EVENT - 1000)
    assert split(event[:70_000], event[70_000:], b"\n\n") == [event]


@pytest.mark.parametrize(
    ("event", "value"),
    [
        (b'data: {"a": 1}', {"a": 1}),
        (b'data:{"a": 1}', {"a": 1}),
        (b"data: [DONE]", None),
        (b"data: [1]", None),
        (b"data: 5", None),
        (b"data: {", None),
        (b"data: \xff\xfe", None),
        (b"data:", None),
    ],
)
def test_the_payload_of_an_event(event: bytes, value: object) -> None:
    """Only a JSON object is one."""
    assert payload(event) == value


def test_the_payload_of_an_event_of_several_lines() -> None:
    """Data lines are joined by line breaks before they are read, as the standard says."""
    assert payload(b'data: {"a":\ndata: 1}') == {"a": 1}


def test_our_own_events_are_one_line_of_utf8() -> None:
    """No line break within, so that no reader takes it for two."""
    event = frame({"error": {"message": "рядок\nінший"}})
    assert event.count(b"\n") == 0
    assert "рядок".encode() in event
    assert payload(event) == {"error": {"message": "рядок\nінший"}}
    assert json.loads(event[6:])["error"]["message"] == "рядок\nінший"
