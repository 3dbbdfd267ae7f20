"""Our images: who they run as, what they hold, and that they work on a read-only file system."""

from __future__ import annotations

import json

import pytest

from devstack.places import ROOT
from tests.docker.engine import Engine

#: As Compose runs them.
HARDENED = (
    *("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none"),
    *("--security-opt", "no-new-privileges:true"),
)
#: What each image is for.
ENTRANCES = {
    "engine": ("gateway.pipelines_host", "gateway.public_api", "commands.seed", "provisioning.seed", "cli"),
    "rag": ("rag_service.app", "rag_service.worker"),
}
IMAGES = pytest.mark.parametrize("name", sorted(ENTRANCES))


@IMAGES
def test_it_imports_what_it_is_for(engine: Engine, ours: dict[str, str], name: str) -> None:
    """Without a right, without a network, on a read-only file system."""
    code = f"import {', '.join(ENTRANCES[name])}; print('well')"
    assert engine.docker(*HARDENED, ours[name], "python", "-c", code) == "well"


@IMAGES
def test_it_is_nobody(engine: Engine, ours: dict[str, str], name: str) -> None:
    """It runs as a number that is not root's, and no file of it belongs to that number but its folder for state."""
    assert engine.docker(*HARDENED, ours[name], "id", "-u") == "10001"
    looked = ("find", "/", "-xdev", "-user", "10001")
    found = engine.docker("run", "--rm", "--network", "none", "--user", "0:0", ours[name], *looked)
    assert set(found.split()) == {"/house/.maitre"}


@IMAGES
def test_it_holds_sources_and_nothing_else_of_the_repository(engine: Engine, ours: dict[str, str], name: str) -> None:
    """No secret, no history, no tests; no pip; and nothing in its history that names this machine's index."""
    there = set(engine.docker(*HARDENED, ours[name], "ls", "-A", "/app").split())
    allowed = {"cli.py", "commands", "compose", "config", "devstack", "gateway", "maitre", "pipelines", "provisioning"}
    assert there <= {*allowed, "rag_service", "traefik", "__pycache__"}
    hidden = ("find", "/app", "/house", "/opt/maitre", "-name", ".git", "-o", "-name", "secrets", "-o", "-name", "pip")
    assert engine.docker(*HARDENED, ours[name], *hidden) == ""
    history = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", ours[name])
    assert "PIP_" not in history


@IMAGES
def test_it_says_nothing_by_itself(engine: Engine, ours: dict[str, str], name: str) -> None:
    """Command, health and ports are Compose's to say; the image only knows how it is to be stopped."""
    told = json.loads(engine.docker("image", "inspect", "--format", "{{json .Config}}", ours[name]))
    assert told.get("Healthcheck") is None
    assert told.get("ExposedPorts") is None
    assert told["StopSignal"] == "SIGTERM"
    assert told["User"] == "10001:10001"
    assert told["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_what_the_builder_is_sent() -> None:
    """The list of what may be copied names no folder of tests, state or secrets."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    assert not {"!tests", "!.maitre", "!.git", "!.venv"} & set(lines)
