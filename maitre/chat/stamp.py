"""The signed stamp that an inlet puts into a request body under one key, for the pipe to trust.

Guests can forge body keys, metadata and headers, so the pipe believes only what carries our HMAC, and only for
the user and the model that it was made for, until it expires. The form is `<base64url JSON>.<hex HMAC-SHA256>`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict
from typing import Any

from maitre.chat.message import Stamp

#: The one body key that passes between our inlet and our pipe.
KEY = "maitre"

#: How long a stamp lives, in seconds: a turn with a long tool loop is over by then.
LIFETIME = 1800


def sign(stamp: Stamp, secret: str) -> str:
    """The stamp as text, signed with the house's secret."""
    raw = json.dumps(asdict(stamp), separators=(",", ":")).encode("ascii")
    payload = base64.urlsafe_b64encode(raw).decode()
    return f"{payload}.{_mac(payload, secret)}"


def verify(text: object, secret: str, *, user_id: str, model: str, now: float) -> Stamp | None:
    """The stamp, if we signed it for this user and model and it has not expired; None for anything else."""
    if not isinstance(text, str):
        return None
    payload, _, mac = text.rpartition(".")
    # Compared as bytes: compare_digest refuses non-ASCII strings, which a guest may send.
    if not hmac.compare_digest(mac.encode("utf-8", "replace"), _mac(payload, secret).encode()):
        return None
    try:
        fields: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload))
        stamp = Stamp(**fields)
    except (ValueError, TypeError, binascii.Error):
        return None
    if stamp.user_id != user_id or stamp.model != model or stamp.expires < now:
        return None
    return stamp


def _mac(payload: str, secret: str) -> str:
    return hmac.new(secret.encode(), payload.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
