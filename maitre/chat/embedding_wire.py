"""OpenAI's wire format of embeddings: requests sized, an upstream's answer checked and written for the guest. Pure."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from maitre.chat.message import Usage
from maitre.chat.openai_wire import count
from maitre.chat.parameters import MODEL, TEXT, Kind
from maitre.errors import ProviderError

#: Inputs of one request, as at OpenAI.
MOST_INPUTS = 2048

#: Tokens that a model puts around an input.
PER_INPUT = 2

#: What a request passes on as it is.
_PASSED = ("dimensions", "encoding_format", "input_type")


def _input(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value)
    if not isinstance(value, list) or not len(value) > 0:
        return False
    if _tokens(value):
        return True
    return len(value) <= MOST_INPUTS and (
        all(isinstance(one, str) and one for one in value) or all(_tokens(one) for one in value)
    )


def _tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int and 0 <= one < 2**31 for one in value)


EMBEDDING: Mapping[str, Kind] = {
    **MODEL,
    "input": Kind(f"a text or a list of tokens, or a list of up to {MOST_INPUTS} of them, none empty", _input),
    "encoding_format": Kind("float or base64", lambda value: isinstance(value, str) and value in ("float", "base64")),
    "dimensions": Kind("a whole number from 1 to 65536", lambda value: type(value) is int and 1 <= value <= 65536),
    "input_type": Kind(
        "query, document or passage", lambda value: isinstance(value, str) and value in ("query", "document", "passage")
    ),
    "user": TEXT,
}


def inputs(params: Mapping[str, Any]) -> list[str | list[int]]:
    """The texts of a request, or their tokens, one by one."""
    told = params["input"]
    return [told] if isinstance(told, str) or isinstance(told[0], int) else list(told)


def size(texts: Sequence[str | list[int]]) -> tuple[int, int]:
    """UTF-8 bytes of text, and tokens that are not text."""
    weight = sum(len(text.encode("utf-8", "replace")) for text in texts if isinstance(text, str))
    return weight, PER_INPUT * len(texts) + sum(len(text) for text in texts if not isinstance(text, str))


def body(params: Mapping[str, Any], upstream: str, texts: Sequence[str | list[int]]) -> dict[str, Any]:
    """The body of the upstream request."""
    return {
        "model": upstream,
        "input": list(texts),
        **{name: params[name] for name in _PASSED if params.get(name) is not None},
    }


def usage_of(made: Mapping[str, Any]) -> Usage | None:
    """What the upstream counted, or None when it is nothing that can be."""
    told = made.get("usage")
    prompt = count(told.get("prompt_tokens", told.get("total_tokens"))) if isinstance(told, dict) else None
    return None if prompt is None else Usage(prompt, 0)


def vectors(made: Mapping[str, Any], texts: int) -> list[Any]:
    """The embeddings of so many texts, in order. Raises ProviderError when they are not that."""
    data = made.get("data")
    told = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    placed = {one.get("index", place): one.get("embedding") for place, one in enumerate(told)}
    if set(placed) != set(range(texts)) or not all(isinstance(one, list | str) and one for one in placed.values()):
        raise ProviderError("provider_broke", status=502, cause="the answer holds no embeddings of the inputs")
    return [placed[place] for place in range(texts)]


def shown(made: Sequence[Any], model: str, usage: Usage, form: object) -> dict[str, Any]:
    """The guest's answer; `form` is base64, or numbers. Raises ProviderError when an embedding is none."""
    data = [
        {"object": "embedding", "index": place, "embedding": _as(one, base64=form == "base64")}
        for place, one in enumerate(made)
    ]
    told = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
    return {"object": "list", "data": data, "model": model, "usage": told}


def numbers(vector: Any) -> list[float]:
    """An embedding as numbers, however it came. Raises ProviderError when it is none."""
    told = _as(vector, base64=False)
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in told):
        raise ProviderError("provider_broke", status=502, cause="an embedding is no list of numbers")
    return [float(one) for one in told]


def _as(vector: Any, *, base64: bool) -> Any:
    if isinstance(vector, str) == base64:
        return vector
    try:
        return _packed(vector) if base64 else _unpacked(vector)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise ProviderError("provider_broke", status=502, cause="an embedding is no list of numbers") from None


def _packed(numbers: Sequence[float]) -> str:
    return base64.b64encode(_little(array("f", numbers)).tobytes()).decode("ascii")


def _unpacked(text: str) -> list[float]:
    numbers = array("f")
    numbers.frombytes(base64.b64decode(text, validate=True))
    return _little(numbers).tolist()


def _little(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()  # the wire's floats are little-endian
    return numbers
