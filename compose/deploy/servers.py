"""Which containers Traefik sends a service's requests to, in its dynamic files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from compose.running import Running

_URL = re.compile(r"^(?P<scheme>[a-z0-9]+://)(?P<host>[^:/]+)(?P<rest>.*)$")


def redirected(document: Mapping[str, Any], running: Running, project: str) -> dict[str, Any]:
    """A dynamic file whose servers named by container are those that run now: the files of a release know only the
    containers of their own time. A service without containers keeps what was rendered."""
    http = document.get("http")
    if not http or not http.get("services"):
        return dict(document)
    services = {name: _redirected(one, running, project) for name, one in http["services"].items()}
    return {**document, "http": {**http, "services": services}}


def _redirected(service: Mapping[str, Any], running: Running, project: str) -> dict[str, Any]:
    balancer = service.get("loadBalancer")
    if not balancer:
        return dict(service)
    servers = list(_servers(balancer.get("servers", ()), running, project))
    return {**service, "loadBalancer": {**balancer, "servers": servers}}


def _servers(rendered: list[Mapping[str, Any]], running: Running, project: str) -> Iterator[Mapping[str, Any]]:
    done: set[str] = set()
    for server in rendered:
        found = _URL.match(server["url"])
        named = re.fullmatch(rf"{re.escape(project)}-(.+)-\d+", found["host"]) if found else None
        now = running.of(named[1]) if named else ()
        if found is None or named is None or not now:
            yield server
        elif named[1] not in done:
            done.add(named[1])
            yield from ({**server, "url": f"{found['scheme']}{one.name}{found['rest']}"} for one in now)
