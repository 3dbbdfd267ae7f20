"""The RAG service and its worker: knowledge, for a house that has any."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from devstack.part import Part
from devstack.pipelines import digest, engine_environment, served
from devstack.places import ROOT
from devstack.probe import http_json
from devstack.process import Command
from maitre.settings import Endpoint, House


def wanted(house: House) -> bool:
    """Whether the house says anything of knowledge."""
    return house.rag is not None


def url(port: int) -> str:
    """Where the service is."""
    return f"http://127.0.0.1:{port}"


def service(house: House, port: int, urls: Mapping[Endpoint, str], handed_on: Mapping[str, str]) -> Part:
    """The RAG service. `urls`: the parts it talks to, of which only Postgres must be there before it."""
    return Part(
        name="rag",
        title="RAG service",
        port=port,
        url=url(port),
        needs=("postgres",),
        command=Command(
            served(port, "rag_service.app:app"),
            house.state,
            engine_environment(house, urls, handed_on),
        ),
        healthy=lambda: http_json(port, "/health") == {"status": "ok"},
        grace=6,
        watches=digest(_sources(house)),
    )


def worker(house: House, port: int, urls: Mapping[Endpoint, str], handed_on: Mapping[str, str]) -> Part:
    """Its worker, which indexes documents. On its port it only says how it is."""
    return Part(
        name="rag_worker",
        title="RAG worker",
        port=port,
        url=url(port),
        needs=("postgres",),
        command=Command(
            (sys.executable, "-m", "rag_service.worker", "--port", str(port)),
            house.state,
            engine_environment(house, urls, handed_on),
        ),
        healthy=lambda: http_json(port, "/health") == {"status": "ok"},
        watches=digest(_sources(house)),
    )


def _sources(house: House) -> list[Path]:
    ours = [file for file in (ROOT / "rag_service").rglob("*") if file.suffix in {".py", ".sql"}]
    return [house.directory / "maitre.yaml", *(house.state / "secrets").glob("*"), *ours]
