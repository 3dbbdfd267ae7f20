"""The middlewares that routes share."""

from __future__ import annotations

from typing import Any

from compose.stack.settings import Stack
from traefik.access import allow, login
from traefik.headers import headers
from traefik.networks import NOBODY
from traefik.places import Places

#: Whoever comes through Cloudflare has a twin of each middleware that looks at addresses.
THROUGH_CLOUDFLARE = "-cloudflare"

#: Those that look at the guest's address.
BY_ADDRESS = ("allow", "limit", "limit-files")

#: Whoever gets IPv6 gets at least so many bits of it: all of them are one guest.
IPV6_SITE = 64


def middlewares(stack: Stack, places: Places) -> dict[str, Any]:
    """Every middleware of a stack by its name."""
    found: dict[str, Any] = {
        "closed": {"ipAllowList": {"rejectStatusCode": 404, "sourceRange": [NOBODY]}},
        "compress": {"compress": {"excludedContentTypes": ["text/event-stream", "application/x-ndjson"]}},
        "headers": {"headers": headers(stack.tls.kind != "none")},
        "login": {"basicAuth": login(places)},
        # Only what was never sent is sent again, a POST too: once a byte of it is on its way, an end is an answer.
        "retry": {"retry": {"attempts": 4, "initialInterval": "100ms"}},
        **_by_address(stack, "", {}),
    }
    if stack.cloudflare:
        # Cloudflare writes last whom it was called by; what stands before that is the guest's own writing.
        found |= _by_address(stack, THROUGH_CLOUDFLARE, {"depth": 1})
    return found


def _by_address(stack: Stack, twin: str, strategy: dict[str, int]) -> dict[str, Any]:
    listed = {"sourceRange": allow(stack), **({"ipStrategy": strategy} if strategy else {})}
    return {
        f"allow{twin}": {"ipAllowList": listed},
        f"limit{twin}": {"rateLimit": _limit(stack, stack.rate_limit.burst, strategy)},
        f"limit-files{twin}": {"rateLimit": _limit(stack, stack.rate_limit.files_burst, strategy)},
    }


def _limit(stack: Stack, burst: int, strategy: dict[str, int]) -> dict[str, Any]:
    criterion = {"ipStrategy": {"ipv6Subnet": IPV6_SITE, **strategy}}
    return {"average": stack.rate_limit.average, "burst": burst, "period": "1s", "sourceCriterion": criterion}
