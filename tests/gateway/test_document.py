"""The OpenAPI document says what the table of routes does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from gateway.api.routes import ROUTES
from gateway.openapi.document import document

DOCUMENT = document()
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if method != "parameters"
}


def test_every_route_is_described_and_nothing_else() -> None:
    """Method by method."""
    assert set(OPERATIONS) == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_without_a_key_is_described_so(route: Any) -> None:
    """The metrics have a key of their own."""
    operation = OPERATIONS[route.method, route.path]
    open_to_all = operation.get("security", DOCUMENT["security"]) == []
    assert open_to_all == (route.anybody is not None and route.path != "/metrics")
    assert operation["summary"]
    assert operation["operationId"]
    assert "default" in operation["responses"]


def resolved(value: Any) -> Any:
    """A schema with its references to components made absolute."""
    return {"components": DOCUMENT["components"], "allOf": [value]}


def found(value: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to; anything else is itself."""
    for name in value.get("$ref", "#").split("/")[1:]:
        value = DOCUMENT[name] if name == "components" else value[name]
    return value


def _examples() -> Iterator[Any]:
    """Every example of a body, with its schema."""
    for (method, path), operation in OPERATIONS.items():
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [found(one).get("content", {}) for one in operation["responses"].values()]
        for content in contents:
            for media in content.values():
                for name, example in media.get("examples", {}).items():
                    yield pytest.param(media["schema"], found(example)["value"], id=f"{method} {path} {name}")


@pytest.mark.parametrize(("schema", "example"), list(_examples()))
def test_an_example_is_what_its_schema_says(schema: Any, example: Any) -> None:
    """People copy examples."""
    jsonschema.validate(example, resolved(schema), cls=jsonschema.Draft202012Validator)


def test_a_body_has_an_example() -> None:
    """Every one."""
    for name, operation in OPERATIONS.items():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert media.get("examples"), name


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=[" ".join(one) for one in OPERATIONS])
def test_an_operation_is_described(operation: dict[str, Any]) -> None:
    """In words, with each of its parameters; and a JSON answer has an example."""
    assert operation["description"]
    assert [name for name in operation["tags"] if name not in {tag["name"] for tag in DOCUMENT["tags"]}] == []
    for parameter in operation.get("parameters", []):
        assert found(parameter)["description"], parameter
    media = found(operation["responses"]["200"]).get("content", {}).get("application/json")
    assert media is None or media.get("examples") or operation["operationId"] == "getDocument"
