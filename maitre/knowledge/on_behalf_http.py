"""On whose behalf the engine asks the RAG service: the headers of a request, with a token that lives a minute."""

from __future__ import annotations

from collections.abc import Sequence

import jwt

HEADER = "X-Maitre-On-Behalf-Of"

#: How long a token is good. Seconds.
LIFE = 60


def headers(
    key: str,
    now: float,
    user_id: str,
    *,
    email: str = "",
    groups: Sequence[str] = (),
    assistant: str = "",
    turn_id: str = "",
    key_id: str = "",
    record: str = "full",
) -> dict[str, str]:
    """The headers of a request for a user at this time (seconds since the epoch), signed with the house's `rag_key`.
    What is asked of the gateway for it belongs to the turn `turn_id`, and to the API key `key_id`; no more of it is
    recorded than `record` allows."""
    claims = {
        "iss": "maitre",
        "sub": user_id,
        "email": email,
        "groups": list(groups),
        "assistant": assistant,
        "turn": turn_id,
        "key": key_id,
        "record": record,
        "operator": False,
        "iat": int(now),
        "exp": int(now) + LIFE,
    }
    return {"Authorization": f"Bearer {key}", HEADER: jwt.encode(claims, key, algorithm="HS256")}
