"""An OpenAPI 3 document's operations, those that an operator allows. Pure.

References are followed within the document only. What an operation is called with is one JSON object: its path, query
and header parameters by name, and the JSON body as `body`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maitre.tools.openapi_schema import Document, Wrong
from maitre.tools.tool import LONGEST_NAME, Tool, function_name

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")

#: Where a parameter may stand. One in a cookie is not sent.
PLACES = ("path", "query", "header")

_KEPT = """
accept accept-encoding authorization connection content-encoding content-length content-type cookie date expect
forwarded host keep-alive origin proxy-authorization proxy-connection referer te trailer transfer-encoding upgrade
user-agent via x-forwarded-for x-forwarded-host x-forwarded-proto x-http-method-override x-real-ip
"""

#: Headers that are not for a model to set.
KEPT_HEADERS = frozenset(_KEPT.split())

#: Characters of a description that a model reads.
DESCRIBED = 1000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of a request. `place` is one of PLACES."""

    name: str
    place: str
    required: bool
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that a tool may make. `body` is the schema of its JSON body, None when it has none."""

    id: str
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    body: Mapping[str, Any] | None
    body_required: bool

    def tool(self, source: str) -> Tool:
        """As a model sees it."""
        properties = {one.name: dict(one.schema) for one in self.parameters}
        required = [one.name for one in self.parameters if one.required]
        if self.body is not None:
            properties["body"] = dict(self.body)
            required += ["body"] if self.body_required else []
        schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        return Tool(f"{source}.{self.id}", self.description, schema)


def operations(source: str, document: object, allow: Sequence[str]) -> tuple[tuple[Operation, ...], list[str]]:
    """The allowed operations, and what is wrong, in sentences."""
    if not isinstance(document, Mapping) or not str(document.get("openapi", "")).startswith("3."):
        return (), ["is no OpenAPI 3 document"]
    found, problems = [], []
    named = {
        str(written["operationId"]): (method, path, shared, written) for method, path, shared, written in _all(document)
    }
    for id in allow:
        if id not in named:
            there = ", ".join(sorted(named)[:20]) or "none"
            problems.append(f"has no operation “{id}” (there is: {there})")
            continue
        try:
            found.append(_operation(Document(document), id, *named[id]))
        except Wrong as wrong:
            problems.append(f"operation “{id}”: {wrong}")
    names = [function_name(f"{source}.{one.id}") for one in found]
    problems += [
        f"operation “{one.id}”: its name is too long" for one in found if len(f"{source}.{one.id}") > LONGEST_NAME
    ]
    if len(set(names)) < len(names):
        problems.append("has two operations whose names differ only in signs")
    return tuple(found), problems


def _all(document: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any], Mapping[str, Any]]]:
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, Mapping) else ():
        if isinstance(item, Mapping):
            shared = item.get("parameters")
            for method in METHODS:
                written = item.get(method)
                if isinstance(written, Mapping) and written.get("operationId"):
                    yield method, str(path), shared if isinstance(shared, list) else [], written


def _operation(
    document: Document, id: str, method: str, path: str, shared: list[Any], written: Mapping[str, Any]
) -> Operation:
    if not path.startswith("/") or "//" in path or re.search(r"[?#\\\s]|(?:^|/)\.{1,2}(?:/|$)|%", path):
        raise Wrong(f"the path “{path}” is none that can be called")
    parameters: dict[tuple[str, str], Parameter] = {}
    own = written.get("parameters")
    for one in [*shared, *(own if isinstance(own, list) else [])]:
        if (parameter := _parameter(document, one)) is not None:
            parameters[parameter.name, parameter.place] = parameter
    names = [name for name, _ in parameters]
    if len(set(names)) < len(names) or "body" in names:
        raise Wrong("two of its values have one name")
    placed = {name for name, place in parameters if place == "path"}
    if placed != set(re.findall(r"\{([^{}]*)\}", path)):
        raise Wrong(f"the path “{path}” and its parameters do not agree")
    body, body_required = _body(document, written.get("requestBody"))
    described = " ".join(str(written.get(name) or "").strip() for name in ("summary", "description")).strip()
    return Operation(
        id, method.upper(), path, (described or id)[:DESCRIBED], tuple(parameters.values()), body, body_required
    )


def _parameter(document: Document, written: object) -> Parameter | None:
    one = document.followed(written)
    name, place = str(one.get("name") or ""), one.get("in")
    if place not in PLACES or not name or (place == "header" and name.lower() in KEPT_HEADERS):
        if one.get("required") and place == "cookie":
            raise Wrong(f"it needs the cookie “{name}”")
        return None
    if place == "header" and not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise Wrong(f"“{name}” is no header")
    schema = document.schema(one.get("schema") or {})
    if one.get("description"):
        schema.setdefault("description", str(one["description"])[:DESCRIBED])
    return Parameter(name, str(place), place == "path" or one.get("required") is True, schema)


def _body(document: Document, written: object) -> tuple[Mapping[str, Any] | None, bool]:
    if written is None:
        return None, False
    body = document.followed(written)
    content = body.get("content")
    kinds = content if isinstance(content, Mapping) else {}
    for kind, media in kinds.items():
        if str(kind).partition(";")[0].strip().lower() == "application/json" and isinstance(media, Mapping):
            return document.schema(media.get("schema") or {}), body.get("required") is True
    if body.get("required") is True:
        raise Wrong("it takes no JSON")
    return None, False
