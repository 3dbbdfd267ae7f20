"""What is kept of an upstream's error, and what a guest reads of it: no key, no address, no real model's name."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from maitre.chat.fallback import worth
from maitre.errors import BadRequest, ProviderError
from maitre.providers.scrub import MODEL, Scrubber
from maitre.providers.upstream_error import Told, in_answer, refusal, retry_after, status_of, told, words_in

KEY = "k9-verysecretkey"
SCRUBBER = Scrubber(KEY, "http://gpu-7.lan:8000/v1", "openai/gpt-4o")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

WORDS = [
    ("Incorrect API key provided: sk-proj-ab12****wxyz.", "Incorrect API key provided: [key]."),
    ("key sk-123 at 10.0.0.7", "key [key] at [address]"),
    (f"Bad key {KEY}!", "Bad key [key]!"),
    ("Authorization: Bearer abc.def-123 failed", "Authorization: [key] failed"),
    ("x-api-key: sk-ant-api03-xyz_123 is invalid", "[key] is invalid"),
    ("See https://platform.openai.com/account/api-keys.", "See [address]"),
    ("Cannot connect to host gpu-7.lan:8000 ssl:default", "Cannot connect to host [address] ssl:default"),
    ("dial tcp 10.1.2.3:11434: refused by [::1]:80", "dial tcp [address]: refused by [address]"),
    ("host gpu-7.lan is away", "host [address] is away"),
    ("The model `gpt-4o` does not exist", f"The model `{MODEL}` does not exist"),
    ("Rate limit reached for gpt-4o-2024-08-06 in org", f"Rate limit reached for {MODEL} in org"),
    ("gpt-4o in organization org-Ab1Cd2Ef3Gh4", f"{MODEL} in organization [key]"),
    ("request id req_011CSHoEeqs5C35K2UUqR7Fy", "request id [key]"),
    ("the org-chart-of-everything of acct_managers", "the org-chart-of-everything of acct_managers"),
    ("openai/gpt-4o: too many, try GPT-4o.", f"{MODEL}: too many, try {MODEL}."),
    ("max_tokens must be at most 4096, version 1.2.3", "max_tokens must be at most 4096, version 1.2.3"),
    ("Please reduce the length of messages[2].content", "Please reduce the length of messages[2].content"),
    ("Visit support.example.com/help or write", "Visit [address] or write"),
    ("Ein Schlüssel fehlt. Ключ не той.", "Ein Schlüssel fehlt. Ключ не той."),
]


@pytest.mark.parametrize(("said", "shown"), WORDS)
def test_secrets_addresses_and_the_models_name_are_taken_out(said: str, shown: str) -> None:
    """And nothing else: a sentence about the request stays as it is."""
    assert SCRUBBER.text(said) == shown


BODIES = [
    ('{"error": {"message": "Slow down.", "type": "tokens", "code": "rate_limit_exceeded"}}', "rate_limit_exceeded"),
    ('{"error": {"message": "Slow down.", "type": "requests", "code": 429}}', "requests"),
    ('{"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}', "rate_limit_error"),
    ('{"error": "Slow down."}', ""),
    ('{"object": "error", "message": "Slow down.", "type": "BadRequestError", "code": 400}', "BadRequestError"),
    ('{"detail": "Slow down."}', ""),
]


@pytest.mark.parametrize(("body", "code"), BODIES)
def test_code_and_message_are_read_from_every_shape(body: str, code: str) -> None:
    """OpenAI's, Anthropic's, Ollama's, vLLM's and FastAPI's."""
    assert words_in(body) == (code, "Slow down.")
    fault = refusal(429, body, 9, SCRUBBER)
    assert isinstance(fault, ProviderError)
    assert told(fault, "models.small") == Told(429, code, "Slow down.")
    assert fault.retry_after == 9


