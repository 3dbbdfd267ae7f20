"""The public, OpenAI-compatible API, on an engine of its own."""

from __future__ import annotations

from collections.abc import Mapping

from devstack.part import Part
from devstack.pipelines import engine_environment, served, sources_digest
from devstack.probe import http_json
from devstack.process import Command
from maitre.settings import Endpoint, House


def part(house: House, port: int, urls: Mapping[Endpoint, str], handed_on: Mapping[str, str]) -> Part:
    """The house's gateway. `urls`: the parts it talks to; `handed_on`: more of its environment."""
    return Part(
        name="gateway",
        title="Gateway",
        port=port,
        url=f"http://127.0.0.1:{port}",
        needs=tuple(urls),
        command=Command(
            served(port, "gateway.public_api:app"),
            house.state,
            engine_environment(house, urls, handed_on),
        ),
        healthy=lambda: http_json(port, "/healthz") == {"status": "ok"},
        grace=6,
        watches=sources_digest(house),
    )
