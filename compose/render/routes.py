"""What Traefik is told of the services. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compose.stack.service import Service
from compose.stack.settings import Stack
from traefik.routed import Routed

#: The names of the containers that serve now, by service.
Replicas = Mapping[str, Sequence[str]]

#: Who may come to a public name for which maitre.yaml says nothing.
ACCESS = {"open_webui": "public", "gateway": "public"}


def routes(stack: Stack, services: Mapping[str, Service], running: Replicas) -> tuple[Routed, ...]:
    """Every service that Traefik reaches, by name. A service that is rolled out is named by its containers."""
    return tuple(_routed(one, stack, running) for _, one in sorted(services.items()) if one.route is not None)


def servers(service: Service, stack: Stack, running: Replicas) -> tuple[str, ...]:
    """The names at which the service is found."""
    if service.rollout == "replace":
        return (service.name,)
    return tuple(running.get(service.name) or first(service, stack))


def first(service: Service, stack: Stack) -> tuple[str, ...]:
    """The names that Compose gives to the service's containers at first."""
    return tuple(f"{stack.project}-{service.name}-{number}" for number in range(1, service.replicas + 1))


def _routed(service: Service, stack: Stack, running: Replicas) -> Routed:
    route = service.route
    assert route is not None
    public = route.public
    return Routed(
        service=service.name,
        host=stack.hosts.get(public) if public else None,
        entry_point=route.internal,
        port=route.port,
        servers=servers(service, stack, running),
        access=stack.access.get(public, ACCESS.get(public, "basic_auth")) if public else "public",
        health=route.health,
        closed=route.closed,
        files=route.files,
        bodies=route.bodies,
    )