@pytest.mark.parametrize("body", ["", "<html>nginx</html>", "[]", "7", '{"error": []}', '{"error": {"message": 7}}'])
def test_a_body_that_says_nothing_is_the_houses_sentence(body: str) -> None:
    """A proxy's page is for nobody."""
    fault = refusal(500, body, None, SCRUBBER)
    assert isinstance(fault, ProviderError)
    assert told(fault, "m") == Told(500, "", "")


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 301, 999])
def test_what_is_between_the_house_and_its_provider_is_not_shown(status: int) -> None:
    """A guest who reads of a wrong key looks for the fault in the own one."""
    fault = refusal(status, '{"error": {"message": "Your credit balance is too low"}}', None, SCRUBBER)
    assert isinstance(fault, ProviderError)
    assert told(fault, "m") == Told(502, "", "")


BILLS = [
    (429, '{"error": {"message": "You exceeded your current quota, please check your plan and billing details.", '
    '"type": "insufficient_quota", "code": "insufficient_quota"}}'),
    (400, '{"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to '
    'access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}'),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), BILLS)
def test_the_houses_bill_is_not_the_guests(status: int, body: str) -> None:
    """Whatever status it comes with: the guest reads the house's sentence, and another model may be asked."""
    fault = refusal(status, body, None, SCRUBBER)
    assert isinstance(fault, ProviderError)
    assert told(fault, "m") == Told(502, "", "")
    assert worth(fault)
    late = in_answer(body, broke_off=False)
    assert told(late, "m") == Told(502, "", "")


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422, 429, 500, 503, 529])
def test_what_is_about_the_request_or_the_moment_keeps_its_status(status: int) -> None:
    """And its words, with the public model's id in them."""
    assert status_of(status) == status
    fault = refusal(status, '{"error": {"message": "gpt-4o is busy", "code": "busy"}}', None, SCRUBBER)
    assert isinstance(fault, ProviderError)
    assert told(fault, "models.small") == Told(status, "busy", "models.small is busy")
    assert "gpt" not in fault.detail


@pytest.mark.parametrize("code", ["context_length_exceeded", "exceed_context_size_error"])
def test_too_long_a_prompt_is_the_guests(code: str) -> None:
    """It has a sentence of its own."""
    assert isinstance(refusal(400, json.dumps({"error": {"code": code}}), None, SCRUBBER), BadRequest)


def test_an_error_in_an_answer_has_the_status_that_it_tells() -> None:
    """Before the first token it is an answer; after it the answer broke off."""
    busy = in_answer('{"message": "Busy", "type": "overloaded_error", "code": 529}', broke_off=False)
    assert told(busy, "m") == Told(529, "overloaded_error", "Busy")
    unpaid = in_answer('{"message": "No credits", "code": 402}', broke_off=False)
    assert told(unpaid, "m") == Told(502, "", "")
    assert told(in_answer("what", broke_off=False), "m") == Told(502, "", "")
    assert told(in_answer('{"message": "Busy"}', broke_off=True), "m") == Told(502, "", "")


def test_a_fault_that_is_no_answer_is_the_houses_sentence() -> None:
    """A refused connection has no words of anybody."""
    assert told(ProviderError("provider_down", status=503, cause="ClientConnectorError"), "m") == Told(503, "", "")


WAITS = [
    ({"retry-after": "7"}, 7),
    ({"retry-after": "0.2"}, 1),
    ({"retry-after": "Sat, 21 Nov 2026 12:01:30 GMT"}, 90),
    ({"retry-after-ms": "1500"}, 2),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "Fri, 20 Nov 2026 12:00:00 GMT"}, None),
    ({"retry-after": "99999999999"}, None),
    ({"retry-after-ms": "x"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS, ids=str)
def test_the_time_to_come_back_is_read(headers: dict[str, str], seconds: int | None) -> None:
    """Seconds, a date, or OpenAI's milliseconds; nonsense is none."""
    assert retry_after(headers, NOW) == seconds
