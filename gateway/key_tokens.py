"""Short-lived tokens: what an API key is exchanged for, so that the key itself stays at home.

A token names its key and the secret that it was made for, and is signed with a secret of the house. It opens nothing
by itself: the key is looked up each time, so a token ends with its key, or with the key's rotated secret.
"""

from __future__ import annotations

from typing import Any

import jwt

ISSUER = "maitre"
_OPTIONS: Any = {"require": ["sub", "key", "iss", "exp"], "verify_exp": False, "verify_iat": False}


def sign(key_id: str, mark: str, secret: str, now: float, seconds: float) -> str:
    """A token for a key's secret with this mark, good for so many seconds."""
    claims = {"iss": ISSUER, "sub": key_id, "key": mark, "iat": int(now), "exp": int(now + seconds)}
    return jwt.encode(claims, secret, algorithm="HS256")


def read(token: str, secret: str, now: float) -> tuple[str, str] | None:
    """The key's id and its secret's mark, or None when the token is not ours or has ended."""
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], issuer=ISSUER, options=_OPTIONS)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    id, mark, ends = claims["sub"], claims["key"], claims["exp"]
    right = isinstance(id, str) and isinstance(mark, str) and isinstance(ends, int | float)
    return (id, mark) if right and now < ends else None
