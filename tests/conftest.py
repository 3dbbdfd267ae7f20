"""What every test may rely on: no settings of the operator's shell, and real stores where a test asks for one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from maitre.errors import HouseError
from maitre.settings import House

#: What the shell may still say to the tests: where Open WebUI's environment lies, and whether Docker must be there.
KEPT = ("MAITRE_OPEN_WEBUI_VENV", "MAITRE_DOCKER")


def pytest_configure() -> None:
    """Forget the shell's MAITRE_* before anything reads them."""
    for name in list(os.environ):
        if name.startswith("MAITRE_") and name not in KEPT:
            del os.environ[name]


# A machine that is busy makes examples slowly, and no test may fail for that.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def stores() -> Iterator[House]:
    """A house whose Postgres and Valkey run for the whole session. Tests share it, each in a corner of its own."""
    from tests.stores import running_stores

    with running_stores() as house:
        yield house


@pytest.fixture(scope="session")
def postgres_url(stores: House) -> str:
    """A running Postgres, as the role that owns the database. Ask `fresh_schema` for an empty corner of it."""
    return stores.endpoint("postgres")


@pytest.fixture(scope="session")
def valkey_url(stores: House) -> str:
    """A running Valkey. Every test uses a key prefix of its own."""
    return stores.endpoint("valkey")


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Waits until a look gives something true, and returns it; fails with a sentence after `seconds`."""

    def wait(look: Callable[[], Any], what: str = "it did not happen", seconds: float = 30) -> Any:
        until = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > until:
                raise HouseError(what)
            time.sleep(0.1)
        return found

    return wait
