"""A running service for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from maitre.settings import House
from tests.rag_service.desk import Desk, open_desk


@pytest.fixture
async def desk(stores: House) -> AsyncIterator[Desk]:
    """The service on an empty database."""
    async with open_desk(stores) as running:
        yield running
