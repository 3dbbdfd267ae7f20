"""The user whom Open WebUI vouches for, in a signed token that it makes for every call (`X-OpenWebUI-User-Jwt`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt

ISSUER = "open-webui"
LEEWAY = 5  # seconds that two clocks may differ
OLDEST = 60  # seconds after which a token is no longer taken, though Open WebUI makes it valid for 300
LAST = 2**53  # seconds since the epoch; nothing signed is valid until then
_REQUIRED = ("sub", "iss", "iat", "exp")
#: The times are looked at here, by a clock that is an argument.
_OPTIONS: Any = {"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class BadToken(ValueError):
    """A token that vouches for nobody; the text says why."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who asks. Everything but the id is for display."""

    user_id: str
    email: str
    name: str
    role: str
    issued_at: float  # seconds since the epoch

    def user(self) -> dict[str, str]:
        """As Open WebUI puts it into a body."""
        return {"id": self.user_id, "email": self.email, "name": self.name, "role": self.role}


def verify(token: str, secret: str, now: float) -> Claims:
    """The claims of a token that Open WebUI signed with the secret just now. Raises BadToken."""
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], issuer=ISSUER, options=_OPTIONS)
    except (jwt.PyJWTError, ValueError, RecursionError) as bad:
        raise BadToken(f"it is not valid ({type(bad).__name__})") from bad
    issued, expires = _moment(claims["iat"]), _moment(claims["exp"])
    if issued > now + LEEWAY:
        raise BadToken("it was made in the future")
    if expires < now - LEEWAY or issued < now - OLDEST - LEEWAY:
        raise BadToken("it has expired")
    user_id = claims["sub"]
    if not isinstance(user_id, str) or not user_id.strip():
        raise BadToken("it names nobody")
    email, name, role = (str(claims.get(field) or "") for field in ("email", "name", "role"))
    return Claims(user_id, email, name, role, issued)


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LAST:
        raise BadToken("its times are no moments")
    return float(value)
