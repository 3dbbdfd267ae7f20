"""The digest of what the servers read once."""

from __future__ import annotations

from pathlib import Path

from devstack.pipelines import digest


def test_the_digest_changes_with_a_name_or_a_word(tmp_path: Path) -> None:
    """The server reads its files once, so any change must be seen; the order of looking must not matter."""
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("a")
    two.write_text("b")
    before = digest([one, two])
    assert digest([two, one]) == before
    two.write_text("c")
    assert digest([one, two]) != before
    assert digest([one]) != before
