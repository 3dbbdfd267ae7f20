"""Scripts for the upstream, and what a stream ends with."""

from __future__ import annotations

import json
from typing import Any

from tests.raw_socket import RawAnswer

DONE = b"data: [DONE]\n\n"


def script(**what: Any) -> str:
    """A message that tells the scripted upstream what to do."""
    return f"Please follow script:{json.dumps(what)}"


def error_in(answer: RawAnswer) -> dict[str, Any]:
    """The error of an answer: a real one, or a stream's, which stands just before its end. Fails when there is none."""
    assert answer.whole, "the stream was cut off"
    if answer.status != 200:
        error: dict[str, Any] = json.loads(answer.body)["error"]
        assert error["code"] == answer.status
        return error
    assert answer.events[-1] == DONE, answer.events[-1]
    error = json.loads(answer.events[-2].removeprefix(b"data: "))["error"]
    return error
