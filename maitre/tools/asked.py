"""What a tool asks of its server: the request that an operation's arguments make. Pure.

The arguments come from a model, so from anybody: they fill the places that the document has for them, and can change
neither the server nor the path around them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from maitre.errors import ToolFault
from maitre.tools.openapi import Operation, Parameter

#: Characters of a URL and of a header's value.
LONGEST_URL, LONGEST_HEADER = 8000, 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """One HTTP request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


def asked(base_url: str, operation: Operation, arguments: Mapping[str, Any]) -> Asked:
    """The request. `arguments` fit the operation's schema. Raises ToolFault."""
    path, query, headers = operation.path, list[tuple[str, str]](), dict[str, str]()
    for parameter in operation.parameters:
        value = arguments.get(parameter.name)
        if value is None:
            if parameter.place == "path":
                raise ToolFault(f"“{parameter.name}” is missing.")
            continue
        if parameter.place == "path":
            path = path.replace("{" + parameter.name + "}", _segment(parameter, value))
        elif parameter.place == "query":
            values = value if isinstance(value, list) else [value]
            query += [(parameter.name, _text(one)) for one in values]
        else:
            headers[parameter.name] = _header(parameter, value)
    url = base_url + path + (f"?{urlencode(query, quote_via=quote, errors='replace')}" if query else "")
    if len(url) > LONGEST_URL:
        raise ToolFault("The values are too long.")
    body = None
    if operation.body is not None and "body" in arguments:
        body = json.dumps(arguments["body"], ensure_ascii=False).encode("utf-8", "replace")
    return Asked(operation.method, url, headers, body)


def _segment(parameter: Parameter, value: object) -> str:
    text = _text(value)
    # Many servers take an encoded slash for a real one.
    if not text or any(sign in text for sign in "/\\") or any(ord(sign) < 32 for sign in text) or text in (".", ".."):
        raise ToolFault(f"“{parameter.name}” must be a plain value without slashes.")
    return quote(text, safe="", errors="replace")


def _header(parameter: Parameter, value: object) -> str:
    text = _text(value)
    if len(text) > LONGEST_HEADER or not text.isascii() or not text.isprintable():
        raise ToolFault(f"“{parameter.name}” must be short, in plain letters and signs.")
    return text


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
