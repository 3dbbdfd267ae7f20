"""What Open WebUI sends to say who asks: the key of the host, and a user token signed for one call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jwt

from maitre.settings import House


def mint(secret: str, user: Mapping[str, Any], *, algorithm: str = "HS256", **claims: Any) -> str:
    """A token as Open WebUI makes it, with some claims changed; a claim that is None is left out."""
    now = int(time.time())
    fields = {name: user.get(name) for name in ("email", "name", "role")}
    made = {"sub": user.get("id"), **fields, "iss": "open-webui", "iat": now, "exp": now + 300, **claims}
    kept = {name: value for name, value in made.items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm)


def headers_of(house: House, user: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The headers of a call from Open WebUI: for this user, or for nobody."""
    key = {"Authorization": f"Bearer {house.secret('pipelines_key')}"}
    return key if user is None else {**key, "X-OpenWebUI-User-Jwt": mint(house.secret("user_jwt"), user)}
