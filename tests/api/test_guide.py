"""The examples of docs/api.md, run as a reader would, against a real gateway of the example house."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.api.routes import ROUTES
from tests.api.conftest import Client
from tests.api.guide import DOCS, Block, programs, same
from tests.api.guide_house import guide_house
from tests.conformance import node_package

COMMANDS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable], "javascript": ["node"]}
ENDINGS = {"bash": "sh", "python": "py", "javascript": "mjs"}
EXAMPLES = [pytest.param(one, id=f"{one.heading}-{one.kind}") for one in programs("api.md")]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Petro Pro, with a key that may make keys."""
    folder = tmp_path_factory.mktemp("guide")
    folder.chmod(0o755)
    with guide_house(folder) as hall:
        guest = hall.guest("pro")
        yield Client(hall, guest, hall.key(guest, manages=True))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where `npm install openai` was run, and where curl says when it was refused."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n", "utf-8")
    if node_package.node() is not None:
        (folder / "node_modules").mkdir()
        (folder / "node_modules" / "openai").symlink_to(node_package.fetched(), target_is_directory=True)
    return folder


def run(block: Block, reader: Client, desk: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a file of the desk."""
    file = desk / f"example.{ENDINGS[block.kind]}"
    file.write_text(block.text, "utf-8")
    told = {"MAITRE_URL": reader.url, "MAITRE_KEY": reader.key, "CURL_HOME": str(desk), "PYTHONWARNINGS": "error"}
    environment = {**os.environ, **told}
    command = [*COMMANDS[block.kind], str(file)]
    return subprocess.run(command, env=environment, cwd=desk, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_works_as_it_stands(block: Block, reader: Client, desk: Path) -> None:
    """It succeeds, and prints what the page shows."""
    if block.kind == "javascript" and node_package.node() is None:
        pytest.skip(node_package.MISSING)
    done = run(block, reader, desk)
    assert (done.returncode != 0) == (block.note == "refused"), done.stdout + done.stderr
    assert block.prints is not None
    assert same(done.stdout, block.prints), done.stdout


def test_every_section_with_examples_has_all_three_languages() -> None:
    """A reader finds their own in each."""
    kinds: dict[str, list[str]] = {}
    for one in programs("api.md"):
        kinds.setdefault(one.heading, []).append(one.kind)
    assert all(found == ["bash", "python", "javascript"] for found in kinds.values()), kinds


def test_every_path_for_clients_stands_in_the_page() -> None:
    """Nothing of the public API is left untold."""
    page = (DOCS / "api.md").read_text("utf-8")
    for route in ROUTES:
        if not route.path.startswith("/docs/"):
            assert route.path in page, route.path
