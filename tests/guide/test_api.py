"""The examples of docs/api.md."""

from __future__ import annotations

import pytest

from gateway.api.routes import ROUTES
from tests.api.conftest import Client
from tests.guide.conftest import Desk
from tests.guide.page import DOCS, Block, programs, same

EXAMPLES = [pytest.param(one, id=f"{one.heading}-{one.kind}") for one in programs("api.md")]


@pytest.mark.parametrize("block", EXAMPLES)
def test_an_example_works_as_it_stands(block: Block, reader: Client, desk: Desk) -> None:
    """It succeeds, and prints what the page shows."""
    done = desk.run(block, reader)
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
