"""A refusal as OpenAI's clients read it: code, parameter and headers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.answers import Problem, problem_of
from gateway.refusals import span
from maitre.errors import BadRequest, NoPlace, ProviderError, QuotaExceeded, Refusal, Told, Unavailable, UnknownModel

SOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def full(key: str, retry_after: int | None, **values: Any) -> QuotaExceeded:
    """A full window."""
    resets = None if retry_after is None else SOON
    return QuotaExceeded(key, resets_at=resets, retry_after=retry_after, **values)


COUNTED = {"resource": "requests", "limit": 5, "left": 0}
TOKENS = {"resource": "tokens", "limit": 100, "left": 7}

#: A refusal; its status, code and param; its headers.
CASES: dict[str, tuple[Refusal, tuple[int, str | None, str | None], dict[str, str]]] = {
    "requests-of-a-minute": (
        full("requests_minute", 42, **COUNTED),
        (429, "rate_limit_exceeded", None),
        {
            "Retry-After": "42",
            "x-ratelimit-limit-requests": "5",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "42s",
        },
    ),
    "tokens-of-a-day": (
        full("tokens_day", 3 * 3600, **TOKENS),
        (429, "rate_limit_exceeded", None),
        {
            "Retry-After": "10800",
            "x-should-retry": "false",
            "x-ratelimit-limit-tokens": "100",
            "x-ratelimit-remaining-tokens": "7",
            "x-ratelimit-reset-tokens": "3h0m0s",
        },
    ),
    "tokens-for-ever": (
        full("tokens_total", None, **TOKENS),
        (429, "insufficient_quota", None),
        {"x-should-retry": "false", "x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "7"},
    ),
    "a-keys-own": (
        full("full_key", 60, **TOKENS),
        (429, "rate_limit_exceeded", None),
        {
            "Retry-After": "60",
            "x-ratelimit-limit-tokens": "100",
            "x-ratelimit-remaining-tokens": "7",
            "x-ratelimit-reset-tokens": "1m0s",
        },
    ),
    "money": (
        full("money_balance", None, resource="money", limit=5, left=0),
        (429, "insufficient_quota", None),
        {"x-should-retry": "false"},
    ),
    "calls-at-once": (
        full("calls_now", 5, resource="calls", limit=1, left=0),
        (429, "rate_limit_exceeded", None),
        {"Retry-After": "5"},
    ),
    "the-houses-own-numbers": (
        full("full_house", 9, **TOKENS),
        (429, "rate_limit_exceeded", None),
        {"Retry-After": "9"},
    ),
    "no-place": (NoPlace("queue_too_long", retry_after=30), (429, "rate_limit_exceeded", None), {"Retry-After": "30"}),
    "no-model": (UnknownModel("unknown_model", model="m"), (404, "model_not_found", "model"), {}),
    "not-in-plan": (UnknownModel("not_in_plan", model="m", plan="p"), (404, "model_not_found", "model"), {}),
    "too-long": (BadRequest("too_long"), (400, "context_length_exceeded", "messages"), {}),
    "bad-role": (BadRequest("bad_role"), (400, "bad_role", "messages"), {}),
    "store": (Unavailable("store_down", retry_after=60), (503, "store_down", None), {"Retry-After": "60"}),
    "provider": (ProviderError("provider_down", status=503), (503, "provider_down", None), {}),
    "told": (Told("No.", 403), (403, None, None), {}),
}


@pytest.mark.parametrize(("refused", "error", "headers"), CASES.values(), ids=CASES)
def test_a_refusal_says_what_clients_act_on(
    refused: Refusal, error: tuple[int, str | None, str | None], headers: dict[str, str]
) -> None:
    """Status, code and parameter; how the window stands; and no retries when the wait is long."""
    problem = problem_of(refused, "No.")
    status, code, param = error
    told = {"message": "No.", "type": refused.type, "code": code, "param": param}
    assert (problem.status, problem.headers) == (status, headers)
    assert problem.body(public=True) == {"error": told, "detail": "No."}


def test_open_webui_reads_the_status_as_the_code() -> None:
    """It looks at nothing else."""
    assert problem_of(BadRequest("too_long"), "Long.").error(public=False)["code"] == 400


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (404, None), (400, None), (500, None)])
def test_a_problem_has_openais_code(status: int, code: str | None) -> None:
    """Where OpenAI has one."""
    assert Problem(status, "No.").error(public=True)["code"] == code


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1s"), (59, "59s"), (60, "1m0s"), (360, "6m0s"), (3600, "1h0m0s"), (90_061, "25h1m1s")]
)
def test_a_span_is_written_as_openai_does(seconds: int, text: str) -> None:
    """Hours, minutes and seconds, the leading ones left out when they are nothing."""
    assert span(seconds) == text
