"""A key for tests, with as few words as possible, and the cases of a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from maitre.keys.key import Key

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def key(id: str = "0123456789abcdef", **changed: Any) -> Key:
    """A live key of u1 that may do all that its plan may."""
    return replace(Key(id, "u1", "test", NOON), **changed)


def cases(file: str) -> list[Any]:
    """The cases of a file, by their names."""
    text = (Path(__file__).parents[2] / "cases" / file).read_text("utf-8")
    return [pytest.param(case, id=case["name"]) for case in yaml.safe_load(text)]
