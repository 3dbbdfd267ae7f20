"""What a model's arguments make of a request: they fill their places and change nothing around them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from maitre.errors import ToolFault
from maitre.tools.asked import asked
from maitre.tools.openapi import Operation, Parameter

BASE = "https://crm.example.com/api"


def operation(path: str = "/guests/{id}", method: str = "GET", **fields: Any) -> Operation:
    """An operation with a parameter in every place."""
    parameters = (
        Parameter("id", "path", True, {}),
        Parameter("q", "query", False, {}),
        Parameter("X-Trace", "header", False, {}),
    )
    known = {"parameters": parameters, "body": None, "body_required": False, **fields}
    return Operation("find", method, path, "", **known)


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ({"id": 5}, "/guests/5"),
        ({"id": "a b"}, "/guests/a%20b"),
        ({"id": "ї"}, "/guests/%D1%97"),
        ({"id": "?x=1#y"}, "/guests/%3Fx%3D1%23y"),
        ({"id": "%2e%2e"}, "/guests/%252e%252e"),
        ({"id": "@evil.example:80"}, "/guests/%40evil.example%3A80"),
        ({"id": "{id}"}, "/guests/%7Bid%7D"),
        ({"id": True}, "/guests/true"),
        ({"id": 5, "q": "a&b=c"}, "/guests/5?q=a%26b%3Dc"),
        ({"id": 5, "q": ["a", 2]}, "/guests/5?q=a&q=2"),
        ({"id": 5, "q": {"a": 1}}, "/guests/5?q=%7B%22a%22%3A%201%7D"),
        ({"id": 5, "q": None}, "/guests/5"),
        ({"id": "\ud800"}, "/guests/%3F"),
    ],
)
def test_values_are_encoded_in_their_places(arguments: dict[str, Any], url: str) -> None:
    """Whatever stands in a value, server and path stay."""
    request = asked(BASE, operation(), arguments)
    assert request.url == BASE + url
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, request.url.isascii()) == ("https", "crm.example.com", True)


@pytest.mark.parametrize(
    "id", ["", ".", "..", "../admin", "a/b", "..\\admin", "/", "//evil.example", "a\nb", "\0", None]
)
def test_a_value_does_not_leave_its_place_in_the_path(id: object) -> None:
    """No way up, no other host, and no slash that a server might decode."""
    with pytest.raises(ToolFault):
        asked(BASE, operation(), {"id": id})


@pytest.mark.parametrize("value", ["a\r\nHost: evil", "a\nb", "ї", "\0", "x" * 3000])
def test_a_header_holds_one_plain_line(value: str) -> None:
    """Nothing is split, nothing is smuggled."""
    with pytest.raises(ToolFault, match="X-Trace"):
        asked(BASE, operation(), {"id": 5, "X-Trace": value})
    assert asked(BASE, operation(), {"id": 5, "X-Trace": "a b"}).headers == {"X-Trace": "a b"}


def test_a_body_is_json() -> None:
    """Only where the operation has one."""
    request = asked(BASE, operation(method="PUT", body={}), {"id": 5, "body": {"name": "Фран"}})
    assert (request.method, request.body) == ("PUT", '{"name": "Фран"}'.encode())
    assert asked(BASE, operation(), {"id": 5, "body": 1}).body is None
    with pytest.raises(ToolFault, match="too long"):
        asked(BASE, operation(), {"id": 5, "q": "x" * 9000})
