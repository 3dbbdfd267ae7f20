"""One engine, one set of images and one deployed house for all Docker tests, gone before the next folder's. Where no
engine can run they are skipped with one sentence; with MAITRE_DOCKER=required that is an error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker.busy import Busy
from tests.docker.deployed import Deployed, deployed
from tests.docker.engine import Engine, NoEngine, running_engine
from tests.docker.images import build_ours, build_stand_ins
from tests.docker.programs import missing

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs an engine."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="package")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line at once: making images takes minutes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", end="", flush=True)

    return line


@pytest.fixture(scope="package")
def engine() -> Iterator[Engine]:
    """A running engine, which all tests of this folder share, and which ends with them. Each removes its containers."""
    if reason := missing():
        _without(reason)
    try:
        with running_engine() as engine:
            yield engine
    except NoEngine as why:
        _without(str(why))


@pytest.fixture(scope="package")
def stand_ins(engine: Engine, say: Callable[[str], None]) -> None:
    """The stand-ins for the production images are there."""
    build_stand_ins(engine, say)


@pytest.fixture(scope="package")
def ours(engine: Engine, stand_ins: None, say: Callable[[str], None]) -> dict[str, str]:
    """The tag of each of our images, by name, built from the sources as they are."""
    tags = {name: f"maitre/{name}:tests" for name in ("engine", "rag")}
    for name, tag in tags.items():
        build_ours(engine, name, tag, say)
    return tags


@pytest.fixture(scope="package")
def house(
    engine: Engine, stand_ins: None, say: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The deployed house, which all tests of this folder share: whoever changes it deploys it back."""
    with deployed(engine, tmp_path_factory.mktemp("house"), say) as house:
        yield house


@pytest.fixture(scope="package")
def busy(house: Deployed) -> Busy:
    """The deployed house, with guests of its scripted provider."""
    return Busy(house)


def _without(reason: str) -> None:
    if os.environ.get("MAITRE_DOCKER") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
