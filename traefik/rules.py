"""The rules by which routers know their requests."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Which router wins when the rules of several fit: the more particular.
PRIORITY = {"": 10, "files": 20, "bodies": 30, "refused": 40, "closed": 50}

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


#: Requests that say how long they are.
SAID = "HeaderRegexp(`Content-Length`, `^[0-9]+$`)"


def digits(least: int, most: int | None) -> str:
    """Requests whose length in bytes has so many digits. If a header says several, it has them all."""
    return f"HeaderRegexp(`Content-Length`, `^[0-9]{{{least},{'' if most is None else most}}}$`)"


def methods(*names: str) -> str:
    """Requests by one of these methods."""
    return "(" + " || ".join(f"Method(`{name}`)" for name in names) + ")"


def sent_from(networks: Sequence[str]) -> str:
    """Requests whose connection comes from one of the networks."""
    return "(" + " || ".join(f"ClientIP(`{network}`)" for network in networks) + ")"
