"""One request of the public API, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from gateway import bodies
from gateway.answers import Problem, send_json, send_problem
from gateway.asgi import Event, Receive, Scope, Send, header
from gateway.intake import Intake

#: Finds the request's ledger rows (as their turn) and its trace.
LOG_ID = "x-router-log-id"


class Exchange:
    """A request that is read, and answered once. `headers` go with the answer, until it has begun."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, id: str, intake: Intake) -> None:
        self.scope, self.receive, self._send, self._intake = scope, receive, send, intake
        self.id = id
        self.values: Mapping[str, str] = {}  # of the path's `{names}`
        self.headers: dict[str, str] = {LOG_ID: id}
        self.status = 0  # of the answer; 0 until it has begun

    async def send(self, event: Event) -> None:
        """Send an ASGI event; the answer's first one takes our headers along."""
        if event["type"] == "http.response.start":
            ours = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in self.headers.items()]
            self.status = event["status"]
            event = {**event, "headers": [*event.get("headers", ()), *ours]}
        await self._send(event)

    def header(self, name: str) -> str:
        """A header of the request; empty when there is none or more than one."""
        values = header(self.scope, name.encode())
        return values[0].decode("latin-1") if len(values) == 1 else ""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the URL, in order, none with a NUL: Postgres holds no such text. Raises Problem (400)."""
        try:
            found = parse_qsl(self.scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            found = [("", "\0")]
        if any("\0" in text for pair in found for text in pair):
            raise Problem(400, "The URL's parameters cannot be read.")
        return found

    async def body(self) -> dict[str, Any]:
        """The request's JSON object. Raises Problem (400, 408, 413, 503), Gone."""
        async with self._intake.room(bodies.size_of(self.scope)):
            return bodies.parse(await bodies.read(self.receive))

    async def answer(self, value: Mapping[str, Any], status: int = 200) -> None:
        """Answer with JSON."""
        await send_json(self.send, value, status)

    async def text(self, body: bytes, kind: str) -> None:
        """Answer with text of a media type."""
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, problem: Problem) -> None:
        """Answer with an error."""
        await send_problem(self.send, problem, public=True)
