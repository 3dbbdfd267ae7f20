"""The engine of the tests' own, and the images that it holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devstack.places import ROOT
from devstack.process import identify
from tests.docker.base import TAG
from tests.docker.engine import Engine, running_engine
from tests.docker.images import stand_ins as wanted
from tests.docker.programs import program


def test_it_ends_and_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    """A second engine runs beside the first; at its end its process and its folder are gone, and the first goes on."""
    with running_engine(tmp_path) as other:
        assert other.docker("info", "--format", "{{.DockerRootDir}}") == str(tmp_path / "data")
        assert identify(other.pid)
    assert identify(other.pid) is None
    assert not other.socket.parent.exists()
    assert engine.docker("info", "--format", "{{.Driver}}")


def test_it_ends_with_whoever_started_it(engine: Engine, tmp_path: Path, eventually: Callable[..., Any]) -> None:
    """Killed tests leave no engine behind."""
    code = (
        "import sys, time; from pathlib import Path; from tests.docker.engine import running_engine\n"
        "with running_engine(Path(sys.argv[1])) as engine: print(engine.pid, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert starter.stdout
    with starter:
        pid = int(starter.stdout.readline())
        assert identify(pid)
        starter.kill()
    eventually(lambda: identify(pid) is None, "the engine goes on without the tests")


def test_the_images_are_there(engine: Engine, stand_ins: None) -> None:
    """Every image of the core has a stand-in under its own name."""
    there = engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    assert {TAG, *(one.tag for one in wanted())} <= set(there)


def test_compose_brings_containers_together(engine: Engine, stand_ins: None, tmp_path: Path) -> None:
    """Two containers of one network find each other by name."""
    file = tmp_path / "compose.yaml"
    file.write_text(
        f"""
name: pair
services:
  one:
    image: {TAG}
    command: [python, -m, http.server, "8000"]
    init: true
    networks: [inside]
    healthcheck: {{test: [CMD, python, -c, "import urllib.request as r; r.urlopen('http://one:8000/')"], interval: 1s}}
  two:
    image: {TAG}
    command: [python, -c, "import urllib.request as r; print(r.urlopen('http://one:8000/').status)"]
    networks: [inside]
    depends_on: {{one: {{condition: service_healthy}}}}
networks:
  inside: {{internal: true}}
"""
    )
    compose = (program("docker-compose"), "--file", str(file))
    try:
        done = engine.run(*compose, "up", "--exit-code-from", "two")
        assert done.returncode == 0, done.stderr.decode()
        assert b"200" in done.stdout
    finally:
        engine.run(*compose, "down", "--timeout", "1")
    assert engine.docker("ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=pair") == ""
