"""An API key: what it says of itself, and how its text is made, split and compared.

The text is `mtr-<id>-<secret>`: the id finds the row, and only a digest of the secret is stored. The secret has 256
random bits, so a plain SHA-256 is enough: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from maitre.keys.networks import Networks

PREFIX = "mtr"

_ID = re.compile(r"[0-9a-f]{16}")
_TEXT = re.compile(r"mtr-([0-9a-f]{16})-([0-9a-zA-Z_-]{43})")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an account. `limits` are below the plan's, by the names of maitre.quota.window.WINDOWS; `models` are
    public ids (`assistants.general`), and none means all of the plan's."""

    id: str
    user_id: str
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    models: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    manages: bool = False  # whether it may make, list, rotate and revoke the account's keys
    networks: Networks = Networks()  # from where it may be used
    last_used_at: datetime | None = None  # to the minute, at best

    def live(self, now: datetime) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def opens(self, model: str) -> bool:
        """Whether it may ask for this public model."""
        return not self.models or model in self.models


def text_of(id: str, secret: str) -> str:
    """The key as its owner gets it, once."""
    return f"{PREFIX}-{id}-{secret}"


def split(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key's text, or None when it is none."""
    match = _TEXT.fullmatch(text)
    return None if match is None else (match[1], match[2])


def is_id(text: str) -> bool:
    """Whether a text can be a key's id."""
    return _ID.fullmatch(text) is not None


def digest(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def mark(digest: bytes) -> str:
    """A digest's own digest: what is compared, and what a short-lived token says of the secret that it was exchanged
    for, so that it ends with that."""
    return hashlib.sha256(b"mark:" + digest).hexdigest()[:32]


def same(given: str, stored: str) -> bool:
    """Whether two marks are equal, in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), stored.encode())
