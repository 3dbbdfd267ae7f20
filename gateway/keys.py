"""The key of the host: every request but the health check carries it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

_SCHEME = b"bearer "


def right_key(authorization: Sequence[bytes], key: str) -> bool:
    """Whether the values of `Authorization` are exactly one, `Bearer <key>`. Takes as long for any wrong key of the
    same length."""
    if len(authorization) != 1 or not authorization[0].lower().startswith(_SCHEME):
        return False
    return hmac.compare_digest(authorization[0][len(_SCHEME) :], key.encode())
