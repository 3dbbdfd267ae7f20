"""Traefik's dynamic files: one for each service, and one for what they share. Traefik watches their folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compose.stack import Stack
from maitre.errors import HouseError
from traefik.access import guards
from traefik.middlewares import THROUGH_CLOUDFLARE, middlewares
from traefik.places import CONTAINER, Places
from traefik.routed import Routed
from traefik.rules import BEFORE, PRIORITY, below, host, sent_from
from traefik.services import TRANSPORTS, service
from traefik.static import public_entry_point

#: Those of the middlewares that look at the guest's address.
_BY_ADDRESS = ("limit", "limit-files", "allow")

_LAST = ("headers", "compress")


def dynamic(routes: Sequence[Routed], stack: Stack, places: Places = CONTAINER) -> dict[str, dict[str, Any]]:
    """The files of a stack by their names. Raises HouseError when a service cannot be reached as it is wished."""
    names = [route.host for route in routes if route.host] + [_dashboard_host(stack)]
    for name in names:
        if name and names.count(name) > 1:
            raise HouseError(f"Two services have the host name “{name}” (stack.hosts).")
    return {
        **{f"{route.service}.yaml": _file_of(route, stack, places) for route in routes},
        "shared.yaml": _shared(stack, places),
    }


def _file_of(route: Routed, stack: Stack, places: Places) -> dict[str, Any]:
    return {"http": {"routers": _routers(route, stack, places), "services": {route.service: service(route)}}}


def _routers(route: Routed, stack: Stack, places: Places) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if route.host:
        here, guarded, name = host(route.host), guards(route, stack), route.service
        found |= _twins(name, here, "", ("limit", *guarded, *_LAST), name, stack, places)
        if route.files:
            files = f"{here} && {below(route.files, exact=True)}"
            found |= _twins(f"{name}-files", files, "files", ("limit-files", *guarded, *_LAST), name, stack, places)
        if route.closed:
            # Whoever comes through Cloudflare is nobody, too.
            rule = f"{here} && {below(route.closed, exact=False)}"
            found[f"{name}-closed"] = _router(rule, ("closed",), "noop@internal", PRIORITY["closed"], stack)
    if route.entry_point:
        found[f"{route.service}-internal"] = {
            "entryPoints": [route.entry_point],
            "rule": "PathPrefix(`/`)",
            "service": route.service,
        }
    return found


def _twins(
    name: str, rule: str, kind: str, chain: tuple[str, ...], served: str, stack: Stack, places: Places
) -> dict[str, Any]:
    """A router, and, with Cloudflare before the house, the one for what comes through it."""
    found = {name: _router(rule, chain, served, PRIORITY[kind], stack)}
    if stack.cloudflare:
        through = tuple(f"{one}{THROUGH_CLOUDFLARE}" if one in _BY_ADDRESS else one for one in chain)
        found[f"{name}{THROUGH_CLOUDFLARE}"] = _router(
            f"{rule} && {sent_from(places.cloudflare)}", through, served, PRIORITY[kind] + BEFORE, stack
        )
    return found


def _router(rule: str, chain: tuple[str, ...], served: str, priority: int, stack: Stack) -> dict[str, Any]:
    return {
        "entryPoints": [public_entry_point(stack)],
        "middlewares": list(chain),
        "priority": priority,
        "rule": rule,
        "service": served,
    }


def _dashboard_host(stack: Stack) -> str | None:
    return stack.hosts.get("dashboard")


def _shared(stack: Stack, places: Places) -> dict[str, Any]:
    # Neighbours read which servers are there; the dashboard's pages are for people, who have a login.
    routers: dict[str, Any] = {
        "api": {"entryPoints": ["traefik"], "rule": "PathPrefix(`/api`)", "service": "api@internal"}
    }
    if name := _dashboard_host(stack):
        chain = ("limit", "allow", "login", *_LAST)
        routers |= _twins("dashboard", host(name), "", chain, "api@internal", stack, places)
    made: dict[str, Any] = {
        "http": {
            "middlewares": middlewares(stack, places),
            "routers": routers,
            "serversTransports": TRANSPORTS,
        }
    }
    if stack.tls.kind != "none":
        made["tls"] = {"options": {"default": {"minVersion": "VersionTLS12"}}}
    if stack.tls.kind == "files":
        certificate = {"certFile": places.certificate, "keyFile": places.key}
        made["tls"] |= {"certificates": [certificate], "stores": {"default": {"defaultCertificate": certificate}}}
    return made
