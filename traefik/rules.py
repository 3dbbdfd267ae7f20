"""The rules by which routers know their requests."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Which router wins when the rules of several fit: the more particular.
PRIORITY = {"": 10, "files": 20, "closed": 30}

#: How much a router for requests through Cloudflare goes before its twin.
BEFORE = 5


def host(name: str) -> str:
    """Requests to a public name."""
    return f"Host(`{name}`)"


def below(prefixes: Sequence[str], *, exact: bool) -> str:
    """Paths that are one of these or lie below it. Traefik has cleaned the path before: nothing doubled, dotted or
    encoded without need is left of it. Unless `exact`, capitals are the same as small letters."""
    words = "|".join(re.escape(prefix.strip("/")) for prefix in sorted(prefixes))
    return f"PathRegexp(`{'' if exact else '(?i)'}^/+(?:{words})(?:/|$)`)"


def sent_from(networks: Sequence[str]) -> str:
    """Requests whose connection comes from one of the networks."""
    return "(" + " || ".join(f"ClientIP(`{network}`)" for network in networks) + ")"
