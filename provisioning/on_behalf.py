"""On whose behalf the operator's commands ask the gateway and the RAG service: a token for each call, signed with the
house's secret `rag_key`. The gateway reads it in gateway/on_behalf.py, the RAG service in rag_service/callers.py."""

from __future__ import annotations

from collections.abc import Sequence

import jwt

HEADER = "X-Maitre-On-Behalf-Of"
LIFE = 60  # seconds


def headers(
    key: str, now: float, user_id: str, email: str = "", groups: Sequence[str] = (), *, operator: bool = False
) -> dict[str, str]:
    """The headers of a call for a user at this time. `operator`: everything is open to it, whoever the user is."""
    claims = {
        "iss": "maitre",
        "sub": user_id,
        "email": email,
        "groups": list(groups),
        "operator": operator,
        "iat": int(now),
        "exp": int(now) + LIFE,
    }
    return {"Authorization": f"Bearer {key}", HEADER: jwt.encode(claims, key, algorithm="HS256")}
