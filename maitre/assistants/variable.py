"""The variables of an assistant's prompt: what a client says for `{{city}}`. Pure.

A value is data: one line, without control characters, no longer than allowed, and put in once, so that a value that
looks like a variable stays a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from maitre.errors import BadRequest

NAME = r"[a-z][a-z0-9_]{0,31}"
#: Names that no variable can have: in a URL they are something else, or a key that does not belong there.
TAKEN = ("input", "session_id", "store", "key", "api_key", "token")
_PLACE = re.compile(r"\{\{\s*(" + NAME + r")\s*\}\}")
# Control characters, invisible separators that some models and terminals take for line ends, and lone surrogates.
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable. `max_length` is in characters."""

    description: str = ""
    default: str = ""
    required: bool = False
    max_length: int = 200


def places(prompt: str) -> set[str]:
    """The names that stand in a prompt."""
    return set(_PLACE.findall(prompt))


def filled(prompt: str, declared: Mapping[str, Variable], given: object) -> str:
    """The prompt with its declared variables. Raises BadRequest for a value that is missing, too long or no plain
    value, and for one that is not declared."""
    if not isinstance(given, Mapping):
        raise BadRequest("bad_variables")
    for name in given:
        if name not in declared:
            raise BadRequest("unknown_variable", variable=str(name))
    values = {name: _value(name, variable, given.get(name)) for name, variable in declared.items()}
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), prompt)


def _value(name: str, variable: Variable, given: object) -> str:
    if given is None:
        if variable.required:
            raise BadRequest("missing_variable", variable=name)
        return variable.default
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise BadRequest("bad_variable", variable=name)
    text = _ODD.sub(" ", str(given)).strip()
    if len(text) > variable.max_length:
        raise BadRequest("long_variable", variable=name, limit=variable.max_length)
    if variable.required and not text:
        raise BadRequest("missing_variable", variable=name)
    return text
