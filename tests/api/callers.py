"""Callers of the gateway that come from another address, or as somebody else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.api.conftest import Client
from tests.user_jwt import mint

_numbers = itertools.count(1)


def address() -> str:
    """A loopback address that nobody has used; what is counted there disturbs no other test."""
    number = next(_numbers)
    return f"127.7.{number // 250}.{number % 250 + 1}"


class _From(HTTPAdapter):
    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Bind every connection to the address."""
        super().init_poolmanager(*args, **more, source_address=(self._source, 0))


def call(
    client: Client, method: str, path: str, headers: Mapping[str, str], source: str = "127.0.0.1", **more: Any
) -> requests.Response:
    """One request with these headers, from this address."""
    with requests.Session() as session:
        session.mount("http://", _From(source))
        session.trust_env = False
        return session.request(method, client.url + path, headers=dict(headers), timeout=60, **more)


def bearer(key: str) -> dict[str, str]:
    """The header with a key or a token."""
    return {"Authorization": f"Bearer {key}"}


def as_open_webui(client: Client, user: Mapping[str, Any]) -> dict[str, str]:
    """What Open WebUI's connection sends for its user."""
    house = client.hall.house
    return {**bearer(house.secret("gateway_key")), "X-OpenWebUI-User-Jwt": mint(house.secret("user_jwt"), user)}
