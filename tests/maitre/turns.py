"""Turns for the portal's tests, and an engine that does nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from maitre.chat.shown import Sink

DONE = "data: [DONE]"


class Engine:
    """Stands for the engine: the portal only starts and closes it."""

    def __init__(self) -> None:
        self.started = self.closed = False
        self.loop = asyncio.get_running_loop()

    async def start(self) -> None:
        self.started = True

    async def close(self) -> None:
        self.closed = True


class Turn:
    """A turn that goes on until it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.emitted = 0

    async def serve(self, sink: Sink) -> None:
        try:
            while True:
                await sink.emit(b"data: on")
                self.emitted += 1
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def server(*names: str) -> Callable[[Sink], Any]:
    """A turn that emits these events."""

    async def serve(sink: Sink) -> None:
        for name in names:
            await sink.emit(f"data: {name}".encode())

    return serve


def events(texts: list[str]) -> list[str]:
    """The single events in what a reader yielded."""
    return [event for text in texts for event in text.split("\n\n")]
