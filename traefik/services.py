"""The servers of a service, and how Traefik talks to them."""

from __future__ import annotations

from typing import Any

from traefik.routed import Routed

#: Idle connections to a server live shorter than any server of ours keeps them (uvicorn's own idea is 5 s): whoever
#: sends a POST into one that is just being closed has lost it, and it cannot be sent again.
TRANSPORTS: dict[str, Any] = {"house": {"forwardingTimeouts": {"dialTimeout": "5s", "idleConnTimeout": "3s"}}}


def service(route: Routed) -> dict[str, Any]:
    """A service with its servers. It is checked only where there are several: a check takes a server away that does
    not answer it, and without the last one every request fails, even those that it would have served."""
    balancer: dict[str, Any] = {
        "passHostHeader": True,
        "servers": [{"url": f"http://{name}:{route.port}"} for name in route.servers],
        "serversTransport": "house",
    }
    if route.health and len(route.servers) > 1:
        balancer["healthCheck"] = {"interval": "5s", "path": route.health, "timeout": "3s"}
    return {"loadBalancer": balancer}
