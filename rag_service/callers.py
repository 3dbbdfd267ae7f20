"""On whose behalf the service is asked: a short-lived token, signed with the house's `rag_key`. Pure.

A token says everything that decides what may be read, so nothing else of a request is asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from rag_service.plain import text_problem

HEADER = "x-maitre-on-behalf-of"
ISSUER = "maitre"
LIFE = 60  # seconds that a token is good for
LEEWAY = 5  # seconds that two clocks may differ
LAST = 2**53  # seconds since the epoch; nothing signed is valid until then
LONGEST = 500  # characters of a name or an id
#: The times are looked at here, by a clock that is an argument.
_OPTIONS: Any = {"require": ["sub", "iss", "iat", "exp"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class BadToken(ValueError):
    """A token that vouches for nobody; the text says why."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a user, with groups, through an assistant or not. `operator`: may do everything. `token` is what the
    caller was read from, to be passed on."""

    user_id: str
    email: str = ""
    groups: tuple[str, ...] = ()
    assistant: str = ""
    turn: str = ""
    operator: bool = False
    token: str = ""


def sign(
    key: str,
    now: float,
    *,
    user_id: str,
    email: str = "",
    groups: Sequence[str] = (),
    assistant: str = "",
    turn: str = "",
    operator: bool = False,
) -> str:
    """A token for this user, good for LIFE seconds from `now`."""
    claims: dict[str, Any] = {"iss": ISSUER, "sub": user_id, "email": email, "groups": list(groups)}
    claims |= {"assistant": assistant, "turn": turn, "operator": operator, "iat": int(now), "exp": int(now) + LIFE}
    return jwt.encode(claims, key, algorithm="HS256")


def read(token: str, key: str, now: float) -> Caller:
    """The caller whom a token names that was signed with the key just now. Raises BadToken."""
    try:
        claims = jwt.decode(token, key, algorithms=["HS256"], issuer=ISSUER, options=_OPTIONS)
    except (jwt.PyJWTError, ValueError, RecursionError) as bad:
        raise BadToken(f"it is not valid ({type(bad).__name__})") from bad
    issued, expires = _moment(claims["iat"]), _moment(claims["exp"])
    if issued > now + LEEWAY:
        raise BadToken("it was made in the future")
    if expires < now - LEEWAY or issued < now - LIFE - LEEWAY:
        raise BadToken("it has expired")
    user_id = _text(claims["sub"])
    if not user_id:
        raise BadToken("it names nobody")
    groups = claims.get("groups") or []
    if not isinstance(groups, list):
        raise BadToken("its groups are no list")
    return Caller(
        user_id=user_id,
        email=_text(claims.get("email")),
        groups=tuple(_text(group) for group in groups),
        assistant=_text(claims.get("assistant")),
        turn=_text(claims.get("turn")),
        operator=claims.get("operator") is True,
        token=token,
    )


def _text(value: object) -> str:
    text = "" if value is None else value
    if not isinstance(text, str) or len(text) > LONGEST or text_problem(text):
        raise BadToken("a claim is no plain text")
    return text.strip()


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LAST:
        raise BadToken("its times are no moments")
    return float(value)
