"""The script of one answer: it travels in the conversation as `script:{...}` and says what the upstream does.

    script:{"n": 200, "interval_ms": 20, "usage": true}

The last user message decides; what stands before and after the JSON is ignored. A user message without a
script that follows one with `texts` (a JSON repair) goes on with those texts. A background task of Open WebUI
quotes the chat in its prompt: there only the script's own `task` counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

MARKER = re.compile(r"script:\s*(?=\{)")
TASK = "### Task:"  # what the default prompts of Open WebUI's background tasks begin with
SENTENCE = ("The ", "kitchen ", "is ", "open ", "tonight.")


class ScriptMistake(ValueError):
    """A script says something that cannot be done; the text names it."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the upstream does with one call. Counts are of content deltas, times in milliseconds."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    n: Annotated[int, Field(ge=0, le=100_000)] | None = None  # that many deltas; None: the words of the text
    text: str | None = None  # the answer; None: a short fixed sentence
    texts: tuple[str, ...] | None = None  # answers to successive calls with this script; the last one repeats
    id: str | None = None  # under which `texts` are remembered; None: the script itself
    interval_ms: Annotated[float, Field(ge=0)] = 0  # between two events
    ttft_ms: Annotated[float, Field(ge=0)] = 0  # before the first event
    usage: bool | Literal["always"] = True  # True: when asked; False: never
    tool_calls: tuple[dict[str, Any], ...] | None = None  # {"name", "arguments"}: asked for before the text
    tool_rounds: int = 1  # how often the tools are asked for before the text
    finish_reason: str | None = None  # instead of stop, length or tool_calls
    status: Annotated[int, Field(ge=400, le=599)] | None = None  # an HTTP error instead of an answer
    error: Any = None  # the text or the fields of that error, or of the one that `error_after` sends
    retry_after: int | None = None  # the error's Retry-After, in seconds
    reject_stream_options: bool = False  # 400 for a body with stream_options, as old servers do
    error_after: int | None = None  # an error event in the stream after that many deltas, then the end
    cut_after: int | None = None  # the connection breaks after that many deltas; -1: before the first event
    hang_after: int | None = None  # nothing more comes after that many deltas
    no_done: bool = False  # the stream ends without [DONE]
    nul: bool = False  # NUL and control characters in the text
    reasoning: Annotated[int, Field(ge=0, le=100_000)] = 0  # reasoning_content deltas before the text
    comments: bool = False  # a comment before each event, as OpenRouter sends
    crlf: bool = False  # lines end in CR LF
    chunk_bytes: Annotated[int, Field(ge=1)] | None = None  # the stream's bytes leave in pieces of this size
    raw: tuple[str, ...] | None = None  # these events, verbatim, before all others
    task: dict[str, Any] | None = None  # the script of a background task that quotes this one


DEFAULT = Script()
_SCRIPT = TypeAdapter(Script)


def text_of(message: Any) -> str:
    """The text of one message, whatever its content is: a string, parts, null or nonsense."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return " ".join(text for text in texts if isinstance(text, str))
    return ""


def script_of(messages: Sequence[Any]) -> tuple[Script, str]:
    """The script of a conversation, and the key that its `texts` are remembered under."""
    asked = [text_of(m) for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    for age, text in enumerate(reversed(asked)):
        found = _find(text)
        if found is None or (age and "texts" not in found):
            continue
        if TASK in MARKER.split(text, maxsplit=1)[0]:
            found = found.get("task") or {}
        script = _build(found)
        return script, script.id or json.dumps(found, sort_keys=True)
    return DEFAULT, ""


def _find(text: str) -> dict[str, Any] | None:
    for marker in MARKER.finditer(text):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, marker.end())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


def _build(values: Any) -> Script:
    try:
        return _SCRIPT.validate_python(values)
    except ValidationError as bad:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors(include_url=False))
        raise ScriptMistake("The script is wrong: " + "; ".join(problems)) from bad
