"""The same scripted answers in Anthropic's and in Ollama's own wire format. Pure but for the sending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.upstream.answer import Answer
from tests.upstream.calls import Call
from tests.upstream.connection import Connection
from tests.upstream.script import Script


@dataclass(frozen=True, slots=True)
class Dialect:
    """A wire format: how a body's conversation reads as OpenAI's, and how an answer and an error are written."""

    messages: Callable[[Mapping[str, Any]], list[dict[str, Any]]]
    limit: Callable[[Mapping[str, Any]], Any]  # the largest answer that the body asks for
    streamed: Callable[[Mapping[str, Any]], bool]
    before: Callable[[Answer], list[bytes]]  # what a stream begins with
    deltas: Callable[[Answer], list[bytes]]
    after: Callable[[Answer], list[bytes]]
    whole: Callable[[Answer], bytes]
    error: Callable[[int, Any], bytes]  # the body of an error's answer
    broken: Callable[[Any], bytes]  # an error in a stream


async def send(connection: Connection, call: Call, script: Script, answer: Answer, dialect: Dialect) -> None:
    """Stream the answer; note in `call` what was sent and how it ended. Raises ClientGone."""
    connection.stream()

    async def write(piece: bytes) -> None:
        await connection.write(piece, script.chunk_bytes)
        call.events.append(piece)
        await asyncio.sleep(script.interval_ms / 1000)

    for raw in script.raw or ():
        await write(raw.encode())
    accidents = [n for n in (script.cut_after, script.hang_after, script.error_after) if n is not None]
    deltas = dialect.deltas(answer)
    if min(accidents, default=0) >= 0:
        for piece in dialect.before(answer):
            await write(piece)
    for piece in deltas[: max(min(accidents), 0)] if accidents else deltas:
        await write(piece)
        call.deltas += 1
    if script.cut_after is not None:
        call.ended = "cut"
        return connection.close()
    if script.hang_after is not None:
        await asyncio.Event().wait()  # ends when the client leaves
    if script.error_after is not None:
        await write(dialect.broken(script.error))
        call.ended = "error"
        return connection.end()
    for piece in dialect.after(answer):
        await write(piece)
    call.usage_sent = True
    connection.end()
    call.ended = "completed"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")


# ── Anthropic ────────────────────────────────────────────────────────────────────────────────────────────


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: ".encode() + _json({"type": kind, **fields}) + b"\n\n"


def _usage(answer: Answer, output: int) -> dict[str, int]:
    """A fifth of the prompt was read from the cache, so that whoever forgets it counts wrong."""
    cached = answer.usage["prompt_tokens"] // 5
    fresh = answer.usage["prompt_tokens"] - cached
    return {"input_tokens": fresh, "cache_read_input_tokens": cached, "output_tokens": output}


def _anthropic_messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    talk: list[dict[str, Any]] = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        texts = [block for block in blocks if block["type"] == "text"] if blocks else message["content"]
        used = [block for block in blocks if block["type"] == "tool_use"]
        results = [block for block in blocks if block["type"] == "tool_result"]
        talk += [{"role": "tool", "content": result["content"]} for result in results]
        if texts or used:
            talk.append({"role": message["role"], "content": texts, **({"tool_calls": used} if used else {})})
    return talk


def _anthropic_deltas(answer: Answer) -> list[bytes]:
    events = []
    for thought in answer.reasoning:
        events.append(_event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": thought}))
    for text in answer.deltas:
        events.append(_event("content_block_delta", index=1, delta={"type": "text_delta", "text": text}))
    for number, call in enumerate(answer.tool_calls, 2):
        block = {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": {}}
        part = {"type": "input_json_delta", "partial_json": call["function"]["arguments"]}
        events.append(
            _event("content_block_start", index=number, content_block=block)
            + _event("content_block_delta", index=number, delta=part)
            + _event("content_block_stop", index=number)
        )
    return events


_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def _anthropic_whole(answer: Answer) -> bytes:
    content: list[dict[str, Any]] = [{"type": "text", "text": "".join(answer.deltas)}] if answer.deltas else []
    for call in answer.tool_calls:
        told = {"id": call["id"], "name": call["function"]["name"], "input": json.loads(call["function"]["arguments"])}
        content.append({"type": "tool_use", **told})
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": answer.model, "content": content}
    usage = _usage(answer, answer.usage["completion_tokens"])
    return _json({**head, "stop_reason": _STOPS[answer.finish_reason], "stop_sequence": None, "usage": usage})


def _anthropic_error(status: int, error: Any) -> bytes:
    known = {"type": "overloaded_error" if status == 529 else "api_error", "message": str(error or "Refused.")}
    return _json({"type": "error", "error": {**known, **(error if isinstance(error, dict) else {})}})


ANTHROPIC = Dialect(
    messages=_anthropic_messages,
    limit=lambda body: body.get("max_tokens"),
    streamed=lambda body: body.get("stream") is True,
    before=lambda answer: [
        _event("message_start", message={"id": "msg_1", "role": "assistant", "usage": _usage(answer, 1)}),
        _event("ping"),
        _event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
    ],
    deltas=_anthropic_deltas,
    after=lambda answer: [
        _event("content_block_stop", index=1),
        _event(
            "message_delta",
            delta={"stop_reason": _STOPS[answer.finish_reason], "stop_sequence": None},
            usage={"output_tokens": answer.usage["completion_tokens"]},
        ),
        _event("message_stop"),
    ],
    whole=_anthropic_whole,
    error=_anthropic_error,
    broken=lambda error: b"event: error\ndata: " + _anthropic_error(529, error) + b"\n\n",
)


# ── Ollama ───────────────────────────────────────────────────────────────────────────────────────────────


def _line(answer: Answer, message: dict[str, Any], **fields: Any) -> bytes:
    told = {"model": answer.model, "created_at": "2026-11-21T12:00:00Z", "message": {"role": "assistant", **message}}
    return _json({**told, "done": False, **fields}) + b"\n"


def _calls(answer: Answer) -> list[dict[str, Any]]:
    functions = [call["function"] for call in answer.tool_calls]
    return [{"function": {"name": one["name"], "arguments": json.loads(one["arguments"])}} for one in functions]


def _end(answer: Answer) -> dict[str, Any]:
    reason = "length" if answer.finish_reason == "length" else "stop"  # tool calls are no reason of its own
    counts = {"prompt_eval_count": answer.usage["prompt_tokens"], "eval_count": answer.usage["completion_tokens"]}
    return {"done": True, "done_reason": reason, "total_duration": 1, **counts}


OLLAMA = Dialect(
    messages=lambda body: list(body["messages"]),
    limit=lambda body: (body.get("options") or {}).get("num_predict"),
    streamed=lambda body: body.get("stream") is not False,
    before=lambda answer: [],
    deltas=lambda answer: [
        *(_line(answer, {"content": "", "thinking": thought}) for thought in answer.reasoning),
        *(_line(answer, {"content": text}) for text in answer.deltas),
        *(_line(answer, {"content": "", "tool_calls": [call]}) for call in _calls(answer)),
    ],
    after=lambda answer: [_line(answer, {"content": ""}, **_end(answer))],
    whole=lambda answer: _line(
        answer,
        {"content": "".join(answer.deltas), **({"tool_calls": _calls(answer)} if answer.tool_calls else {})},
        **_end(answer),
    ),
    error=lambda status, error: _json({"error": str(error or "Refused.")}),
    broken=lambda error: _json({"error": str(error or "It broke.")}) + b"\n",
)
