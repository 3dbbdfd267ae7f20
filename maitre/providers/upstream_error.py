"""What an upstream's error becomes: from its status, body and headers to a ProviderError, and to what a guest is told.

Bodies: OpenAI and its like `{"error": {"message", "type", "code"}}`, Anthropic `{"type": "error", "error": {"type",
"message"}}`, Ollama `{"error": "text"}`, FastAPI (vLLM, LiteLLM) `{"detail": …}` or `{"message", "code"}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from maitre.errors import BadRequest, ProviderError, Refusal
from maitre.providers.scrub import MODEL, Scrubber

#: Statuses that tell the guest something about the request or the moment; all 5xx do too.
KEPT = (400, 409, 413, 415, 422, 429)

#: So much of an upstream's sentence is shown. Characters.
LONGEST = 1000

#: So much of its words is kept for the trace. Characters.
DETAIL = 4000

#: A longer wait is not believed. Seconds.
LONGEST_WAIT = 24 * 3600

#: How upstreams say that a prompt is too long: llama.cpp, OpenAI and vLLM, Anthropic, Ollama.
_TOO_LONG = ("exceed_context_size", "context_length_exceeded", "prompt is too long", "exceeds the context")


@dataclass(frozen=True, slots=True)
class Told:
    """What a guest is told of an upstream's fault. An empty `message`: the house's own sentence."""

    status: int
    code: str
    message: str


def status_of(upstream: int) -> int:
    """The status for the guest. What an upstream has against the house (its key, its bill, a wrong model) is not the
    guest's fault: a guest who reads 401 looks for the fault in the own key."""
    return upstream if upstream in KEPT or 500 <= upstream <= 599 else 502


#: How upstreams say that the house has not paid, whatever their status: OpenAI with 429, Anthropic with 400.
_BILL = ("insufficient_quota", "billing", "credit balance", "exceeded your current quota")


def _is_bill(code: str, message: str) -> bool:
    said = f"{code} {message}".lower()
    return any(words in said for words in _BILL)


def refusal(status: int, said: str, wait: int | None, scrubber: Scrubber) -> Refusal:
    """An answer with an error status as a fault; `wait` is its Retry-After in seconds."""
    if status == 400 and any(words in said for words in _TOO_LONG):
        return BadRequest("too_long")
    code, message = words_in(said)
    unpaid = _is_bill(code, message)
    if unpaid:
        code = message = ""
    return ProviderError(
        "provider_error",
        status=502 if unpaid else status_of(status),
        detail=scrubber.text(said)[:DETAIL],
        retry_after=wait,
        upstream_code=scrubber.text(code),
        upstream_message=scrubber.text(message)[:LONGEST],
        upstream_status=status,
    )


def in_answer(said: str, broke_off: bool) -> ProviderError:
    """An error after a status of 200, as it was said (scrubbed by the adapter): before the first token it is an answer,
    after it the answer broke off."""
    if broke_off:
        return ProviderError("provider_broke", status=502, detail=said)
    code, message = words_in(said)
    status = _status_in(said)
    if _is_bill(code, message):
        code, message, status = "", "", 402
    return ProviderError(
        "provider_error",
        status=status_of(status),
        detail=said,
        accepted=True,
        upstream_code=code,
        upstream_message=message[:LONGEST],
        upstream_status=status,
    )


def _status_in(said: str) -> int:
    """The HTTP status that an error object has as its code (OpenRouter, vLLM, llama.cpp); else 502."""
    try:
        code = json.loads(said).get("code")
    except (ValueError, RecursionError, AttributeError):
        return 502
    return code if isinstance(code, int) and 400 <= code <= 599 else 502


def words_in(said: object) -> tuple[str, str]:
    """The code (else the type) and the message of an error's body, or of an error object; empty where there is none."""
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except (ValueError, RecursionError):
            return "", ""  # a proxy's page, which is for nobody
    if not isinstance(said, Mapping):
        return "", said.strip() if isinstance(said, str) else ""
    error = said.get("error", said)
    if isinstance(error, str):
        return "", error.strip()
    if not isinstance(error, Mapping):
        return "", ""
    message = error.get("message") or error.get("detail") or error.get("msg")
    code = next((error[name] for name in ("code", "type") if _is_name(error.get(name))), "")
    return str(code), message.strip() if isinstance(message, str) else ""


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and not value.isdigit()


def told(fault: ProviderError, model: str) -> Told:
    """What a guest of the public model id `model` is told: the upstream's status, code and message, but the house's own
    sentence where the fault is between the house and its provider."""
    upstream = fault.values.get("upstream_status")
    if not isinstance(upstream, int) or status_of(upstream) != upstream or not fault.upstream_message:
        return Told(fault.status, "", "")
    message = fault.upstream_message.replace(MODEL, model)
    return Told(fault.status, fault.upstream_code.replace(MODEL, model), message)


def retry_after(headers: Mapping[str, str], now: datetime) -> int | None:
    """The seconds after which to come back, as a Retry-After (seconds or a date) or retry-after-ms header says. The
    names are in small letters."""
    text = headers.get("retry-after", "").strip()
    try:
        if milliseconds := headers.get("retry-after-ms"):
            seconds = float(milliseconds) / 1000
        elif text[:1].isdigit():
            seconds = float(text)
        elif text:
            date = parsedate_to_datetime(text)
            seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return max(1, -int(-seconds // 1)) if 0 <= seconds <= LONGEST_WAIT else None
