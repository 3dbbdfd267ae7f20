"""Traefik's dynamic files: one for each service, and one for what they share. Traefik watches their folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compose.stack.settings import Stack
from maitre.errors import HouseError
from traefik.bodies import bodies
from traefik.middlewares import middlewares
from traefik.places import CONTAINER, Places
from traefik.routed import Routed
from traefik.routers import SEEN, public, routers
from traefik.rules import host
from traefik.services import TRANSPORTS, service

#: The key of Traefik's own pages in `stack.hosts` and `stack.access`.
DASHBOARD = "dashboard"


def dynamic(routes: Sequence[Routed], stack: Stack, places: Places = CONTAINER) -> dict[str, dict[str, Any]]:
    """The files of a stack by their names. Raises HouseError when a service cannot be reached as it is wished."""
    names = [name for name in (*(route.host for route in routes), stack.hosts.get(DASHBOARD)) if name]
    for name in names:
        if names.count(name) > 1:
            raise HouseError(f"Two services have the host name “{name}” (stack.hosts).")
    return {
        **{f"{route.service}.yaml": _own(route, stack, places) for route in routes},
        "shared.yaml": _shared(stack, places),
    }


def _own(route: Routed, stack: Stack, places: Places) -> dict[str, Any]:
    http = {"routers": routers(route, stack, places), "services": {route.service: service(route)}}
    own = bodies(route) if route.host else {}
    return {"http": {**({"middlewares": own} if own else {}), **http}}


def _shared(stack: Stack, places: Places) -> dict[str, Any]:
    http = {
        "middlewares": middlewares(stack, places),
        "routers": _of_traefik(stack, places),
        "serversTransports": TRANSPORTS,
    }
    return {"http": http, **({} if stack.tls.kind == "none" else {"tls": _tls(stack, places)})}


def _of_traefik(stack: Stack, places: Places) -> dict[str, Any]:
    """Its API for a deploy, which asks inside; its pages for people from the networks of the list with a login."""
    found: dict[str, Any] = {
        "api": {"entryPoints": ["traefik"], "rule": "PathPrefix(`/api`)", "service": "api@internal"}
    }
    if name := stack.hosts.get(DASHBOARD):
        if stack.access.get(DASHBOARD) == "public":
            raise HouseError("The dashboard cannot be public (stack.access): it shows how the whole house is reached.")
        found |= public(DASHBOARD, host(name), "", ("limit", "allow", "login", *SEEN), "api@internal", stack, places)
    return found


def _tls(stack: Stack, places: Places) -> dict[str, Any]:
    found: dict[str, Any] = {"options": {"default": {"minVersion": "VersionTLS12"}}}
    if stack.tls.kind == "files":
        own = {"certFile": places.certificate, "keyFile": places.key}
        found |= {"certificates": [own], "stores": {"default": {"defaultCertificate": own}}}
    return found
