"""Answers that are no stream: always JSON, errors in OpenAI's shape.

An error carries its sentence twice: `error.message` is what OpenAI's clients and Open WebUI's chats read, and `detail`
what Open WebUI's background tasks and the upstream server's clients look for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.asgi import Send
from maitre.chat.openai_wire import error
from maitre.errors import Refusal

#: One encoder for all: making it costs as much as a short answer.
_DUMP = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Problem(Exception):
    """A request that goes no further: its HTTP status, one sentence, and headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.text = status, text
        self.headers = dict(headers or {})
        self.type = "server_error" if status >= 500 else "invalid_request_error"

    def body(self) -> dict[str, Any]:
        """The error as JSON."""
        told = {"message": self.text, "type": self.type, "code": self.status, "param": None}
        return {"error": told, "detail": self.text}


def problem_of(refused: Refusal, text: str) -> Problem:
    """A refusal of a turn, as a real HTTP error with the time after which to come back."""
    problem = Problem(refused.status, text)
    if refused.retry_after:
        problem.headers["Retry-After"] = str(refused.retry_after)
    problem.type = error(refused, text)["type"]
    return problem


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with an error."""
    await send_json(send, problem.body(), problem.status, problem.headers)


async def send_json(
    send: Send, value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with JSON."""
    body = _DUMP(value).encode("utf-8", "replace")
    told = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
