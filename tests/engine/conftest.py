"""One hall for the suite; every test finds its parts running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack.process import alive
from maitre.errors import HouseError
from tests.engine.hall import Hall
from tests.engine.receivers import refusing
from tests.engine.small_house import seed
from tests.upstream import ScriptedUpstream, running_upstream


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    """The scripted upstream of the hall; its log is of the whole session."""
    with running_upstream() as started:
        yield started


@pytest.fixture(scope="session")
def whole_hall(tmp_path_factory: pytest.TempPathFactory, upstream: ScriptedUpstream) -> Iterator[Hall]:
    """The hall, seeded and running, with nobody who takes its traces."""
    folder = tmp_path_factory.mktemp("hall")
    folder.chmod(0o755)
    with refusing() as traces:
        hall = Hall(folder / "house", upstream.url, traces)
        try:
            hall.start("postgres", "valkey")
            hall.ask(lambda books: seed(books, hall.house))
            hall.start("pipelines")
            yield hall
        finally:
            hall.close()


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> str:
    """Which server the hall runs: the host, unless a test is marked with both (`tests.engine.servers.BOTH`)."""
    return str(getattr(request, "param", "host"))


@pytest.fixture
def hall(whole_hall: Hall, server: str) -> Hall:
    """The hall with all its parts running, whatever the test before did to them."""
    whole_hall.become(bare=server == "bare")
    for name in ("postgres", "valkey", "pipelines"):
        if not alive(whole_hall.who[name]):
            whole_hall.start(name)
    return whole_hall


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
