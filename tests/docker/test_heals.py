"""The first process of each container is killed in turn, while guests chat: the house is well again by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
import requests

from devstack.process import wait_until
from provisioning.logins import passwords_of
from tests.docker.busy import Busy, untrue, upstream
from tests.docker.deployed import SCRIPTED, Guest
from tests.docker.load import Load
from tests.engine.answers import script

WHO = "admin@maitre.example"
#: The rag service and its worker are killed too; they have no guests here.
SERVICES = ("postgres", "valkey", "traefik", "open_webui", "gateway", "pipelines", "ollama", "rag", "rag_worker")
PATIENCE = 180  # seconds; Open WebUI starts for a minute


class Visitor:
    """Somebody who chats in Open WebUI, over TLS, and stays signed in."""

    def __init__(self, busy: Busy) -> None:
        self._door: Guest = busy.deployed.guest("open_webui")
        login = {"email": WHO, "password": passwords_of(busy.deployed.house)[WHO]}
        told = self._door.post("/api/v1/auths/signin", json=login)
        assert told.status_code == 200, told.text
        self._door.headers["Authorization"] = f"Bearer {told.json()['token']}"

    def answered(self) -> bool:
        """Whether a chat, through Traefik, Open WebUI, Traefik again, and the Pipelines host, is answered."""
        messages = [{"role": "user", "content": script(n=3, text="All is well")}]
        body = {"model": f"models.{SCRIPTED}", "stream": False, "messages": messages}
        try:
            told = self._door.post("/api/chat/completions", json=body)
            return told.status_code == 200 and "All is" in told.json()["choices"][0]["message"]["content"]
        except (requests.RequestException, ValueError, KeyError):
            return False


@pytest.fixture(scope="module")
def visitor(busy: Busy) -> Visitor:
    """Signed in while all is well."""
    return Visitor(busy)


@pytest.fixture(scope="module")
def load(busy: Busy, visitor: Visitor, say: Callable[[str], None]) -> Iterator[Load]:
    """Guests through all kills; at the end nothing on the ledger is lost: each call that was made has exactly one row,
    and none is open."""
    before = {row["request_id"] for row in busy.rows()}
    with upstream(busy.deployed):
        with Load(busy, rate=5, streams=4, words=60) as load:
            load.until_served()
            yield load
            load.until_served()
        say(f"{dict(load.heard)}")
        assert wait_until(lambda: all(row["status"] != "open" for row in busy.rows()), PATIENCE, every=1)
        rows, calls = [row for row in busy.rows() if row["request_id"] not in before], busy.calls()
        say(f"{len(calls)} calls, {len(rows)} rows")
        assert untrue(rows, calls, broken=True) == []


@pytest.mark.parametrize("service", SERVICES)
def test_it_comes_back(busy: Busy, load: Load, visitor: Visitor, service: str) -> None:
    """Its restart policy starts the very container anew, it becomes healthy, and guests are answered at each door."""
    (before,) = busy.of(service)
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)  # `docker kill` would count as a wish that it be stopped

    def back() -> bool:
        (now,) = busy.of(service)
        return now.id == before.id and now.restarts == before.restarts + 1 and now.pid != before.pid and now.well

    assert wait_until(back, PATIENCE, every=0.5), busy.of(service)
    load.until_served()
    assert wait_until(visitor.answered, PATIENCE, every=1)
