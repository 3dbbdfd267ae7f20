"""On whose behalf the house's own RAG service asks: a token that the house signed with its secret `rag_key`.

It travels with a question from the engine to the RAG service and from there to the gateway, so that the embedding of a
guest's question is the guest's, in the guest's turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt

from maitre.chat.terms import RECORDS

HEADER = "x-maitre-on-behalf-of"
ISSUER = "maitre"
LEEWAY = 5  # seconds that two clocks may differ
LONGEST = 60  # seconds that a token is good for, whatever it says
_OPTIONS: Any = {"require": ["sub", "iss", "iat", "exp"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}


@dataclass(frozen=True, slots=True)
class Behalf:
    """Whose call it is, and the turn and the API key that it belongs to, if it does to one. `record`: the most that may
    be recorded of it."""

    user_id: str
    turn_id: str = ""
    key_id: str = ""
    record: str = "full"

    def user(self) -> dict[str, str]:
        """As Open WebUI puts it into a body. Without an e-mail: the account's own may be a newer one than a
        collection's owner was named by."""
        return {"id": self.user_id, "email": "", "name": ""}


def read(token: str, secret: str, now: float) -> Behalf | None:
    """What a token says, or None when it is not the house's or has ended."""
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], issuer=ISSUER, options=_OPTIONS)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    begun, ends, user_id = claims["iat"], claims["exp"], claims["sub"]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in (begun, ends)):
        return None
    good = begun - LEEWAY <= now <= min(ends, begun + LONGEST) + LEEWAY
    if not good or not isinstance(user_id, str) or not user_id.strip():
        return None
    turn_id, key_id, record = (claims.get(name) or "" for name in ("turn", "key", "record"))
    if not all(isinstance(one, str) for one in (turn_id, key_id, record)) or len(turn_id) > 64:
        return None
    if (record := record or "full") not in RECORDS:
        return None
    return Behalf(user_id, turn_id, key_id, record)
