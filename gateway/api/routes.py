"""Every route of the public API, in one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.api import assistants, chat, docs, embeddings, health, keys, metrics, models, sessions, usage
from gateway.api.api import Handler, OpenHandler


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path with `{names}`. `anybody` asks for no key; `open_webui` answers its connection itself,
    for none of its users in particular. `welcomes`: the handler itself takes the account through the reception, and
    looks at little before, so that nobody needs to do it. `served`: open to the house's RAG service, too."""

    method: str
    path: str
    handler: Handler | None = None
    anybody: OpenHandler | None = None
    open_webui: OpenHandler | None = None
    welcomes: bool = False
    served: bool = False

    def values(self, path: str) -> Mapping[str, str] | None:
        """The values of the path's names, or None when this exact path is not the route's."""
        if "{" not in self.path:
            return {} if path == self.path else None
        match = _pattern(self.path).fullmatch(path)
        return None if match is None else match.groupdict()


def routes_of(path: str) -> Mapping[str, tuple[Route, Mapping[str, str]]]:
    """The routes of an exact path by their methods, each with the values of its names."""
    if (exact := _EXACT.get(path)) is not None:
        return exact
    return {route.method: (route, values) for route in ROUTES if (values := route.values(path)) is not None}


@lru_cache(None)
def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", path)
    return re.compile("".join(f"(?P<{part[1:-1]}>[^/]+)" if part[:1] == "{" else re.escape(part) for part in parts))


ROUTES = (
    Route("POST", "/v1/chat/completions", chat.completions, welcomes=True, served=True),
    Route("POST", "/v1/embeddings", embeddings.create, served=True),
    Route("GET", "/v1/models", models.every, open_webui=models.whole, welcomes=True),
    Route("GET", "/v1/sessions", sessions.listed),
    Route("GET", "/v1/sessions/{id}", sessions.read),
    Route("DELETE", "/v1/sessions/{id}", sessions.drop),
    Route("POST", "/api/v1/assistants/{slug}/chat", assistants.chat, welcomes=True),
    Route("POST", "/api/v1/assistants/{slug}/invoke", assistants.post_invoke),
    Route("GET", "/api/v1/assistants/{slug}/invoke", assistants.get_invoke),
    Route("POST", "/v1/key/generate", keys.generate, welcomes=True),
    Route("GET", "/v1/key/list", keys.every, welcomes=True),
    Route("POST", "/v1/key/revoke", keys.revoke, welcomes=True),
    Route("POST", "/v1/key/rotate", keys.rotate, welcomes=True),
    Route("POST", "/v1/token", keys.token),
    Route("GET", "/v1/usage", usage.windows, welcomes=True),
    Route("GET", "/v1/usage/history", usage.history, welcomes=True),
    Route("GET", "/v1/queue", usage.waiting),
    Route("GET", "/v1/queue/{id}", usage.whereabouts),
    Route("GET", "/healthz", anybody=health.alive),
    Route("GET", "/readyz", anybody=health.ready),
    Route("GET", "/metrics", anybody=metrics.metrics),
    Route("GET", "/openapi.json", anybody=docs.openapi),
    Route("GET", "/docs", anybody=docs.page),
    Route("GET", "/docs/{file}", anybody=docs.file),
)

#: The routes of the paths without names: nearly every request's, found at once.
_EXACT: Mapping[str, Mapping[str, tuple[Route, Mapping[str, str]]]] = {
    path: {route.method: (route, {}) for route in ROUTES if route.path == path}
    for path in {route.path for route in ROUTES if "{" not in route.path}
}
