"""Requests that the OpenAPI document allows, and those that it does not, made up by schemathesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from gateway.openapi.document import document
from tests.api.books import opened, unmetered
from tests.api.conftest import Client
from tests.engine.hall import Hall
from tests.upstream import ScriptedUpstream

SCHEMA = schemathesis.openapi.from_dict(document())

#: What must hold of every answer: that a request which the document allows is served depends on plans and limits.
HOLDS = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "unsupported_method",
    ]
)


@SCHEMA.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_the_answer_is_as_described(case: schemathesis.Case, whole_client: Client) -> None:
    """No fault of the server, no other form of an answer, and nothing of our code in it."""
    answer = case.call(base_url=whole_client.url, headers=whole_client.headers)
    case.validate_response(answer, checks=HOLDS)
    assert "Traceback" not in answer.text
    assert '.py"' not in answer.text


@pytest.fixture(scope="module")
def whole_client(whole_hall: Hall) -> Client:
    """One guest for all cases, with a key that may manage."""
    guest = whole_hall.guest()
    return Client(whole_hall, guest, whole_hall.key(guest, manages=True))


def test_no_case_reached_the_upstream_unmetered(
    hall: Hall, upstream: ScriptedUpstream, eventually: Callable[..., Any]
) -> None:
    """Every call in the upstream's log is a row."""
    eventually(lambda: opened(hall) == 0, "rows stay open")
    assert unmetered(hall, upstream) == set()
