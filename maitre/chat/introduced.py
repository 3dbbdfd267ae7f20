"""A browser is told which assistant a router chose, before the answer's first word."""

from __future__ import annotations

from maitre.chat import sse
from maitre.chat.prepared import Prepared
from maitre.chat.shown import Sink
from maitre.errors import Refusal


def introduced(prepared: Prepared, sink: Sink, wanted: bool) -> Sink:
    """The sink, if nothing is to be told; else one that tells first."""
    assistant = prepared.assistant
    if not wanted or assistant is None or prepared.request.door != "browser":
        return sink
    chosen = f"assistants.{assistant.slug}"
    return sink if chosen == prepared.request.model else _Introduced(sink, chosen)


class _Introduced:
    """Nothing is sent before the first event, so that a refusal until then is a real HTTP error."""

    def __init__(self, sink: Sink, chosen: str) -> None:
        self._sink, self._chosen, self._told = sink, chosen, False

    async def emit(self, event: bytes) -> None:
        if not self._told and not sse.is_status(event):
            self._told = True
            await self._sink.emit(sse.frame({"selected_model_id": self._chosen}))
        await self._sink.emit(event)

    async def comment(self, text: str) -> None:
        await self._sink.comment(text)

    async def refuse(self, refused: Refusal, text: str) -> None:
        await self._sink.refuse(refused, text)
