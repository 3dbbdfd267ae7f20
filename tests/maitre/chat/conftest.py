"""The kitchen of the turn tests; when it closes, its books must balance."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.maitre.chat.kitchen import Kitchen


@pytest.fixture
async def kitchen() -> AsyncIterator[Kitchen]:
    """A house in memory. After the test every upstream call must be one settled row, and no hold left."""
    house = Kitchen()
    yield house
    if house.balanced:
        await house.check_books()
