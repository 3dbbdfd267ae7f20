"""An answer as a stream of events, at the script's pace, with the script's accidents."""

from __future__ import annotations

import asyncio
import time

from tests.upstream.answer import DONE, Answer, content_events, error_body, usage_event
from tests.upstream.calls import Call
from tests.upstream.connection import Connection
from tests.upstream.script import Script

#: Let other connections, and news of a client that left, in between so many events sent without a pause.
BURST = 16


async def send_stream(connection: Connection, call: Call, script: Script, answer: Answer, keep_bytes: bool) -> None:
    """Send the answer; note in `call` what was sent and how it ended. Raises ClientGone."""
    loop = asyncio.get_running_loop()
    due = loop.time() + script.ttft_ms / 1000
    events = content_events(answer)
    first = 1 + len(answer.reasoning)  # a stream begins with the role
    accident = _accident(script)
    connection.stream()

    async def send(data: bytes) -> None:
        nonlocal due
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        elif len(call.events) % BURST == 0:
            await asyncio.sleep(0)
        due += script.interval_ms / 1000
        event = _frame(data, script)
        call.times.append(time.monotonic())
        await connection.write(event, script.chunk_bytes)
        call.events.append(event if keep_bytes else b"")

    for raw in script.raw or ():
        call.times.append(time.monotonic())
        await connection.write(raw.encode("utf-8", "backslashreplace"), script.chunk_bytes)
        call.events.append(raw.encode("utf-8", "backslashreplace"))
    for index, data in enumerate(events):
        if accident is not None and index == max(first + accident, 0):
            break
        await send(data)
        call.deltas += 0 < index < len(events) - 1
    if script.cut_after is not None:
        call.ended = "cut"
        await asyncio.sleep(0)
        connection.close()  # what was written still leaves; the end of the chunked body never comes
        return
    if script.hang_after is not None:
        await asyncio.Event().wait()  # ends when the client leaves
    if script.error_after is not None:
        await send(error_body(500, script.error))
        connection.end()
        call.ended = "error"
        return
    asked = (call.body.get("stream_options") or {}).get("include_usage") is True
    if script.usage == "always" or (script.usage and asked):
        await send(usage_event(answer))
        call.usage_sent = True
    if not script.no_done:
        await send(DONE)
    connection.end()
    call.ended = "completed"


def _accident(script: Script) -> int | None:
    """After how many deltas the stream goes wrong; -1: before anything was sent."""
    given = [n for n in (script.cut_after, script.hang_after, script.error_after) if n is not None]
    return min(given) if given else None


def _frame(data: bytes, script: Script) -> bytes:
    line_end = b"\r\n" if script.crlf else b"\n"
    comment = b": SCRIPTED UPSTREAM AT WORK" + line_end * 2 if script.comments else b""
    return comment + b"data: " + data + line_end * 2
