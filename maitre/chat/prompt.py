"""What goes upstream: the assistant's prompt, the guest's messages, and only the parameters that are allowed.

Pure. The house's own system text comes first; a client's system messages go after it and never replace it.
Parameters are an allow-list: an unknown key, or one that multiplies the answer (`n`, `best_of`), is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maitre.assistants.assistant import OVERRIDABLE, Assistant
from maitre.chat.message import Message
from maitre.chat.text import clean_deep
from maitre.errors import BadRequest
from maitre.providers.provider import Model

#: Parameters of a tool-using request, passed on where the assistant and the model take tools.
_TOOLS = ("tools", "tool_choice", "parallel_tool_calls")

#: What a client of a plain model may set; an assistant names its own.
_PLAIN = (*OVERRIDABLE, "logprobs", "top_logprobs", "logit_bias")

#: Keys of a message that the OpenAI API knows. `images` and `files` of other dialects stay behind.
_MESSAGE = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal")

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")

_TONE = {"en": "Tone", "uk": "Тон", "ru": "Тон"}


def build(
    assistant: Assistant | None,
    model: Model,
    messages: Sequence[Message],
    params: Mapping[str, Any],
    *,
    kind: str,
) -> dict[str, Any]:
    """The body of the upstream request, without `max_tokens` and `stream`. Raises BadRequest."""
    spoken = [_message(message) for message in messages]
    if not any(_says_something(message) for message in spoken):
        raise BadRequest("empty_message")
    body: dict[str, Any] = {"model": model.upstream}
    allowed: Sequence[str] = _PLAIN
    if assistant is not None:
        spoken = _under(assistant, spoken, kind)
        allowed = assistant.overrides
        if assistant.temperature is not None:
            body["temperature"] = assistant.temperature
        if assistant.json_answer and kind != "task":
            body["response_format"] = _response_format(assistant)
    elif isinstance(params.get("response_format"), dict):
        body["response_format"] = clean_deep(params["response_format"])
    body["messages"] = spoken
    for name in allowed:
        if name != "max_tokens" and params.get(name) is not None:
            body[name] = clean_deep(params[name])
    if params.get("tools") and model.tools and (assistant is None or assistant.tools):
        body |= {name: clean_deep(params[name]) for name in _TOOLS if params.get(name) is not None}
    return body


def for_model(body: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """The same body for another model."""
    unfit = () if model.tools else _TOOLS
    return {**{name: value for name, value in body.items() if name not in unfit}, "model": model.upstream}


def wanted_tokens(assistant: Assistant | None, params: Mapping[str, Any]) -> int | None:
    """The largest answer that the client or the assistant asked for, if any; the plan's cap is applied later."""
    wanted = None if assistant is None else assistant.max_tokens
    if assistant is None or "max_tokens" in assistant.overrides:
        for name in ("max_tokens", "max_completion_tokens"):
            asked = params.get(name)
            if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0:
                wanted = asked if wanted is None else min(asked, wanted)
    return wanted


def system_text(assistant: Assistant) -> str:
    """The assistant's prompt with its tone."""
    if not assistant.tone:
        return assistant.prompt
    return f"{assistant.prompt}\n{_TONE.get(assistant.language or 'en', 'Tone')}: {assistant.tone}."


def repair(body: Mapping[str, Any], answer: str, problem: str) -> dict[str, Any]:
    """The body of the one repair attempt: the same conversation, the bad answer, and what is wrong with it."""
    ask = f"This is not a valid answer: {problem}. Answer again, with nothing but the valid JSON."
    again = [{"role": "assistant", "content": answer}, {"role": "user", "content": ask}]
    return {**body, "messages": [*body["messages"], *again]}


def with_tools(body: Mapping[str, Any], tools: Mapping[str, Any], said: Sequence[Message]) -> dict[str, Any]:
    """The body with the fields for the house's tools, and what was said of them so far."""
    return {**body, **tools, "messages": [*body["messages"], *said]} if tools else dict(body)


def _under(assistant: Assistant, spoken: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    talk = [message for message in spoken if message["role"] not in ("system", "developer")]
    theirs = [message for message in spoken if message["role"] in ("system", "developer")]
    if assistant.type == "one-shot" and kind != "task":
        talk, theirs = [message for message in talk if message["role"] == "user"][-1:], []
        if not any(_says_something(message) for message in talk):
            raise BadRequest("empty_message")
    # One system message: several chat templates accept no second one.
    texts = [system_text(assistant), *(text for message in theirs if (text := text_of(message["content"])))]
    return [{"role": "system", "content": "\n\n".join(texts)}, *talk]


def _message(message: Message) -> dict[str, Any]:
    if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
        raise BadRequest("bad_role")
    known = {name: clean_deep(message[name]) for name in _MESSAGE if message.get(name) is not None}
    content = known.setdefault("content", "")
    if not isinstance(content, str | list):
        raise BadRequest("bad_content")
    if isinstance(content, list) and not all(isinstance(part, dict) and "type" in part for part in content):
        raise BadRequest("bad_part")
    return known


def _says_something(message: Mapping[str, Any]) -> bool:
    if message["role"] in ("system", "developer"):
        return False
    content = message["content"]
    if isinstance(content, str):
        return bool(content.strip()) or bool(message.get("tool_calls"))
    return any(part.get("type") != "text" or str(part.get("text") or "").strip() for part in content)


def text_of(content: object) -> str:
    """The text in a message's content, its parts joined by line breaks."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
    return ""


def _response_format(assistant: Assistant) -> dict[str, Any]:
    if assistant.json_schema is None:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {"name": assistant.slug, "schema": dict(assistant.json_schema), "strict": True},
    }
