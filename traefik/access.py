"""Who gets in by a public name: everybody, the networks of a list, or who has a login."""

from __future__ import annotations

from typing import Any

from compose.stack.settings import Stack
from maitre.errors import HouseError
from traefik.networks import PRIVATE
from traefik.places import Places
from traefik.routed import Routed

#: Services whose clients send a key of their own in `Authorization`, where a login would have to stand.
KEYED = frozenset({"gateway", "open_webui"})


def guards(route: Routed, stack: Stack) -> tuple[str, ...]:
    """The middlewares that decide who gets in to a service. Raises HouseError when they cannot be as wished."""
    match route.access:
        case "public":
            return ()
        case "allowlist":
            if not stack.allow:
                raise HouseError(
                    f"“{route.service}” has an allow-list (stack.access), but stack.allow names no network."
                )
            return ("allow",)
        case "basic_auth":
            if route.service in KEYED:
                raise HouseError(
                    f"“{route.service}” cannot have basic_auth (stack.access): its clients send a key of their own "
                    "where the login would stand. Use allowlist."
                )
            return ("login",)
        case unknown:
            raise HouseError(f"“{unknown}” of “{route.service}” is no access (public, allowlist, basic_auth).")


def allow(stack: Stack) -> list[str]:
    """The networks of the allow-list; without one, the private ones: nobody comes from the internet."""
    return sorted(set(stack.allow)) or list(PRIVATE)


def login(places: Places) -> dict[str, Any]:
    """The middleware that asks for a login. The hashes stand in a secret, not in a rendered file."""
    return {"realm": "Maitre", "removeHeader": True, "usersFile": places.logins}
