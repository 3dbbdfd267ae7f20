"""A reader of docs/: with a key, a desk, and a house that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.conftest import Client
from tests.conformance import node_package
from tests.engine.hall import Hall
from tests.guide.house import guide_house
from tests.guide.page import Block

COMMANDS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable], "javascript": ["node"]}
ENDINGS = {"bash": "sh", "python": "py", "javascript": "mjs"}


@dataclass(frozen=True)
class Desk:
    """A folder where `npm install openai` was run, and where curl says when it was refused."""

    folder: Path

    def environment(self, client: Client, **more: str) -> dict[str, str]:
        """What the pages tell a reader to export."""
        told = {"MAITRE_URL": client.url, "MAITRE_KEY": client.key, "CURL_HOME": str(self.folder)}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, **told, "PATH": path, "PYTHONWARNINGS": "error", **more}

    def run(self, block: Block, client: Client) -> subprocess.CompletedProcess[str]:
        """Save a block as a file, and run it. Without Node its examples are skipped."""
        if block.kind == "javascript" and node_package.node() is None:
            pytest.skip(node_package.MISSING)
        file = self.folder / f"example.{ENDINGS[block.kind]}"
        file.write_text(block.text, "utf-8")
        command, environment = [*COMMANDS[block.kind], str(file)], self.environment(client)
        return subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="session")
def guide_hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """The example house."""
    folder = tmp_path_factory.mktemp("guide")
    folder.chmod(0o755)
    with guide_house(folder) as hall:
        yield hall


@pytest.fixture(scope="session")
def reader(guide_hall: Hall) -> Client:
    """A guest of the Pro plan, with a key that may make keys."""
    guest = guide_hall.guest("pro")
    return Client(guide_hall, guest, guide_hall.key(guest, manages=True))


@pytest.fixture
def poor(guide_hall: Hall) -> Client:
    """A guest whose key has one request a day."""
    guest = guide_hall.guest("pro")
    return Client(guide_hall, guest, guide_hall.key(guest, limits={"requests_per_day": 1}))


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The reader's folder."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n", "utf-8")
    if node_package.node() is not None:
        (folder / "node_modules").mkdir()
        (folder / "node_modules" / "openai").symlink_to(node_package.fetched(), target_is_directory=True)
    return Desk(folder)
