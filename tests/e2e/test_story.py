"""The documented commands, as a newcomer types them, on a house of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.places import open_webui_python
from tests.e2e.conftest import WAYS

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not open_webui_python().exists(), reason="Open WebUI is not installed; `make install` does"),
]


def cli(house: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process, on the house."""
    environment = {**os.environ, "MAITRE_HOUSE": str(house), "NO_COLOR": "1"}
    command = [sys.executable, str(ROOT / "cli.py"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("way", WAYS)
def test_up_once_tells_the_whole_story(tmp_path: Path, way: str) -> None:
    """A fresh house of either way starts, is seeded, answers a guest, shows the bill and the trace, and is gone."""
    house = tmp_path / "house"
    assert cli(house, "init").returncode == 0
    file = house / "maitre.yaml"
    text = file.read_text("utf-8").replace("connection: pipelines", f"connection: {way}")
    file.write_text(text, "utf-8")
    story = cli(house, "up", "--once")
    assert story.returncode == 0, story.stdout + story.stderr
    for said in ("Fran Free asks General assistant", "free@maitre.example", "requests / minute", "door:api", "stopped"):
        assert said in story.stdout
    assert ("Pipelines server" in story.stdout) == (way == "pipelines")
    status = json.loads(cli(house, "status", "--json").stdout)
    assert [part["pid"] for part in status["endpoints"].values()] == [None] * len(status["endpoints"])
    again = cli(house, "down")
    assert again.returncode == 0, again.stderr


def test_init_twice_is_once(tmp_path: Path) -> None:
    """A second `init` changes no file and no secret."""
    house = tmp_path / "house"
    cli(house, "init")
    before = {file: file.read_bytes() for file in house.rglob("*") if file.is_file()}
    again = cli(house, "init")
    assert again.returncode == 0
    assert {file: file.read_bytes() for file in house.rglob("*") if file.is_file()} == before
    assert {oct(file.stat().st_mode & 0o777) for file in (house / ".maitre" / "secrets").iterdir()} == {"0o600"}
