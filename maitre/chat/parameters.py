"""What a client of the public API may say beside its messages: one table of names, kinds and bounds. Pure.

What is not in it is passed over. null is as good as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
FORMATS = ("text", "json_object", "json_schema")
CHOICES = ("none", "auto", "required")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value has to be: in words, and as a check."""

    words: str
    fits: Callable[[Any], bool]


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _number(least: float, most: float) -> Kind:
    return Kind(
        f"a number from {least} to {most}", lambda value: type(value) in (int, float) and least <= value <= most
    )


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


def _one_of(*values: str) -> Kind:
    return Kind(f"one of {', '.join(values)}", lambda value: isinstance(value, str) and value in values)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _stops(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _tools(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and _named(one.get("function")) for one in value)


def _named(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str) and bool(value["name"])


def _choice(value: Any) -> bool:
    return value in CHOICES if isinstance(value, str) else isinstance(value, dict)


def _format(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("type") not in FORMATS:
        return False
    return value["type"] != "json_schema" or _named(value.get("json_schema"))


TRUTH = Kind("true or false", _of(bool))
TEXT = Kind("text", _of(str))
OBJECT = Kind("an object", _of(dict))
TOKENS = Kind("a whole number of tokens, 1 or more", _whole(1, 2**63 - 1))
GONE = Kind("left out: send tools and tool_choice instead", lambda value: False)

#: Of every request that names a model.
MODEL: Mapping[str, Kind] = {"model": TEXT}

#: Of a chat completion.
CHAT: Mapping[str, Kind] = {
    **MODEL,
    "messages": Kind("a list of messages, one at least", _objects),
    "stream": TRUTH,
    "stream_options": OBJECT,
    "n": Kind("1: every request has one answer", _whole(1, 1)),
    "max_tokens": TOKENS,
    "max_completion_tokens": TOKENS,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "stop": Kind("a text or a list of texts", _stops),
    "seed": Kind("a whole number", _whole(-(2**63), 2**63 - 1)),
    "logprobs": TRUTH,
    "top_logprobs": Kind("a whole number from 0 to 20", _whole(0, 20)),
    "logit_bias": OBJECT,
    "reasoning_effort": _one_of(*EFFORTS),
    "response_format": Kind("an object whose type is text, json_object, or json_schema with a named schema", _format),
    "tools": Kind("a list of functions with names", _tools),
    "tool_choice": Kind("none, auto, required or the name of a tool", _choice),
    "parallel_tool_calls": TRUTH,
    "functions": GONE,
    "function_call": GONE,
    "user": TEXT,
    "metadata": OBJECT,
    "store": TRUTH,
}


def mistake(table: Mapping[str, Kind], needed: tuple[str, ...], body: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first parameter that is not as the table has it, and the sentence that says so; None when all are."""
    for name in needed:
        if body.get(name) in (None, ""):
            return name, f"“{name}” is missing."
    for name, value in body.items():
        kind = table.get(name)
        if kind is not None and value is not None and not kind.fits(value):
            return name, f"“{name}” must be {kind.words}."
    return None
