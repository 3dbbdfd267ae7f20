"""One hall for the suite; every test finds its parts running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.process import alive
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
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
    with seeded_hall(folder, upstream.url) as hall:
        hall.start("pipelines")
        yield hall


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
