"""Ports: free, different, and the same again while they stay free."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from devstack import ports
from maitre.errors import HouseError

# remembered, taken by others, drawn in turn, chosen for a and b
CASES = [
    ({}, set(), [1, 2], {"a": 1, "b": 2}),
    ({"a": 5, "b": 6}, set(), [], {"a": 5, "b": 6}),
    ({"a": 5}, {5}, [5, 7, 8], {"a": 7, "b": 8}),
    ({"a": 5, "b": 5}, set(), [5, 9], {"a": 5, "b": 9}),
    ({"b": 6}, set(), [6, 7], {"a": 7, "b": 6}),
    ({}, {1}, [1, 1, 2, 2, 3], {"a": 2, "b": 3}),
]


@pytest.mark.parametrize(("remembered", "taken", "drawn", "chosen"), CASES)
def test_a_remembered_port_is_kept_while_it_is_free(
    remembered: dict[str, int], taken: set[int], drawn: list[int], chosen: dict[str, int]
) -> None:
    """A house keeps its addresses; only a port that somebody took is drawn anew, and never given twice."""
    draw = iter(drawn)
    assert ports.choose("ab", remembered, lambda port: port not in taken, lambda: next(draw)) == chosen


def test_no_free_port_is_one_sentence() -> None:
    """Drawing ends, and says so."""
    with pytest.raises(HouseError, match="No free port"):
        ports.choose("a", {}, lambda _: False, lambda: 1)


def test_ports_are_sticky(tmp_path: Path) -> None:
    """The file brings the same ports back; one that is in use by the house itself counts as its own."""
    file = tmp_path / "ports.json"
    first = ports.sticky(file, ["a", "b"], {})
    assert ports.sticky(file, ["a", "b"], {}) == first
    with socket.create_server(("127.0.0.1", first["a"])):
        assert not ports.free(first["a"])
        assert ports.sticky(file, ["a", "b"], {"a": first["a"]}) == first
        moved = ports.sticky(file, ["a", "b"], {})
    assert moved["a"] != first["a"]
    assert moved["b"] == first["b"]


def test_a_spoilt_file_of_ports_is_made_anew(tmp_path: Path) -> None:
    """Ports can be chosen again, so a spoilt memory stops nobody."""
    file = tmp_path / "ports.json"
    for text in ("{", "[1]", '{"a": "x"}', ""):
        file.write_text(text)
        assert ports.read(file) == {}
    assert ports.sticky(file, ["a"], {})["a"] in ports.RANGE
