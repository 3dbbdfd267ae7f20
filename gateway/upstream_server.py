"""The upstream Pipelines server, unmodified, as a part of this process: its plugins, its routes, its own answers."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway.answers import Problem, send_problem
from gateway.asgi import Event, Receive, Scope, Send
from gateway.paths import Route
from gateway.quiet import silence
from maitre.chat import sse
from maitre.errors import HouseError
from maitre.faults import outline

log = logging.getLogger(__name__)


class UpstreamServer:
    """Its application. `key` is the one that its own routes ask for."""

    def __init__(self, folder: Path, key: str) -> None:
        self._module = _load(folder, key)
        app: Any = self._module.app
        self._app = app
        self.routes = tuple(
            Route(route.path, frozenset(route.methods)) for route in app.routes if getattr(route, "methods", None)
        )

    def lifespan(self) -> AbstractAsyncContextManager[Mapping[str, Any] | None]:
        """Loads and starts the plugins; stops them at its end."""
        context: AbstractAsyncContextManager[Mapping[str, Any] | None] = self._app.router.lifespan_context(self._app)
        return context

    def hush(self) -> None:
        """From now on nothing is printed. While plugins load, the server prints why one does not."""
        vars(self._module)["print"] = silence

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it answer. What it cannot answer is a JSON error, and of an exception only the kind is logged."""
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as fault:  # noqa: BLE001 - a plugin may raise anything
            log.error("A plugin or the Pipelines server failed: %s", outline(fault))
            await answer.fail()
        else:
            await answer.end()


class _Answer:
    """Passes an answer on, but its last event only when it is known to be whole, and an error in plain text as one in
    JSON."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = self._streams = False
        self._replaced = 0  # the status of an error that is not in JSON
        self._last: Event | None = None

    async def send(self, event: Event) -> None:
        """Take one event of the server's answer."""
        if event["type"] == "http.response.start":
            kind = next((value for name, value in event.get("headers", ()) if name.lower() == b"content-type"), b"")
            if event["status"] >= 400 and not kind.startswith(b"application/json"):
                self._replaced = event["status"]
                return
            self._started, self._streams = True, kind.startswith(b"text/event-stream")
        elif self._replaced:
            return
        elif not event.get("more_body", False):
            self._last = event
            return
        await self._send(event)

    async def end(self) -> None:
        """The server has said all it has to say."""
        if self._replaced:
            await send_problem(self._send, _problem(self._replaced))
        elif self._last is not None:
            await self._send(self._last)

    async def fail(self) -> None:
        """The server broke off. What has begun and is no stream is left without its end."""
        if not self._started:
            await send_problem(self._send, _problem(self._replaced or 500))
        elif self._streams:
            broke = sse.frame({"error": _problem(500).body()["error"]})
            await self._send({"type": "http.response.body", "body": broke + b"\n\n" + sse.DONE + b"\n\n"})


def _problem(status: int) -> Problem:
    if status >= 500:
        return Problem(status, "The plugin that serves this model failed.")
    return Problem(status, f"{HTTPStatus(status).phrase}.")


def _load(folder: Path, key: str) -> ModuleType:
    # It reads them once, when it is imported.
    os.environ["PIPELINES_API_KEY"] = key
    os.environ["GLOBAL_LOG_LEVEL"] = "WARNING"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = importlib.import_module("main")
    if Path(str(module.__file__)).parent.resolve() != folder.resolve():
        raise HouseError(f"Another main.py ({module.__file__}) stands in the way of the Pipelines server's.")
    return module
