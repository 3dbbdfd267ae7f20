"""One gateway for the suite, in a process of its own, on real stores and a scripted upstream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from devstack.process import alive
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.upstream import ScriptedUpstream, running_upstream


@dataclass(frozen=True)
class Client:
    """A guest with an API key."""

    hall: Hall
    guest: dict[str, str]
    key: str

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self.hall.parts["gateway"].url

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every request."""
        return {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str, **more: Any) -> requests.Response:
        """GET a path with the key."""
        return requests.get(self.url + path, headers=self.headers, timeout=60, **more)

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        """POST a JSON body with the key."""
        return requests.post(self.url + path, json=body, headers=self.headers, timeout=60, **more)

    def chat(self, text: str = "hello", **more: Any) -> requests.Response:
        """A chat completion."""
        body = {"model": "assistants.host", "messages": [{"role": "user", "content": text}], **more}
        return self.post("/v1/chat/completions", body)


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    """The scripted upstream of the gateway; its log is of the whole session."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="session")
def whole_hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[Hall]:
    """The stores and the gateway, seeded and running, with nobody who takes its traces."""
    folder = tmp_path_factory.mktemp("api")
    with seeded_hall(folder, upstream.url) as hall:
        hall.start("gateway")
        yield hall


@pytest.fixture
def hall(whole_hall: Hall) -> Hall:
    """The hall with all its parts running, whatever the test before did to them."""
    for name in ("postgres", "valkey", "gateway"):
        if not alive(whole_hall.who[name]):
            whole_hall.start(name)
    return whole_hall


@pytest.fixture
def client(hall: Hall) -> Client:
    """A fresh guest on the widest plan, with a key."""
    guest = hall.guest()
    return Client(hall, guest, hall.key(guest))
