"""An OpenAPI document's operations as tools: what a model is offered, and what is wrong with a document."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from maitre.assistants.answer_jsonschema import schema_problem
from maitre.tools.openapi import operations

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "paths": {
        "/guests/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "operationId": "find",
                "summary": "Finds a guest.",
                "parameters": [
                    {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                    {"name": "Host", "in": "header", "required": True, "schema": {"type": "string"}},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                ],
            },
            "put": {
                "operationId": "change",
                "description": "Changes one.",
                "requestBody": {
                    "required": True,
                    "content": {"application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Guest"}}},
                },
            },
        },
        "/guests": {"post": {"operationId": "form", "requestBody": {"required": True, "content": {"text/csv": {}}}}},
        "/": {"get": {"operationId": "root"}, "delete": {"summary": "has no id"}},
    },
    "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}},
        "schemas": {
            "Guest": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "nullable": True, "pattern": "^(a+)+$", "example": "Fran"},
                    "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
                    "friend": {"$ref": "#/components/schemas/Guest"},
                    "a/b": {"$ref": "#/components/schemas/a~1b"},
                },
            },
            "a/b": {"enum": [1, 2]},
        },
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with something else at a path."""
    document = copy.deepcopy(DOCUMENT)
    place = document
    *steps, last = path.split("|")
    for step in steps:
        place = place[step]
    place[last] = value
    return document


def test_parameters_and_a_body_are_one_object() -> None:
    """What the model fills in; what is not the model's to say is left out."""
    (find, change), problems = operations("crm", DOCUMENT, ["find", "change"])
    assert problems == []
    tool = find.tool("crm")
    assert (tool.name, tool.function, tool.description) == ("crm.find", "crm_find", "Finds a guest.")
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "fields": {"type": "array", "items": {"type": "string"}},
            "X-Trace": {"type": "string"},
        },
        "required": ["id"],
        "additionalProperties": False,
    }
    schema = change.tool("crm").parameters
    assert schema["required"] == ["id", "body"]
    assert schema["properties"]["body"] == {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": ["string", "null"]},
            "age": {"type": "integer", "exclusiveMinimum": 0},
            "friend": {},  # a guest again
            "a/b": {"enum": [1, 2]},
        },
    }
    assert schema_problem(schema) is None


def test_only_what_is_allowed_is_there() -> None:
    """Of a document with many operations the operator picks."""
    found, problems = operations("crm", DOCUMENT, ["root"])
    assert ([one.id for one in found], problems) == (["root"], [])


DEEP: dict[str, Any] = {"type": "string"}
for _ in range(40):
    DEEP = {"type": "array", "items": DEEP}
WIDE = {"properties": {str(number): {"$ref": "#/components/schemas/a~1b"} for number in range(2500)}}
GUEST = "components|schemas|Guest"
GET = "paths|/guests/{id}|get"


@pytest.mark.parametrize(
    ("document", "allow", "says"),
    [
        ("text", "find", "no OpenAPI 3 document"),
        ({"swagger": "2.0"}, "find", "no OpenAPI 3 document"),
        ({"openapi": "3.1.0"}, "find", "no operation “find” (there is: none)"),
        (DOCUMENT, "nobody", "no operation “nobody” (there is: change, find, form, root)"),
        (DOCUMENT, "form", "takes no JSON"),
        (changed(GUEST, {"$ref": "#/components/schemas/Nobody"}), "change", "leads nowhere"),
        (changed(GUEST, {"$ref": "http://169.254.169.254/x.json"}), "change", "leads out of the document"),
        (changed(GUEST, {"$ref": "other.yaml#/Guest"}), "change", "leads out of the document"),
        (changed(GUEST, DEEP), "change", "too large"),
        (changed(GUEST, WIDE), "change", "too large"),
        (changed(GUEST, "text"), "change", "no object"),
        (changed("components|parameters|Id", {"$ref": "#/components/parameters/Id"}), "find", "in a circle"),
        (changed("components|parameters|Id|name", "other"), "find", "do not agree"),
        (changed(f"{GET}|parameters", [{"name": "id", "in": "query"}]), "find", "one name"),
        (changed(f"{GET}|parameters", [{"name": "body", "in": "query"}]), "find", "one name"),
        (changed(f"{GET}|parameters", [{"name": "a b", "in": "header"}]), "find", "no header"),
        (changed(f"{GET}|parameters", [{"name": "s", "in": "cookie", "required": True}]), "find", "needs the cookie"),
        (changed("paths|//evil.example/x", {"get": {"operationId": "x"}}), "x", "can be called"),
        (changed("paths|/../admin", {"get": {"operationId": "x"}}), "x", "can be called"),
        (changed("paths|/a?b=c", {"get": {"operationId": "x"}}), "x", "can be called"),
        (changed("paths|/%2e%2e/admin", {"get": {"operationId": "x"}}), "x", "can be called"),
        (changed("paths|http://evil.example/x", {"get": {"operationId": "x"}}), "x", "can be called"),
        (changed("paths|/x", {"get": {"operationId": "x" * 70}}), "x" * 70, "too long"),
    ],
)
def test_what_is_wrong_is_said(document: object, allow: str, says: str) -> None:
    """In a sentence that names the operation; nothing is offered half."""
    found, problems = operations("crm", document, [allow])
    assert len(problems) == 1
    assert says in problems[0]
    assert not found or "too long" in says


def test_two_operations_may_not_become_one_function() -> None:
    """A model would not know which it gets."""
    document = changed(
        "paths|/x", {"get": {"operationId": "a.b"}, "put": {"operationId": "a-b"}, "post": {"operationId": "a_b"}}
    )
    assert operations("crm", document, ["a.b", "a-b"])[1] == []
    assert "differ only in signs" in operations("crm", document, ["a.b", "a_b"])[1][0]
