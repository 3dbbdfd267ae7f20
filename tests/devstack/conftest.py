"""Houses for the tests of the embedded parts: real folders, real secrets, real processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import house as whole
from devstack import scaffold
from maitre.settings import House, load_house


@pytest.fixture(autouse=True)
def _no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("MAITRE_") and name != "MAITRE_OPEN_WEBUI_VENV":
            monkeypatch.delenv(name)


def make_house(directory: Path) -> House:
    """A house with everything that `cli init` makes."""
    directory.mkdir(parents=True, exist_ok=True)
    scaffold.copy_example(directory)
    scaffold.make_secrets(directory)
    house = load_house(directory)
    scaffold.make_logins(house)
    return house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house that is down; whatever a test starts in it is stopped afterwards."""
    made = make_house(tmp_path / "house")
    yield made
    whole.down(made.state)
