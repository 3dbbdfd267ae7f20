"""Every route of the public API, in one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.api import chat, health, models
from gateway.api.api import Handler, OpenHandler


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path with `{names}`. Exactly one of the handlers is set; `anybody` asks for no key."""

    method: str
    path: str
    handler: Handler | None = None
    anybody: OpenHandler | None = None

    def values(self, path: str) -> Mapping[str, str] | None:
        """The values of the path's names, or None when this exact path is not the route's."""
        if "{" not in self.path:
            return {} if path == self.path else None
        match = _pattern(self.path).fullmatch(path)
        return None if match is None else match.groupdict()


@lru_cache(None)
def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", path)
    return re.compile("".join(f"(?P<{part[1:-1]}>[^/]+)" if part[:1] == "{" else re.escape(part) for part in parts))


ROUTES = (
    Route("POST", "/v1/chat/completions", chat.completions),
    Route("GET", "/v1/models", models.every),
    Route("GET", "/healthz", anybody=health.alive),
)
