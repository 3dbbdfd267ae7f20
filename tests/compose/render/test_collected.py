"""Which entries of a house's folder hold the documents of its collections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compose.render.collected import collected
from maitre.errors import ConfigError
from maitre.knowledge.collection import Collection
from maitre.settings import House, load_house
from tests.devstack.conftest import make_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house with documents in two folders, and with one beside them."""
    make_house(tmp_path / "house")
    for name in ("a/one.md", "a/deep/two.md", "b/three.md", "four.md", ".git/five.md"):
        file = tmp_path / "house" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return load_house(tmp_path / "house")


def entries(house: House, *files: str) -> set[str]:
    """What is collected for one collection of these patterns."""
    return set(collected(replace(house, knowledge={"docs": Collection("docs", "Docs", files=files)})))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a/*.md", {"a"}),
        ("*.md", {"four.md"}),
        ("**/*.md", {"a", "b", "four.md"}),
        ("[ab]/*.md", {"a", "b"}),
    ],
)
def test_whole_entries_are_collected(house: House, pattern: str, found: set[str]) -> None:
    """Those of the house's folder itself, without hidden ones and what every container has a copy of."""
    there = entries(house, pattern)
    assert found <= there
    assert not [name for name in there if name.startswith(".") or name in ("maitre.yaml", "assistants", "house")]
    assert there <= {file.name for file in house.directory.iterdir()}


@pytest.mark.parametrize("pattern", ["../x/*.md", "a/../../x.md", "/etc/*", ""])
def test_a_pattern_that_leads_elsewhere_is_refused(house: House, pattern: str) -> None:
    """One sentence with the collection and the pattern."""
    with pytest.raises(ConfigError) as told:
        entries(house, pattern)
    assert f"maitre.yaml: knowledge.docs.files: “{pattern}” names nothing below the house's folder" in str(told.value)
