"""Answers that are no stream: always JSON, errors in OpenAI's shape.

An error carries its sentence twice: `error.message` is what OpenAI's clients and Open WebUI's chats read, and `detail`
what Open WebUI's background tasks and the upstream server's clients look for. Its `code` is a word or null for OpenAI's
clients, and the HTTP status for Open WebUI, which looks at that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.asgi import Send
from gateway.refusals import code_of, headers_of, param_of
from maitre.errors import ProviderError, Refusal
from maitre.providers.upstream_error import told

#: The code of a problem that names none, by its status.
CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}

#: One encoder for all: making it costs as much as a short answer.
_DUMP = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Problem(Exception):
    """A request that goes no further: its HTTP status, one sentence, and headers. `param`: which part of the request it
    is about."""

    def __init__(
        self, status: int, text: str, headers: Mapping[str, str] | None = None, *, param: str | None = None
    ) -> None:
        super().__init__(text)
        self.status, self.text, self.param = status, text, param
        self.headers = dict(headers or {})
        self.type = "server_error" if status >= 500 else "invalid_request_error"
        self.code = CODES.get(status)

    def error(self, *, public: bool) -> dict[str, Any]:
        """OpenAI's error object. `public`: for OpenAI's clients."""
        code = self.code if public else self.status
        return {"message": self.text, "type": self.type, "code": code, "param": self.param}

    def body(self, *, public: bool = False) -> dict[str, Any]:
        """The whole answer as JSON."""
        return {"error": self.error(public=public), "detail": self.text}


def problem_of(refused: Refusal, text: str, model: str | None = None) -> Problem:
    """A refusal of a turn, as a real HTTP error with the time after which to come back. `model`: the public one that a
    client of OpenAI's asked, who reads an upstream's own words where they are about the request."""
    problem = Problem(refused.status, text, headers_of(refused), param=param_of(refused))
    problem.type, problem.code = refused.type, code_of(refused)
    if model is not None and isinstance(refused, ProviderError) and (upstream := told(refused, model)).message:
        problem.text, problem.code = upstream.message, upstream.code or problem.code
    return problem


async def send_problem(send: Send, problem: Problem, *, public: bool = False) -> None:
    """Answer with an error. `public`: for OpenAI's clients."""
    await send_json(send, problem.body(public=public), problem.status, problem.headers)


async def send_json(
    send: Send, value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with JSON."""
    body = _DUMP(value).encode("utf-8", "replace")
    told = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
