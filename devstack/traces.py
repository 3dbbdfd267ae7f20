"""The trace receiver that stands for Langfuse in this house. It is not Langfuse: it keeps traces for `cli traces`."""

from __future__ import annotations

import sys

from devstack.part import Part
from devstack.places import ROOT, environment, folder
from devstack.probe import http_json
from devstack.process import Command
from maitre.settings import House


def part(house: House, port: int) -> Part:
    """The house's book of traces, a SQLite file in `.maitre/traces`."""
    home = house.state / "traces"

    def prepare() -> None:
        folder(home)

    return Part(
        name="traces",
        title="Trace receiver (stands for Langfuse)",
        port=port,
        url=f"http://127.0.0.1:{port}",
        command=Command(
            (
                sys.executable,
                "-m",
                "devstack.trace_receiver",
                "--port",
                str(port),
                "--file",
                str(home / "traces.sqlite"),
            ),
            house.state,
            environment(
                PYTHONPATH=str(ROOT),
                LANGFUSE_PUBLIC_KEY=house.secret("langfuse_public_key"),
                LANGFUSE_SECRET_KEY=house.secret("langfuse_secret_key"),
            ),
        ),
        prepare=prepare,
        healthy=lambda: (http_json(port, "/api/public/health") or {}).get("status") == "OK",
    )
