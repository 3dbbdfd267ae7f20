"""What the tests route: the services of the real stack, with servers on loopback."""

from __future__ import annotations

from dataclasses import replace

from compose.stack.settings import Stack, Tls
from traefik.routed import Routed

HOSTS = {"dashboard": "traefik.example", "gateway": "api.example", "open_webui": "chat.example"}

#: Without TLS, as on a host behind WireGuard.
PLAIN = Stack(hosts=HOSTS, tls=Tls(kind="none"))

OPEN_WEBUI = Routed(
    *("open_webui", "chat.example", None, 8080, ("127.0.0.1",), "public", "/health"),
    closed=("/openai", "/ollama"),
    files=("/_app", "/static"),
    bodies={7: 32, 8: 4},
)
GATEWAY = Routed(
    *("gateway", "api.example", "gateway", 8000, ("127.0.0.1",), "public", "/healthz"),
    closed=("/metrics", "/healthz", "/readyz"),
)
PIPELINES = Routed("pipelines", None, "pipelines", 9099, ("127.0.0.1",), "public", "/healthz")
LANGFUSE = Routed("langfuse", "langfuse.example", None, 3000, ("127.0.0.1",), "basic_auth", None)


def at(port: int, *routes: Routed) -> list[Routed]:
    """The routes with their servers at one port."""
    return [replace(route, port=port) for route in routes]
