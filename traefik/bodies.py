"""Requests with a body to a server that reads it before it asks who sends it: by their length, so that nobody can fill
the server's memory. Traefik's `buffering` would hold back answers, too: no stream goes through it."""

from __future__ import annotations

from typing import Any

from traefik.networks import NOBODY
from traefik.routed import Routed
from traefik.rules import SAID, digits, methods

#: Bytes of a DELETE that does not say how long it is: browsers say it of none, for few have a body.
SMALL = 65_536

#: No request has this header when Traefik looks: Go takes it away in HTTP/1, and refuses it in HTTP/2. So all guests
#: are counted as one; the host that is asked for could be spelled in many ways.
_OF_ALL = {"requestHeaderName": "Transfer-Encoding"}


def counted(route: Routed) -> dict[str, str]:
    """The rules of the lengths of which only so many may be under way, by their middlewares."""
    return {_few(route, length): digits(length, length) for length in sorted(route.bodies)}


def refused(route: Routed) -> dict[str, str]:
    """The rules of what is not let in, by their middlewares."""
    if not route.bodies:
        return {}
    return {
        f"{route.service}-too-long": digits(max(route.bodies) + 1, None),
        f"{route.service}-unsaid": f"!{SAID} && {methods('POST', 'PUT', 'PATCH')}",
    }


def small(route: Routed) -> dict[str, str]:
    """The rule of what must be small, for it does not say how long it is, by its middleware."""
    return {f"{route.service}-small": f"!{SAID} && {methods('DELETE')}"} if route.bodies else {}


def bodies(route: Routed) -> dict[str, Any]:
    """The middlewares of all these."""
    found: dict[str, Any] = {
        _few(route, length): {"inFlightReq": {"amount": most, "sourceCriterion": _OF_ALL}}
        for length, most in sorted(route.bodies.items())
    }
    for name, status in zip(refused(route), (413, 411), strict=False):
        found[name] = {"ipAllowList": {"rejectStatusCode": status, "sourceRange": [NOBODY]}}
    for name in small(route):
        found[name] = {"buffering": {"maxRequestBodyBytes": SMALL, "memRequestBodyBytes": SMALL}}
    return found


def _few(route: Routed, length: int) -> str:
    return f"{route.service}-{length}-digits"
