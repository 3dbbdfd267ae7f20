"""Every route of the public API, in one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.api import chat, health, models
from gateway.api.api import Handler, OpenHandler


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path with `{names}`. `anybody` asks for no key; `open_webui` answers its connection itself,
    for none of its users in particular."""

    method: str
    path: str
    handler: Handler | None = None
    anybody: OpenHandler | None = None
    open_webui: OpenHandler | None = None

    def values(self, path: str) -> Mapping[str, str] | None:
        """The values of the path's names, or None when this exact path is not the route's."""
        parts = re.split(r"(\{[^}]*\})", self.path)
        pattern = "".join(f"(?P<{part[1:-1]}>[^/]+)" if part[:1] == "{" else re.escape(part) for part in parts)
        match = re.fullmatch(pattern, path)
        return None if match is None else match.groupdict()


ROUTES = (
    Route("POST", "/v1/chat/completions", chat.completions),
    Route("GET", "/v1/models", models.every, open_webui=models.whole),
    Route("GET", "/healthz", anybody=health.alive),
)
