"""The story of a deploy on a real engine: small containers, real Compose, real health checks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose.deploy import rollout, steps
from compose.deploy.docker_engine import DockerEngine
from compose.deploy.rollout import BesideRollout
from compose.deploy.steps import Compose
from compose.deploy.traefik_http import TraefikProxy
from compose.render.secret_copy import Copy
from maitre.errors import HouseError
from tests.compose import small
from tests.compose.conftest import Yard
from tests.docker.base import TAG
from tests.docker.engine import Engine
from tests.docker.programs import program

WELL = {"test": ["CMD", "true"], "interval": "1s", "timeout": "5s", "retries": 2}


def files(**changes: dict[str, Any]) -> dict[str, str]:
    """The small stack's files, of containers that sleep, with changes of its services."""
    document = small.document()
    for name, service in document["services"].items():
        job = name in small.JOBS
        service |= {"image": TAG, "networks": ["inside"], "stop_grace_period": "1s", "init": True}
        service |= {"command": ["true" if job else "sleep", "1000"], "healthcheck": {"disable": True} if job else WELL}
        service.pop("build", None)
        service.pop("ports", None)
        service |= changes.get(name, {})
    return small.files({**document, "networks": {"inside": {"internal": True}}})


class RealYard(Yard):
    """A house on a real engine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        compose = Compose((program("docker-compose"),), small.PROJECT, str(self.stack / "compose.yaml"))
        dynamic = self.stack / "traefik" / "dynamic"
        self.compose, self.images = compose, (TAG,)
        self.engine = DockerEngine(compose, self.state / "deploy.log", dynamic)  # type: ignore[assignment]
        proxy = TraefikProxy(self.engine, dynamic, small.PROJECT, lambda: None)
        self.rollout = BesideRollout(  # type: ignore[assignment]
            self.engine, proxy, compose, 1, lambda said: None, time.monotonic, time.sleep
        )

    def copy(self, wanted: Mapping[str, Copy]) -> None:
        """Write the copies of the secrets, as Compose mounts them."""
        for path, copy in wanted.items():
            file, value = self.stack / "secrets" / path, self.secrets[copy.source]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(value)

    def ids(self) -> dict[str, str]:
        """The container of each service."""
        return {one.service: one.id for one in self.engine.containers().containers}


@pytest.fixture
def yard(engine: Engine, stand_ins: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealYard]:
    """A house that was never deployed; afterwards nothing of it is left."""
    for name in ("DOCKER_HOST", "PATH"):
        monkeypatch.setenv(name, engine.environment[name])
    monkeypatch.setattr(rollout, "WATCH", 0.5)
    made = RealYard(tmp_path / "house" / ".maitre")
    yield made
    if (made.stack / "compose.yaml").is_file():
        made.engine.run(steps.down(made.compose, volumes=True), lambda line: None)


def test_deploying_on_a_real_engine(yard: RealYard) -> None:
    """Twice is once; a change touches only what reads it; a release that is not healthy leaves the old one serving; and
    Traefik's file names the containers that run."""
    yard.go(files())
    first = yard.ids()
    assert set(first) == {"traefik", "postgres", "gateway"}
    assert yard.kinds(files()) == {}

    newer = files(gateway={"environment": {"LOG_LEVEL": "debug"}})
    assert yard.kinds(newer) == {"gateway": "change"}
    yard.go(newer)
    second = yard.ids()
    assert {name for name in first if first[name] != second[name]} == {"gateway"}
    dynamic = yaml.safe_load((yard.stack / "traefik/dynamic/gateway.yaml").read_text())
    (server,) = dynamic["http"]["services"]["gateway"]["loadBalancer"]["servers"]
    assert server["url"] == "http://house-gateway-2:8000"

    yard.secrets["postgres_password"] = "new"
    assert yard.kinds(newer) == {"postgres": "restart"}
    yard.go(newer)
    third = yard.ids()
    assert {name for name in second if second[name] != third[name]} == {"postgres"}

    ill = files(gateway={"environment": {"LOG_LEVEL": "info"}, "healthcheck": {**WELL, "test": ["CMD", "false"]}})
    with pytest.raises(HouseError, match="Rolled back"):
        yard.go(ill)
    assert yard.ids() == third
    broken = files(traefik={"command": ["false"]}, gateway={"environment": {"LOG_LEVEL": "debug"}})
    with pytest.raises(HouseError, match="has stopped"):
        yard.go(broken)
    assert {name for name in third if third[name] != yard.ids()[name]} == {"traefik"}
    assert yard.kinds(newer) == {}
