"""Anthropic's Messages API: an OpenAI request translated to its form, and its answers translated back. Pure.

What the API has no word for is left out: `seed`, `presence_penalty`, `frequency_penalty`, `reasoning_effort`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from maitre.errors import BadRequest
from maitre.providers.content import json_object, mapping, mappings, parts_of, picture, text_of

#: The API wants one; every turn brings its own.
MAX_TOKENS = 1024

#: The tool that a model is made to call where an answer must follow a JSON schema: the API has no response format that
#: all its models know. What it calls the tool with is the answer.
ANSWER = "answer"

JSON_ONLY = "Answer with one valid JSON object and nothing else: no words around it, no code fence."
BY_SCHEMA = "Answer with nothing but one valid JSON value, without a code fence, that follows this JSON schema:\n"


def request(body: Mapping[str, Any], *, streamed: bool) -> dict[str, Any]:
    """The body for /v1/messages. Raises BadRequest for a part that the API cannot read."""
    wanted: dict[str, Any] = {"model": body["model"], "max_tokens": body.get("max_tokens") or MAX_TOKENS}
    wanted["messages"], system = _talk(body["messages"])
    tools = [_tool(tool) for tool in mappings(body.get("tools"))]
    choice = _choice(body)
    if answers_by_tool(body):
        schema = _schema(body)
        tools = [{"name": ANSWER, "description": "Give the answer.", "input_schema": schema}]
        choice = {"type": "tool", "name": ANSWER, "disable_parallel_tool_use": True}
    elif (form := mapping(body.get("response_format"))).get("type") == "json_object":
        system.append(JSON_ONLY)
    elif form.get("type") == "json_schema":
        system.append(BY_SCHEMA + json.dumps(_schema(body), ensure_ascii=False))
    if system:
        wanted["system"] = "\n\n".join(system)
    if tools:
        wanted["tools"] = tools
        if choice:
            wanted["tool_choice"] = choice
    if isinstance(body.get("temperature"), int | float):
        wanted["temperature"] = min(max(body["temperature"], 0), 1)  # OpenAI's goes up to 2
    elif body.get("top_p") is not None:  # newer models refuse both at once
        wanted["top_p"] = body["top_p"]
    stops = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop")
    stops = stops if isinstance(stops, list) else []
    if stops := [stop for stop in stops if isinstance(stop, str) and stop.strip()]:  # blank ones are refused
        wanted["stop_sequences"] = stops
    return {**wanted, "stream": True} if streamed else wanted


def to_count(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The body for /v1/messages/count_tokens of a request."""
    known = ("model", "messages", "system", "tools", "tool_choice")
    return {name: wanted[name] for name in known if name in wanted}


def answers_by_tool(body: Mapping[str, Any]) -> bool:
    """Whether the answer comes as the input of a forced tool: a schema of an object, and no tools of the client's."""
    form = mapping(body.get("response_format"))
    return form.get("type") == "json_schema" and not body.get("tools") and _schema(body).get("type") == "object"


def _schema(body: Mapping[str, Any]) -> dict[str, Any]:
    return dict(mapping(mapping(body["response_format"].get("json_schema")).get("schema"))) or {"type": "object"}


def _choice(body: Mapping[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = {}
    match body.get("tool_choice"):
        case "auto" | "none" as kind:
            choice = {"type": kind}
        case "required":
            choice = {"type": "any"}
        case {"function": {"name": str(name)}}:
            choice = {"type": "tool", "name": name}
    if body.get("parallel_tool_calls") is False and choice.get("type") != "none":
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": True}
    return choice


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(tool.get("function"))
    made = {"name": function.get("name"), "input_schema": function.get("parameters") or {"type": "object"}}
    return {**made, "description": function["description"]} if function.get("description") else made


# ── the conversation ─────────────────────────────────────────────────────────────────────────────────────


def _talk(messages: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The messages, by turns of user and assistant, and the texts of the system."""
    system: list[str] = []
    talk: list[dict[str, Any]] = []
    for message in messages:
        role = message["role"]
        if role in ("system", "developer"):
            system += [text] if (text := text_of(message)) else []
            continue
        blocks, speaker = _blocks(message), "assistant" if role == "assistant" else "user"
        if blocks and talk and talk[-1]["role"] == speaker:
            talk[-1]["content"] += blocks  # the answers to parallel tool calls must come together
        elif blocks:
            talk.append({"role": speaker, "content": blocks})
    if talk and talk[0]["role"] == "assistant":
        talk.insert(0, {"role": "user", "content": [{"type": "text", "text": "…"}]})  # a user must begin
    if talk and talk[-1]["role"] == "assistant" and talk[-1]["content"][-1]["type"] == "text":
        last = talk[-1]["content"][-1]
        last["text"] = last["text"].rstrip() or "…"  # an answer to be gone on with must not end in space
    return talk, system


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    if message["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": str(message.get("tool_call_id") or "")}
        return [{**result, "content": text_of(message)}]
    blocks = [_block(part) for part in parts_of(message)]
    for call in mappings(message.get("tool_calls")):
        function = mapping(call.get("function"))
        use = {"type": "tool_use", "id": call.get("id"), "name": function.get("name")}
        blocks.append({**use, "input": json_object(function.get("arguments"))})
    return blocks


def _block(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    url, media, data = picture(part)
    if data:
        return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}
    if url:
        return {"type": "image", "source": {"type": "url", "url": url}}
    raise BadRequest("unreadable_part", part=str(part["type"]))
