"""Which paths lead anywhere. The upstream server's own routes, enumerated, and no other spelling of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: The two paths that answer without the key: whether the process lives, and whether it can serve.
HEALTH, READY = "/healthz", "/readyz"

#: Chat completions, which the host looks into.
CHAT = frozenset({"/chat/completions", "/v1/chat/completions"})

#: Beginnings of upstream's routes that load code or describe it: closed unless the operator opens them.
_MANAGEMENT = ("/pipelines/", "/docs", "/redoc", "/openapi")

_ODD = re.compile(r"%|//|\\|;|[\x00-\x20\x7f-\uffff]|/\.{1,2}(/|$)")


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the upstream server: its path with `{names}`, and its methods."""

    path: str
    methods: frozenset[str]

    @property
    def management(self) -> bool:
        """Whether it loads, removes or describes plugins' code."""
        return self.path.removeprefix("/v1").startswith(_MANAGEMENT)

    def leads(self, path: str) -> bool:
        """Whether this exact path is the route's."""
        pattern = "".join(
            "[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", self.path)
        )
        return re.fullmatch(pattern, path) is not None


def plain(path: str, raw_path: bytes | None) -> bool:
    """Whether a path is spelled plainly: nothing encoded, doubled, dotted or trailing, and received as it is read."""
    if raw_path is None or raw_path != path.encode("utf-8", "replace"):
        return False
    return path.startswith("/") and not _ODD.search(path) and (path == "/" or not path.endswith("/"))


def methods_of(routes: Iterable[Route], path: str, *, management: bool) -> frozenset[str]:
    """The methods that a plain path takes; none when it leads nowhere. `management`: whether that is open."""
    open_routes = (route for route in routes if management or not route.management)
    return frozenset[str]().union(*(route.methods for route in open_routes if route.leads(path)))
