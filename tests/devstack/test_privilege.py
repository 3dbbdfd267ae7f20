"""Dropping root for Postgres."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.privilege import closed_parents, drop
from maitre.errors import HouseError

HOME = [Path("/home/ada")]


def test_an_ordinary_user_drops_nothing() -> None:
    """Only root has something to drop."""
    assert drop(1000, HOME, frozenset()) == ()


def test_root_with_open_parents_keeps_no_capability() -> None:
    """The right to search closed folders is kept only where it is needed."""
    words = drop(0, [], frozenset({"dac_read_search"}))
    assert words[0] == "setpriv"
    assert "--bounding-set=-all" in words
    assert not [word for word in words if "dac" in word]


@pytest.mark.parametrize(
    ("may", "kept"),
    [
        ({"dac_read_search", "dac_override"}, "dac_read_search"),
        ({"dac_read_search"}, "dac_read_search"),
        ({"dac_override"}, "dac_override"),
    ],
)
def test_below_a_closed_home_the_weakest_right_is_kept(may: set[str], kept: str) -> None:
    """Reading is enough where the machine grants it; Docker grants the stronger one only."""
    words = drop(0, HOME, may)
    assert f"--bounding-set=-all,+{kept}" in words
    assert f"--ambient-caps=+{kept}" in words


def test_below_a_closed_home_without_any_right_one_sentence_says_what_to_do() -> None:
    """It names the folder that is in the way."""
    with pytest.raises(HouseError, match="chmod o\\+x /home/ada"):
        drop(0, HOME, frozenset())


def test_closed_parents_are_found(tmp_path: Path) -> None:
    """A folder that others may not pass through counts, wherever it is on the way."""
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert tmp_path / "closed" in closed_parents([inner / "file"])
    (tmp_path / "closed").chmod(0o711)
    assert tmp_path / "closed" not in closed_parents([inner / "file"])
