"""A Valkey that tests may kill and freeze, and the two event loops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from maitre.valkey.redis_wire import Valkey
from tests.contract.valkey.own_valkey import OwnValkey
from tests.maitre.valkey.conftest import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    """It runs at the beginning of each test that uses `valkey`."""
    home: Path = tmp_path_factory.mktemp("valkey")
    own = OwnValkey(home)
    yield own
    own.kill()


@pytest.fixture
async def valkey(server: OwnValkey) -> AsyncIterator[Valkey]:
    """A client of it."""
    server.start()
    client = Valkey(server.url, timeout=20)
    yield client
    await client.close()
