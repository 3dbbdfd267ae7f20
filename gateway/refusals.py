"""A refusal as a client of the OpenAI API reads it: a code, a parameter, and headers that say when to come back."""

from __future__ import annotations

from maitre.errors import NoPlace, QuotaExceeded, Refusal

#: Official clients wait for no longer than this, and then ask by a rhythm of their own. Seconds.
PATIENCE = 60

#: Windows of these resources have headers at OpenAI; it has none for money.
_COUNTED = ("requests", "tokens")

_CODES = {
    "unknown_model": "model_not_found",
    "not_in_plan": "model_not_found",
    "too_long": "context_length_exceeded",
}
_PARAMS = {
    "unknown_model": "model",
    "not_in_plan": "model",
    "no_tools": "tools",
    **dict.fromkeys(("too_long", "empty_message", "bad_role", "bad_content", "bad_part"), "messages"),
}


def code_of(refused: Refusal) -> str | None:
    """OpenAI's code where it has one, else the name of the refusal."""
    if isinstance(refused, QuotaExceeded):
        return "rate_limit_exceeded" if refused.retry_after is not None else "insufficient_quota"
    if isinstance(refused, NoPlace):
        return "rate_limit_exceeded"
    return _CODES.get(refused.key, None if refused.key == "told" else refused.key)


def param_of(refused: Refusal) -> str | None:
    """Which part of the request it is about."""
    return _PARAMS.get(refused.key)


def headers_of(refused: Refusal) -> dict[str, str]:
    """When to come back, and how the window stands that is full."""
    headers = {}
    if refused.retry_after:
        headers["Retry-After"] = str(refused.retry_after)
    if refused.status != QuotaExceeded.status:
        return headers
    if refused.retry_after is None or refused.retry_after > PATIENCE:
        headers["x-should-retry"] = "false"  # else official clients ask twice more within seconds
    resource = refused.values.get("resource")
    # The sentence of a wider scope tells no numbers either: they are the operator's.
    own = refused.key == "tokens_held" or refused.key.startswith(_COUNTED) or refused.key.endswith("_key")
    if resource in _COUNTED and own:
        headers[f"x-ratelimit-limit-{resource}"] = str(refused.values["limit"])
        headers[f"x-ratelimit-remaining-{resource}"] = str(refused.values["left"])
        if refused.retry_after is not None:
            headers[f"x-ratelimit-reset-{resource}"] = span(refused.retry_after)
    return headers


def span(seconds: int) -> str:
    """A duration as OpenAI writes it: 6m0s."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
