"""What runs, written down."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from devstack import state
from devstack.process import Identity
from devstack.state import Started
from maitre.errors import HouseError

VALKEY = Started("valkey", Identity(12, 34, "boot"), 2000, "redis://:pw@127.0.0.1:2000/0", Path("/x.log"), "f", 15, 4.0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """State survives the command that wrote it, and others read addresses from endpoints.json; both are private."""
    state.write(tmp_path, {"valkey": VALKEY})
    assert state.read(tmp_path) == {"valkey": VALKEY}
    assert json.loads((tmp_path / "endpoints.json").read_text()) == {"valkey": VALKEY.url}
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    assert "pw" not in repr(VALKEY)


def test_with_nothing_running_nothing_is_written(tmp_path: Path) -> None:
    """A house that is down has no addresses."""
    state.write(tmp_path, {"valkey": VALKEY})
    state.write(tmp_path, {})
    assert list(tmp_path.iterdir()) == []
    assert state.read(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"parts": [{}]}', '{"parts": [1]}'])
def test_a_spoilt_state_is_one_sentence(tmp_path: Path, text: str) -> None:
    """Processes may still run, so the file is not thrown away silently."""
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(HouseError, match="cannot be read"):
        state.read(tmp_path)


def test_only_one_command_at_a_time_changes_a_house(tmp_path: Path) -> None:
    """The second says who is at work, and the first leaves the way free again."""
    with state.alone(tmp_path), pytest.raises(HouseError, match=f"pid {os.getpid()}"), state.alone(tmp_path):
        pass
    with state.alone(tmp_path):
        pass
