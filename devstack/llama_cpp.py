"""A llama.cpp server with SmolLM2: a real model, small enough for any machine. For plumbing, not for quality."""

from __future__ import annotations

import sys

from devstack.part import Part
from devstack.places import ROOT, chat_model, environment
from devstack.probe import http_json
from devstack.process import Command
from maitre.providers.provider import EMBEDDED
from maitre.settings import House


def wanted(house: House) -> bool:
    """Whether any provider of the house that chats is the embedded server."""
    return any(one.base_url == EMBEDDED for name, one in house.providers.items() if name not in house.embedders)


def part(house: House, port: int) -> Part:
    """The house's upstream, with the OpenAI API below `/v1`."""
    words = (sys.executable, "-m", "devstack.llama_server", "--port", str(port), "--model", str(chat_model()))
    return Part(
        name="upstream",
        title="llama.cpp, SmolLM2",
        port=port,
        url=f"http://127.0.0.1:{port}",
        command=Command(words, house.state, environment(PYTHONPATH=str(ROOT))),
        healthy=lambda: http_json(port, "/health") == {"status": "ok"},
        patience=120,
    )
