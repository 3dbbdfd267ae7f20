"""A stream whose guest is told the turn's sources: a browser by events of Open WebUI before the words that follow, a
client of the API in the chunk that ends the answer."""

from __future__ import annotations

from maitre.chat import sse
from maitre.chat.prepared import Prepared
from maitre.chat.shown import Sink
from maitre.chat.sources import Sources
from maitre.errors import Refusal

#: So a chunk says that the answer has ended; within a text the marks would be escaped.
_END = b'"finish_reason":"'


def cited(prepared: Prepared, sink: Sink, language: str) -> Sink:
    """The sink, if the assistant has no knowledge; else one that tells the sources."""
    if prepared.kind != "turn" or prepared.assistant is None or prepared.assistant.knowledge is None:
        return sink
    if prepared.request.door == "browser":
        return _Chips(prepared.sources, sink, language)
    return _Field(prepared.sources, sink)


class _Told:
    """Passes everything on but events."""

    def __init__(self, sources: Sources, sink: Sink) -> None:
        self._sources, self._sink = sources, sink

    async def comment(self, text: str) -> None:
        await self._sink.comment(text)

    async def refuse(self, refused: Refusal, text: str) -> None:
        await self._sink.refuse(refused, text)


class _Chips(_Told):
    """Nothing is sent before the first event, so that a refusal until then is a real HTTP error."""

    def __init__(self, sources: Sources, sink: Sink, language: str) -> None:
        super().__init__(sources, sink)
        self._language = language

    async def emit(self, event: bytes) -> None:
        if self._sources.untold and not sse.is_status(event):
            for data in self._sources.news(self._language):
                await self._sink.emit(sse.frame({"event": {"type": "source", "data": data}}))
        await self._sink.emit(event)


class _Field(_Told):
    async def emit(self, event: bytes) -> None:
        if _END in event and (chunk := sse.payload(event)) is not None and (told := self._sources.to_json()):
            event = sse.frame({**chunk, "sources": told})
        await self._sink.emit(event)
