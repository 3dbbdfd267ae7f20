"""The operator's commands of the embedded house, through the command line itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from devstack import house as whole
from devstack.places import ROOT
from maitre.settings import House

RUN = CliRunner()


def said(*words: str, code: int = 0) -> str:
    """What the command prints; it must end with this exit code."""
    done = RUN.invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.output


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    """The drivers, the web framework and the tracing SDK load only in the commands that need them."""
    code = "import cli, sys; print(*sorted(name for name in sys.modules if '.' not in name))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"asyncpg", "redis", "aiohttp", "langfuse", "starlette", "uvicorn", "opentelemetry"} & {*loaded.split()}


def test_init_says_what_it_made_and_then_that_nothing_was_to_do(tmp_path: Path) -> None:
    """Twice is once, and both say so."""
    first = said("init", "--house", str(tmp_path / "house"))
    assert "Secrets made: stamp" in first
    assert "Passwords made: admin@maitre.example" in first
    assert "Nothing to do" in said("init", "--house", str(tmp_path / "house"))


def test_status_has_its_public_form(house: House) -> None:
    """`status --json`: mode, endpoints by name, the demo users' logins, the counters; also while it is down."""
    told = json.loads(said("status", "--json", "--house", str(house.directory)))
    assert list(told) == ["mode", "endpoints", "logins", "counters", "suspended", "unfinished"]
    assert told["mode"] == "embedded"
    assert set(told["endpoints"]) == {
        *("open_webui", "pipelines", "gateway", "postgres", "valkey", "upstream", "embedder", "traces"),
        *("rag", "rag_worker"),
    }
    assert told["endpoints"]["valkey"] == {"url": None, "pid": None, "healthy": False}
    assert {login["email"]: login["plan"] for login in told["logins"]}["free@maitre.example"] == "free"
    whole.up(house, only=["valkey"])
    valkey = json.loads(said("status", "--json", "--house", str(house.directory)))["endpoints"]["valkey"]
    assert valkey["healthy"]
    assert valkey["url"] == house.endpoint("valkey")
    assert isinstance(valkey["pid"], int)


def test_status_for_people_shows_no_password_of_a_store(house: House) -> None:
    """A screen is seen by more people than a file."""
    whole.up(house, only=["valkey"])
    shown = said("status", "--house", str(house.directory))
    assert house.secret("valkey_password") not in shown
    assert "redis://:…@127.0.0.1" in shown


def test_down_works_though_the_houses_files_are_broken(house: House) -> None:
    """Stopping needs no more than what was written down at the start."""
    whole.up(house, only=["valkey"])
    (house.directory / "maitre.yaml").write_text("plans: [")
    assert "Valkey" in said("down", "--house", str(house.directory))
    assert "Nothing to do" in said("down", "--house", str(house.directory))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda house: (house.state / "secrets" / "stamp").unlink(), "missing: stamp"),
        (lambda house: (house.state / "secrets" / "stamp").chmod(0o644), "others may read"),
        (lambda house: (house.directory / "maitre.yaml").unlink(), "There is no house"),
        (lambda house: (house.directory / "maitre.yaml").write_text("x: 1"), "maitre.yaml: domain"),
        (lambda house: (house.state / "logins.json").chmod(0o640), "logins.json"),
    ],
)
def test_doctor_finds_what_is_wrong_and_says_what_to_do(house: House, harm: object, told: str) -> None:
    """Exit code 1, the problem and its remedy; the same in JSON."""
    assert callable(harm)
    harm(house)
    shown = said("doctor", "--house", str(house.directory), code=1)
    assert told in shown
    found = json.loads(said("doctor", "--json", "--house", str(house.directory), code=1))
    assert not found["ok"]
    assert all(one["remedy"] for one in found["findings"] if not one["ok"])


def test_up_without_secrets_is_one_sentence(house: House) -> None:
    """A person at night reads what is missing and the command that makes it; no traceback."""
    (house.state / "secrets" / "valkey_password").unlink()
    done = RUN.invoke(app, ["up", "--house", str(house.directory)])
    assert done.exit_code == 1
    assert "The secret “valkey_password” is missing" in done.output
    assert "Traceback" not in done.output
