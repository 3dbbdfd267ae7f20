"""Who asks for a chat completion: the signed token says so, or nobody does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from gateway.answers import Problem
from gateway.asgi import Scope, header
from gateway.replays import Replays
from gateway.user_jwt import BadToken, Claims, verify

TOKEN = b"x-openwebui-user-jwt"

GROUPS = b"x-maitre-groups"

#: What Open WebUI sends when it cannot sign; anybody can write them.
UNSIGNED = tuple(b"x-openwebui-user-" + name for name in (b"id", b"email", b"name", b"role"))


def who(scope: Scope, secret: str, replays: Replays, now: float) -> Claims:
    """The user of the request's signed token. Raises Problem (401)."""
    tokens = header(scope, TOKEN)
    if len(tokens) != 1:
        raise Problem(401, "The request does not say who asks: the signed user token of Open WebUI is missing.")
    if any(header(scope, name) for name in UNSIGNED):
        raise Problem(401, "The request says who asks in unsigned headers.")
    token = tokens[0].decode("latin-1")
    try:
        claims = verify(token, secret, now)
    except BadToken as bad:
        raise Problem(401, f"The signed user token is refused: {bad}.") from bad
    if replays.replayed(token, claims.issued_at, now):
        raise Problem(401, "The signed user token is refused: it was used before.")
    return claims


def groups(scope: Scope) -> tuple[str, ...]:
    """The user's groups as Open WebUI's connection tells them: `{{USER_GROUPS}}`, names between commas, percent-encoded
    where they are not ASCII. To be asked only of a request whose connection key is right."""
    told = header(scope, GROUPS)
    names = told[0].decode("latin-1").split(",") if len(told) == 1 else ()
    return tuple(name for part in names if (name := unquote(part.strip())))


def same_user(body: Mapping[str, Any], claims: Claims) -> None:
    """Whether the body's own `user`, where it has one, is the token's. Raises Problem (401)."""
    told = body.get("user")
    if told is not None and (not isinstance(told, Mapping) or told.get("id") != claims.user_id):
        raise Problem(401, "The request's user is not the one of the signed token.")
