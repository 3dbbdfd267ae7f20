"""Traefik in its container: told by its dynamic files, asked by its API. Implements `compose.deploy.rollout.Proxy`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import docker
import requests
import yaml

from compose.deploy.docker_engine import reached
from compose.deploy.engine import Engine
from compose.deploy.servers import redirected
from compose.running import Container, Running
from maitre.errors import HouseError

TIMEOUT = 5  # seconds
#: Lists are cut into pages; no house has so many services.
_ALL = {"per_page": 1000}


class TraefikProxy:
    """`dynamic` is the folder that Traefik watches, `api` where its API answers from here, or None while it does not
    run (`http://172.18.0.2:8080`: a container of a bridge network can be reached from the engine's host)."""

    def __init__(self, engine: Engine, dynamic: Path, project: str, api: Callable[[], str | None]) -> None:
        self._engine, self._dynamic, self._project, self._api = engine, dynamic, project, api

    def send(self, containers: tuple[Container, ...]) -> None:
        """Write down that their service's new requests go to these containers only."""
        for file in sorted(self._dynamic.glob("*.yaml")):
            before = yaml.safe_load(file.read_text("utf-8")) or {}
            after = redirected(before, Running(containers), self._project)
            if after != before:
                self._engine.write_dynamic(file.name, yaml.safe_dump(after))

    def sends(self, service: str) -> frozenset[str] | None:
        """The names of the containers that a service's new requests go to now."""
        if (api := self._api()) is None:
            return None
        try:
            answer = requests.get(f"{api}/api/http/services", params=_ALL, timeout=TIMEOUT)
            answer.raise_for_status()
            found = [one.get("loadBalancer") or {} for one in answer.json()]
        except (requests.RequestException, ValueError) as silent:
            raise HouseError(f"Traefik does not say at {api}/api where it sends requests ({silent}).") from silent
        hosts = {urlsplit(server.get("url", "")).hostname or "" for one in found for server in one.get("servers") or ()}
        named = re.compile(rf"{re.escape(self._project)}-{re.escape(service)}-\d+")
        return frozenset(host for host in hosts if named.fullmatch(host))


def api_of(client: docker.DockerClient, project: str, port: int = 8080) -> Callable[[], str | None]:
    """Where the API of a project's Traefik answers from the engine's host, asked anew each time: a container that was
    recreated has another address."""
    labels = [f"com.docker.compose.project={project}", "com.docker.compose.service=traefik"]

    def look() -> str | None:
        with reached():
            found = client.api.containers(filters={"label": labels})
        for one in found:
            for network in one["NetworkSettings"]["Networks"].values():
                if network["IPAddress"]:
                    return f"http://{network['IPAddress']}:{port}"
        return None

    return look
