"""Tokens that were seen before. Open WebUI makes a new one for every call, but two calls of one second are equal."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from gateway.user_jwt import LEEWAY, OLDEST

AGAIN = 10.0  # seconds within which an equal token is another call of the same moment
REMEMBERED = 200_000  # tokens; there are at most as many as users times seconds of a token's life


class Replays:
    """Remembers every token for as long as it would be taken."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._first: OrderedDict[bytes, float] = OrderedDict()
        self._remembered = remembered
        self._forgotten = float("-inf")  # tokens first seen until then may be forgotten

    def replayed(self, token: str, issued_at: float, now: float) -> bool:
        """Whether the token was first seen too long ago; it is remembered. One that may have been forgotten for want
        of room counts as seen."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        first = self._first.get(digest)
        if first is None:
            if issued_at - LEEWAY <= self._forgotten and now - issued_at > AGAIN + LEEWAY:
                return True
            self._first[digest] = first = now
            self._forget(now)
        return now - first > AGAIN

    def _forget(self, now: float) -> None:
        while self._first:
            first = next(iter(self._first.values()))
            too_many = len(self._first) > self._remembered
            if not too_many and first >= now - OLDEST - 3 * LEEWAY:
                return
            self._first.popitem(last=False)
            if too_many:
                self._forgotten = max(self._forgotten, first)
