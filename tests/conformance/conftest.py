"""Both official clients as one fixture: a step's name and arguments in, what the client made of the answer out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.api.conftest import Client, client, hall, upstream, whole_hall
from tests.conformance import node_package, python_steps

__all__ = ["client", "hall", "upstream", "whole_hall"]

STEPS = Path(__file__).with_name("node_steps.mjs")


class Ask(Protocol):
    """Does one step with an official client."""

    def __call__(
        self, step: str, *, who: Client | None = None, key: str = "", options: Any = None, **asked: Any
    ) -> Any:
        """`who`: another guest; `key`: another key; `options`: the client's own; the rest goes into the request."""


def node(step: str, url: str, key: str, options: Mapping[str, Any], asked: Mapping[str, Any]) -> Any:
    """The step in a process of its own."""
    told = json.dumps({"url": url, "key": key, "options": options, "asked": asked})
    command = [node_package.node() or "node", str(STEPS), str(node_package.fetched()), step]
    done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["python", "node"])
def ask(request: pytest.FixtureRequest, client: Client) -> Ask:
    """One of the two clients."""
    if request.param == "node" and node_package.node() is None:
        pytest.skip(node_package.MISSING)
    do = node if request.param == "node" else python_steps.ask

    def step(step: str, *, who: Client | None = None, key: str = "", options: Any = None, **asked: Any) -> Any:
        return do(step, client.url, key or (who or client).key, options or {}, asked)

    return step
