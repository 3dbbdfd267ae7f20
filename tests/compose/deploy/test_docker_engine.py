"""The real engine's adapter, as far as it needs no engine: steps as real processes, and an engine that is away."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from docker.errors import DockerException

from compose.deploy.docker_engine import DockerEngine, client
from compose.deploy.engine import EngineAway, StepFailed
from compose.deploy.steps import Compose, Step
from compose.deploy.traefik_http import api_of
from compose.host.docker_facts import gather
from compose.host.facts import Asked
from maitre.errors import HouseError


@pytest.fixture
def engine(tmp_path: Path) -> DockerEngine:
    """An adapter whose engine nobody asks."""
    return DockerEngine(
        Compose(("docker-compose",), "house", "compose.yaml"), tmp_path / "logs" / "deploy.log", tmp_path
    )


def python(code: str, **more: object) -> Step:
    """A step that runs Python code."""
    return Step("try", (sys.executable, "-c", code), "", **more)  # type: ignore[arg-type]


def test_a_step_tells_and_logs_its_lines(engine: DockerEngine, tmp_path: Path) -> None:
    """Every line as it comes, the last without an end too; the log is closed to others."""
    told: list[str] = []
    engine.run(python("import sys; print('one'); print('two', file=sys.stderr); print('three', end='')"), told.append)
    assert sorted(told) == ["one", "three", "two"]
    log = tmp_path / "logs" / "deploy.log"
    assert "# try: " in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_step_that_fails_says_how_it_ended(engine: DockerEngine) -> None:
    """One sentence with the exit code, and the last lines."""
    with pytest.raises(StepFailed, match=r"“try” failed \(exit code 3\)") as told:
        engine.run(python("print('the reason'); raise SystemExit(3)"), lambda line: None)
    assert "the reason" in str(told.value)


def test_a_child_keeps_what_it_is_given(engine: DockerEngine, tmp_path: Path) -> None:
    """The house's lock is held until Compose has ended, whatever becomes of us."""
    with (tmp_path / "lock").open("w") as lock:
        look = python(f"import os; os.fstat({lock.fileno()})")
        with pytest.raises(StepFailed):
            engine.run(look, lambda line: None)
        engine.passed = (lock.fileno(),)
        engine.run(look, lambda line: None)


def test_a_program_that_is_not_there(engine: DockerEngine) -> None:
    """One sentence, no traceback."""
    with pytest.raises(StepFailed, match="no-such-program could not be started"):
        engine.run(Step("try", ("no-such-program",), ""), lambda line: None)


def test_only_a_step_that_may_be_cut_is_broken_off(engine: DockerEngine, tmp_path: Path) -> None:
    """A build ends at once; a step that changes containers goes on to its end."""
    with pytest.raises(KeyboardInterrupt):
        engine.run(
            python("import time; print(1, flush=True); time.sleep(60)", cut=True), lambda line: None, lambda: True
        )
    done = tmp_path / "done"
    engine.run(python(f"open({str(done)!r}, 'w')"), lambda line: None, lambda: True)
    assert done.exists()


def test_a_file_gets_its_name_when_the_step_has_succeeded(engine: DockerEngine, tmp_path: Path) -> None:
    """Half a dump is no dump."""
    into = tmp_path / "dumps" / "a.sql"
    with pytest.raises(StepFailed, match="no space"):
        engine.run(python("import sys; print('half'); sys.exit('no space')", into=str(into)), lambda line: None)
    assert list(into.parent.iterdir()) == []
    engine.run(python("print('whole')", into=str(into)), lambda line: None)
    assert into.read_text() == "whole\n"
    assert stat.S_IMODE(into.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("unix:///no/such/docker.sock", "there is no socket"),
        ("tcp://127.0.0.1:1", "nobody listens on its socket"),
        ("nonsense://", "Docker does not answer"),
    ],
)
def test_an_engine_that_is_away(monkeypatch: pytest.MonkeyPatch, where: str, told: str) -> None:
    """One sentence, whichever way the client notices; a fact for the preflight."""
    monkeypatch.setenv("DOCKER_HOST", where)
    with pytest.raises(HouseError, match="Docker does not answer: .+") as error:
        client()
    assert told in str(error.value)
    facts = gather(Asked("x", (), "none", False, (), 0, frozenset(), frozenset(), {}), [], "house")
    assert facts.engine is None
    assert facts.engine_fault


def test_the_volumes_of_the_project(engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked by Compose's label, which every volume of a project has; an engine without any says null."""
    client = Mock()
    monkeypatch.setattr("compose.deploy.docker_engine.client", lambda: client)
    client.api.volumes.return_value = {"Volumes": [{"Name": "house_b"}, {"Name": "house_a"}]}
    assert engine.volumes() == ("house_a", "house_b")
    client.api.volumes.assert_called_with(filters={"label": "com.docker.compose.project=house"})
    client.api.volumes.return_value = {"Volumes": None}
    assert engine.volumes() == ()


def test_an_engine_that_goes_away_while_traefik_is_looked_for() -> None:
    """It is told as everywhere else, so that a deploy can go back."""
    client = Mock()
    client.api.containers.side_effect = DockerException("Connection refused")
    with pytest.raises(EngineAway, match="Docker does not answer: nobody listens on its socket"):
        api_of(client, "house")()
