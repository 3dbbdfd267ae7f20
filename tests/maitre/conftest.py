"""An open portal for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from maitre.portal import EngineThread, Portal
from tests.maitre.turns import Engine


@pytest.fixture
def portal() -> Iterator[Portal]:
    """An open portal."""
    opened = EngineThread(Engine)  # type: ignore[arg-type]
    yield opened.portal
    opened.close()
