"""Rotations in a deployed house, on a scripted engine: what was broken off, and what is asked before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose.render import rendering
from maitre.settings import load_house
from tests.commands import test_deployed
from tests.commands.test_deployed import Yard

BROKEN = "a rotation of postgres_password was broken off"


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A house that is deployed, with secrets of its own."""
    made: Yard = test_deployed.yard.__wrapped__(tmp_path, monkeypatch)  # type: ignore[attr-defined]
    monkeypatch.setattr(rendering, "value_of", lambda house, name: house.secret(name))
    made.run("deploy", "--yes")
    return made


def secret(yard: Yard, name: str) -> str:
    """The value in the house's file."""
    return load_house(yard.directory).secret(name)


def wait(yard: Yard, name: str = "postgres_password") -> Path:
    """A rotation of the secret has been broken off; the file with the value that waits."""
    file = yard.state / "secrets" / f".{name}.next"
    file.write_text("waits\n")
    return file


def said(yard: Yard, *words: str, code: int = 0) -> str:
    """What a command prints, on one line."""
    return " ".join(yard.run(*words, code=code).output.split())


def test_a_deploy_finishes_a_broken_off_rotation(yard: Yard) -> None:
    """It says so before it begins, a dry run changes nothing, and afterwards the secret is the value that waited, its
    readers run anew, and nothing is left to do or to say."""
    file, before, old = wait(yard), dict(yard.seen()), secret(yard, "postgres_password")
    ids = {one.service: one.id for one in yard.engine.seen}
    told = json.loads(yard.run("deploy", "--dry-run", "--json").stdout)
    assert [one["remedy"] for one in told["findings"] if one["seen"] == BROKEN] == [
        "a deploy of everything finishes it, as `cli secrets rotate postgres_password` does"
    ]
    shown = said(yard, "deploy", "--dry-run")
    assert f"Mind: {BROKEN}." in shown
    assert "restart postgres its secret postgres_password has changed" in shown
    assert (file.exists(), secret(yard, "postgres_password")) == (True, old)
    assert "say --yes" in said(yard, "deploy", code=1)
    assert (file.exists(), secret(yard, "postgres_password")) == (True, old)
    said(yard, "deploy", "--yes")
    assert (file.exists(), secret(yard, "postgres_password")) == (False, "waits")
    assert dict(yard.seen()) == before
    assert {one.service for one in yard.engine.seen if ids[one.service] != one.id} == {"postgres"}
    assert "Mind: a rotation" not in (again := said(yard, "deploy", "--yes"))
    assert "Nothing to do" in again


def test_a_value_that_nobody_reads_is_taken_too(yard: Yard) -> None:
    """No container changes, and the finding is gone."""
    file, before = wait(yard, "stamp"), yard.seen()
    said(yard, "deploy", "--yes")
    assert (file.exists(), secret(yard, "stamp"), yard.seen()) == (False, "waits", before)


def test_a_part_of_a_deploy_does_not_take_it(yard: Yard) -> None:
    """It would bring the new value to some of its readers, and Postgres would refuse the others."""
    file, steps = wait(yard), len(yard.engine.steps)
    told = said(yard, "deploy", "--yes", "--only", "gateway", code=1)
    assert "which --only would leave half done; `cli secrets rotate postgres_password` finishes it." in told
    told = said(yard, "secrets", "rotate", "gateway_key", "--yes", code=1)
    assert "finish it first: `cli secrets rotate postgres_password`" in told
    assert (file.exists(), len(yard.engine.steps)) == (True, steps)


def test_the_same_command_finishes_it(yard: Yard) -> None:
    """With the value that waited."""
    file = wait(yard)
    assert "It is with postgres." in said(yard, "secrets", "rotate", "postgres_password", "--yes")
    assert (file.exists(), secret(yard, "postgres_password")) == (False, "waits")
    assert "Nothing to do" in said(yard, "deploy", "--yes")


def test_a_rotation_that_postgres_does_not_hear_of_waits(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres is away: the old value stays, the sentence says what brings the new one, and a deploy does."""
    role = yard.state / "stack" / "secrets" / "postgres" / "roles" / "maitre"
    role.parent.mkdir(parents=True)
    role.write_text("")
    old = secret(yard, "postgres_password")
    yard.engine.faulty = {"tell postgres its roles"}
    told = said(yard, "secrets", "rotate", "postgres_password", "--yes", code=1)
    assert "The new value waits; `cli secrets rotate postgres_password` or `cli deploy` brings it." in told
    assert secret(yard, "postgres_password") == old
    yard.engine.faulty = set()
    assert f"Mind: {BROKEN}." in said(yard, "deploy", "--yes")
    assert secret(yard, "postgres_password") != old


@pytest.mark.parametrize(
    ("name", "words", "fails"),
    [
        ("gateway_key", (), "Until Open WebUI, which may start anew, has been told, the gateway refuses it"),
        ("postgres_password", (), "it can open no new connection to Postgres"),
        ("webui_secret_key", ("--accept-loss",), "Open WebUI is away while it starts anew."),
    ],
)
def test_what_fails_meanwhile_is_said_and_asked(yard: Yard, name: str, words: tuple[str, ...], fails: str) -> None:
    """Where nobody can be asked nothing happens; with --yes it is said all the same, with how long it may be."""
    before: dict[str, Any] = {"steps": len(yard.engine.steps), "value": secret(yard, name)}
    told = said(yard, "secrets", "rotate", name, *words, code=1)
    assert fails in told
    assert "up to 5 seconds longer" in told
    assert "say --yes if you mean it" in told
    assert {"steps": len(yard.engine.steps), "value": secret(yard, name)} == before
    assert fails in said(yard, "secrets", "rotate", name, *words, "--yes")
    assert secret(yard, name) != before["value"]


def test_a_rotation_that_nobody_notices_asks_nothing(yard: Yard) -> None:
    """Neither does one that is refused anyway."""
    assert "valkey_password: new." in said(yard, "secrets", "rotate", "valkey_password")
    told = said(yard, "secrets", "rotate", "webui_secret_key", code=1)
    assert "--accept-loss" in told
    assert "say --yes" not in told
