"""An upstream's fault in the log: useful to the operator, without a guest's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from maitre.errors import ProviderError
from maitre.providers.fault_outline import outline

PROMPT = 'My card is 4111-1111 and\nmy "friend" is Оксана Петренко.'


def said(detail: str, **values: Any) -> str:
    """The outline of an error with such words."""
    return outline(ProviderError("provider_error", status=502, detail=detail, upstream_status=400, **values))


@pytest.mark.parametrize("escaped", range(4))
@pytest.mark.parametrize("ascii", [True, False])
def test_no_words_are_shown_however_often_they_were_escaped(escaped: int, ascii: bool) -> None:
    """A proxy escapes the upstream's error into its own, the next one again."""
    words = PROMPT
    for _ in range(escaped):
        words = json.dumps({"error": {"message": words, "type": words, "code": words}}, ensure_ascii=ascii)
    told = said(words)
    assert told == f"provider_error, status 400, its words are not shown ({len(words)} characters)"


@pytest.mark.parametrize(
    "error", [{"type": "invalid_request", "code": 400}, {"type": "invalid_request", "code": "400"}]
)
def test_type_and_code_are_shown(error: dict[str, Any]) -> None:
    """They tell the operator what it is, whether the error stands alone, as in a stream, or in an answer."""
    for value in (error, {"error": error}):
        assert "status 400, type invalid_request, code 400, its words" in said(json.dumps(value))


@pytest.mark.parametrize("detail", ["", "null", "[5]", '{"error": "no"}', '{"error": {"type": {}}}', "[" * 100_000])
def test_odd_errors_do_no_harm(detail: str) -> None:
    """Whatever an upstream sent."""
    assert said(detail).startswith("provider_error, status 400")


def test_our_own_words_for_it_are_shown() -> None:
    """Such as that a connection was refused, and where to."""
    assert outline(ProviderError("provider_down", status=503, cause="refused: 127.0.0.1:9")) == (
        "provider_down, refused: 127.0.0.1:9"
    )
