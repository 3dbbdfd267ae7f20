"""From a request body and its script to the exact bytes of an answer, in llama.cpp's form. Pure.

Usage is defined so that a test can compute it: a prompt is its whitespace-separated words plus 3 for every
message; a completion is its content deltas (tool calls and reasoning deltas count one each).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from tests.upstream.script import SENTENCE, Script, text_of

CREATED = 1795231668
DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole. `deltas` are the pieces of text; `limited`: max_tokens cut them short."""

    id: str
    model: str
    deltas: tuple[str, ...]
    reasoning: tuple[str, ...]
    tool_calls: tuple[dict[str, Any], ...]
    finish_reason: str
    usage: dict[str, int]


def prompt_tokens(messages: Sequence[Any]) -> int:
    """The size of a conversation: words of all contents, and 3 for each message."""
    return sum(len(text_of(message).split()) + 3 for message in messages)


def render_prompt(messages: Sequence[Any]) -> str:
    """The conversation as one text whose whitespace-separated words are its tokens."""
    return " ".join(f"<|im_start|> message {text_of(message)} <|im_end|>" for message in messages)


def answer_to(body: dict[str, Any], script: Script, text: str | None, number: int) -> Answer:
    """The answer to a request. `text` is what the script's `texts` say at this call."""
    messages: list[Any] = body["messages"]
    tools = _tools(messages, script)
    deltas = () if tools else _deltas(script, text)
    reasoning = tuple(f"thought{i} " for i in range(script.reasoning))
    limit = next((body[k] for k in ("max_completion_tokens", "max_tokens") if isinstance(body.get(k), int)), None)
    finish = "tool_calls" if tools else "stop"
    if limit is not None and len(reasoning) + len(deltas) > limit:
        reasoning = reasoning[: max(limit, 0)]
        deltas = deltas[: max(limit - len(reasoning), 0)]
        finish = "length"
    sent = len(reasoning) + len(deltas) + len(tools)
    prompt = prompt_tokens(messages)
    return Answer(
        id=f"chatcmpl-{number}",
        model=str(body.get("model", "")),
        deltas=deltas,
        reasoning=reasoning,
        tool_calls=tools,
        finish_reason=script.finish_reason or finish,
        usage={"completion_tokens": sent, "prompt_tokens": prompt, "total_tokens": prompt + sent},
    )


def _tools(messages: Sequence[Any], script: Script) -> tuple[dict[str, Any], ...]:
    if not script.tool_calls:
        return ()
    roles = [m.get("role") if isinstance(m, dict) else None for m in messages]
    since = len(roles) - 1 - roles[::-1].index("user") if "user" in roles else 0
    rounds = sum(isinstance(m, dict) and bool(m.get("tool_calls")) for m in messages[since:])
    if rounds >= script.tool_rounds or (rounds == 0 and roles[-1] == "tool"):
        return ()
    return tuple(
        {
            "index": index,
            "id": call.get("id", f"call_{rounds}_{index}"),
            "type": "function",
            "function": {
                "name": call.get("name", "tool"),
                "arguments": _json_text(call.get("arguments", {})),
            },
        }
        for index, call in enumerate(script.tool_calls)
    )


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _deltas(script: Script, text: str | None) -> tuple[str, ...]:
    text = script.text if text is None else text
    if text is not None:
        words = text.split(" ")
        pieces = [word + " " for word in words[:-1]] + words[-1:]
        deltas = tuple(piece for piece in pieces if piece)
    elif script.n is not None:
        deltas = tuple(f"word{i} " for i in range(script.n))
    else:
        deltas = SENTENCE
    if script.n is not None:
        deltas = tuple(islice(cycle(deltas), script.n)) if deltas else ()
    if script.nul:
        deltas = tuple(f"\x00{delta[:1]}\x07{delta[1:]}\x1b" for delta in deltas)
    return deltas


def content_events(answer: Answer) -> list[bytes]:
    """The `data` of the events that carry the answer, from the role to the finish reason."""
    return [
        _chunk(answer, {"role": "assistant", "content": None}),
        *(_chunk(answer, {"reasoning_content": thought}) for thought in answer.reasoning),
        *(_chunk(answer, {"content": delta}) for delta in answer.deltas),
        *(_chunk(answer, {"tool_calls": [call]}) for call in answer.tool_calls),
        _chunk(answer, {}, answer.finish_reason),
    ]


def usage_event(answer: Answer) -> bytes:
    """The `data` of the last chunk before [DONE], with no choices."""
    timings = {"prompt_n": answer.usage["prompt_tokens"], "predicted_n": answer.usage["completion_tokens"]}
    return _dump({"choices": [], **_head(answer), "usage": answer.usage, "timings": timings})


def whole(answer: Answer, usage: bool) -> bytes:
    """The body of a non-streamed answer."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.deltas) or None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.tool_calls:
        message["tool_calls"] = [{k: v for k, v in call.items() if k != "index"} for call in answer.tool_calls]
    else:
        message["content"] = "".join(answer.deltas)
    choice = {"finish_reason": answer.finish_reason, "index": 0, "message": message}
    head = {**_head(answer), "object": "chat.completion"}
    return _dump({"choices": [choice], **head, **({"usage": answer.usage} if usage else {})})


def error_body(status: int, error: Any) -> bytes:
    """An error in OpenAI's shape; `error` may be its text, its fields or None."""
    known = error if isinstance(error, dict) else {"message": str(error or "The scripted upstream refuses.")}
    return _dump({"error": {"type": "scripted_error", "code": status, **known}})


def _head(answer: Answer) -> dict[str, Any]:
    return {
        "created": CREATED,
        "id": answer.id,
        "model": answer.model,
        "system_fingerprint": "b0-scripted",
        "object": "chat.completion.chunk",
    }


def _chunk(answer: Answer, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _dump({"choices": [{"finish_reason": finish, "index": 0, "delta": delta}], **_head(answer)})


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
