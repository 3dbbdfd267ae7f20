"""Ollama's own API: an OpenAI request translated to /api/chat and /api/embed, and their answers translated back. Pure.

A stream is one JSON object a line. What the API has no word for is left out: `tool_choice` (but `none` takes the tools
away), `parallel_tool_calls`.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from maitre.chat.openai_wire import count
from maitre.errors import BadRequest
from maitre.providers.chunks import Head, folded, tool_call, usage_of
from maitre.providers.content import json_object, mapping, mappings, parts_of, picture, text_of

#: A line larger than this is not one of a chat stream; the upstream is at fault. Bytes.
MAX_LINE = 8 * 1024 * 1024

#: What the API calls OpenAI's parameters, in its `options`.
OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


def request(body: Mapping[str, Any], *, streamed: bool) -> dict[str, Any]:
    """The body for /api/chat. Raises BadRequest for a part that the API cannot read."""
    options = {name: body[known] for known, name in OPTIONS.items() if body.get(known) is not None}
    if body.get("stop"):
        options["stop"] = [body["stop"]] if isinstance(body["stop"], str) else body["stop"]
    wanted: dict[str, Any] = {"model": body["model"], "messages": _talk(body["messages"]), "stream": streamed}
    if options:
        wanted["options"] = options
    if body.get("tools") and body.get("tool_choice") != "none":
        wanted["tools"] = body["tools"]
    match body.get("response_format"):
        case {"type": "json_object"}:
            wanted["format"] = "json"
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            wanted["format"] = schema
    if effort := body.get("reasoning_effort"):
        wanted["think"] = False if effort in ("none", "minimal") else effort
    return wanted


def _talk(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    tools: dict[str, object] = {}  # what a tool's answer is to: the names by the ids of the calls
    talk = []
    for message in messages:
        role = "system" if message["role"] == "developer" else message["role"]
        told: dict[str, Any] = {"role": role, "content": text_of(message)}
        if images := [_image(part) for part in parts_of(message) if part["type"] != "text"]:
            told["images"] = images
        calls = []
        for call in mappings(message.get("tool_calls")):
            function = mapping(call.get("function"))
            tools[str(call.get("id"))] = function.get("name")
            arguments = json_object(function.get("arguments"))
            calls.append({"function": {"name": function.get("name"), "arguments": arguments}})
        if calls:
            told["tool_calls"] = calls
        if role in ("tool", "function") and (
            name := message.get("name") or tools.get(str(message.get("tool_call_id")))
        ):
            told |= {"role": "tool", "tool_name": name}
        talk.append(told)
    return talk


def _image(part: Mapping[str, Any]) -> str:
    _, _, data = picture(part)
    if not data:  # the server fetches none
        raise BadRequest("unreadable_part", part=str(part["type"]))
    return data


class Lines:
    """Splits a byte stream into its JSON objects; what is none becomes an empty one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The objects that are complete after `data`. Raises ValueError when a line is too long to be one."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ValueError("a line of the stream is too large")
        return [_line(line) for line in whole if line.strip()]

    def end(self) -> list[dict[str, Any]]:
        """The last object, if the stream ended without a line's end."""
        rest, self._rest = self._rest, b""
        return [_line(rest)] if rest.strip() else []


def _line(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class Reader:
    """Reads one answer, line by line or whole."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._began = False
        self._calls = 0

    def read(self, line: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks that a line makes."""
        if line.get("error"):
            return [{"error": {"message": str(line["error"]), "type": "api_error", "code": 502}}]
        message = line.get("message")
        told = mapping(message)
        delta: dict[str, Any] = {} if self._began else {"role": "assistant", "content": ""}
        for name, known in (("reasoning_content", "thinking"), ("content", "content")):
            if isinstance(told.get(known), str) and told[known]:
                delta[name] = told[known]
        calls = told.get("tool_calls")
        if calls := [self._call(call) for call in (calls if isinstance(calls, list) else ())]:
            delta["tool_calls"] = calls
        chunks = [self._head.chunk(delta)] if delta and message is not None else []
        self._began = self._began or bool(chunks)
        if line.get("done") is True:
            finish = "length" if line.get("done_reason") == "length" else "tool_calls" if self._calls else "stop"
            chunks.append(self._head.chunk({}, finish))
            prompt, completion = count(line.get("prompt_eval_count")), count(line.get("eval_count"))
            if prompt is not None and completion is not None:  # older servers leave a cached prompt's out
                chunks.append(self._head.usage(usage_of(prompt, completion)))
        return chunks

    def whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """A whole answer. One that is not done is none."""
        chunks = self.read(answer)
        if not answer.get("error") and answer.get("done") is not True:
            return {}
        return folded(chunks, self._head)

    def _call(self, call: object) -> dict[str, Any]:
        told = mapping(call)
        function = mapping(told.get("function"))
        number, self._calls = self._calls, self._calls + 1
        arguments = json.dumps(json_object(function.get("arguments")), ensure_ascii=False)
        # Older servers give calls no id.
        return tool_call(number, told.get("id") or f"call_{self._head.id}_{number}", function.get("name"), arguments)


# ── embeddings ───────────────────────────────────────────────────────────────────────────────────────────


def embed_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body for /api/embed. Raises BadRequest for an input that is no text."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("embed_texts")  # OpenAI takes numbers of tokens too
    wanted = {"model": body["model"], "input": texts}
    return wanted if body.get("dimensions") is None else {**wanted, "dimensions": body["dimensions"]}


def embeddings(body: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer in OpenAI's shape; in base64 where the request asks for it. Raises ValueError for what is none."""
    vectors = answer.get("embeddings")
    if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
        raise ValueError("the answer holds no embeddings")
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    told = {"object": "list", "model": body["model"], "data": data}
    prompt = count(answer.get("prompt_eval_count"))
    return told if prompt is None else {**told, "usage": {"prompt_tokens": prompt, "total_tokens": prompt}}


def _packed(vector: Sequence[float]) -> str:
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
    except struct.error as bad:
        raise ValueError("an embedding is no list of numbers") from bad
