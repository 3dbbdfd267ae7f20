"""A sink that hears what the guest is told, for a turn that is to be remembered."""

from __future__ import annotations

from typing import Any

from maitre.chat import sse
from maitre.chat.keeping import Keeping
from maitre.chat.prepared import Prepared
from maitre.chat.recalled import Recalled
from maitre.chat.shown import Sink
from maitre.errors import Refusal
from maitre.memory.hearing import Hearing


class Listener:
    """Passes everything on. The first chunk tells the session's id; clients of OpenAI pass over a field that they do
    not know."""

    def __init__(self, prepared: Prepared, recalled: Recalled, sink: Sink) -> None:
        self._prepared, self._recalled, self._sink = prepared, recalled, sink
        self._hearing = Hearing()
        self._refused = False
        self._untold = recalled.shown

    async def emit(self, event: bytes) -> None:
        """Hear an event, and pass it on."""
        chunk = sse.payload(event)
        if chunk is not None and "choices" in chunk:
            self._hearing.hear(chunk)
            event = self._telling(event, chunk)
        await self._sink.emit(event)

    def _telling(self, event: bytes, chunk: dict[str, Any]) -> bytes:
        if not self._untold:
            return event
        id, self._untold = self._untold, ""
        return sse.frame({**chunk, "session_id": id})

    async def comment(self, text: str) -> None:
        """Pass a comment on."""
        await self._sink.comment(text)

    async def refuse(self, refused: Refusal, text: str) -> None:
        """The turn ended with a refusal."""
        self._refused = True
        await self._sink.refuse(refused, text)

    def over(self, keeping: Keeping) -> None:
        """The turn is over. One that broke off by a fault is not kept; of one that was stopped, what was relayed is."""
        if not self._refused:
            keeping.keep(self._prepared, self._recalled, self._hearing)


def listening(prepared: Prepared, sink: Sink) -> Sink:
    """The sink, and where the turn is to be remembered, one that hears what goes there."""
    return sink if prepared.recalled is None else Listener(prepared, prepared.recalled, sink)


def over(sink: Sink, keeping: Keeping) -> None:
    """A stream is over, however it ended."""
    if isinstance(sink, Listener):
        sink.over(keeping)
