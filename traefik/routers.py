"""The routers: which requests go through what to which service."""

from __future__ import annotations

from typing import Any

from compose.stack.settings import Stack
from traefik.access import guards
from traefik.bodies import counted, refused, small
from traefik.middlewares import BY_ADDRESS, THROUGH_CLOUDFLARE
from traefik.places import Places
from traefik.routed import Routed
from traefik.rules import BEFORE, PRIORITY, below, host, sent_from
from traefik.static import public_entry_point

#: What every public answer goes through.
SEEN = ("headers", "compress")


def routers(route: Routed, stack: Stack, places: Places) -> dict[str, Any]:
    """Those of one service by their names. Raises HouseError when it cannot be reached as it is wished."""
    found: dict[str, Any] = {}
    if route.host:
        here, name = host(route.host), route.service
        chain = (*guards(route, stack), *SEEN, "retry")
        found |= public(name, here, "", ("limit", *chain), name, stack, places)
        if route.files:
            rule = f"{here} && {below(route.files, exact=True)}"
            found |= public(f"{name}-files", rule, "files", ("limit-files", *chain), name, stack, places)
        for one, length in {**counted(route), **small(route)}.items():
            chained = ("limit", *guards(route, stack), one, *SEEN, "retry")
            found |= public(one, f"{here} && {length}", "bodies", chained, name, stack, places)
        for one, length in refused(route).items():
            # By the name of the service that it does not reach: what goes to noop@internal is not in the access log.
            found[one] = _router(f"{here} && {length}", (one,), name, PRIORITY["refused"], stack)
        if route.closed:
            rule = f"{here} && {below(route.closed, exact=False)}"
            found[f"{name}-closed"] = _router(rule, ("closed",), "noop@internal", PRIORITY["closed"], stack)
    if route.entry_point:
        found[f"{route.service}-internal"] = {
            "entryPoints": [route.entry_point],
            "middlewares": ["retry"],
            "rule": "PathPrefix(`/`)",
            "service": route.service,
        }
    return found


def public(
    name: str, rule: str, kind: str, chain: tuple[str, ...], served: str, stack: Stack, places: Places
) -> dict[str, Any]:
    """A router for guests and, with Cloudflare before the house, its twin for what comes through there: only its
    connections may say whom they come from, and who reaches the house by another way is looked at as who calls."""
    found = {name: _router(rule, chain, served, PRIORITY[kind], stack)}
    if stack.cloudflare:
        through = tuple(f"{one}{THROUGH_CLOUDFLARE}" if one in BY_ADDRESS else one for one in chain)
        sent = f"{rule} && {sent_from(places.cloudflare)}"
        found[f"{name}{THROUGH_CLOUDFLARE}"] = _router(sent, through, served, PRIORITY[kind] + BEFORE, stack)
    return found


def _router(rule: str, chain: tuple[str, ...], served: str, priority: int, stack: Stack) -> dict[str, Any]:
    return {
        "entryPoints": [public_entry_point(stack)],
        "middlewares": list(chain),
        "priority": priority,
        "rule": rule,
        "service": served,
    }
