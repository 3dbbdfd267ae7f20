"""The public, OpenAI-compatible API, on an engine of its own."""

from __future__ import annotations

from collections.abc import Mapping

from devstack.part import Part
from devstack.pipelines import sources_digest, uvicorn
from devstack.places import ROOT, environment
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
            uvicorn(port, "gateway.public_api:app", "--ws", "none"),
            house.state,
            environment(
                **handed_on,
                PYTHONPATH=str(ROOT),
                MAITRE_HOUSE=str(house.directory),
                **{f"MAITRE_{name.upper()}_URL": url for name, url in urls.items()},
            ),
        ),
        healthy=lambda: http_json(port, "/healthz") == {"status": "ok"},
        grace=6,
        watches=sources_digest(house),
    )
