"""The page about the store alone says what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "vector-store.md").read_text("utf-8")


def test_the_example_runs(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is printed, with a connection string."""
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile("".join(code), "docs/vector-store.md", "exec"), {"CONNECTION": database})
    printed = re.search(r"It prints `(.*?)`, then `(.*?)`", PAGE)
    assert printed
    assert capsys.readouterr().out.splitlines() == [printed[1], printed[2]]
