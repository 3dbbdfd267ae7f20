"""What is known of a house's folder: its secrets, and the machine that it is deployed on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from compose.host.advice import has_stack, machine_for, production_for
from compose.host.known import known_of, needs_of
from compose.stack.catalogue import read_services
from compose.stack.settings import Ollama, Stack
from devstack.scaffold import make_secrets
from maitre.settings import House, load_house
from tests.compose.machines import GOOD

ROOT = Path(__file__).parents[3]
SERVICES = {name: one for name, one in read_services("small").items() if one.profile is None}


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house that can be deployed, with its secrets."""
    folder = tmp_path / "house"
    shutil.copytree(ROOT / "config", folder, ignore=shutil.ignore_patterns(".maitre"))
    written = yaml.safe_load((folder / "maitre.yaml").read_text("utf-8"))
    written["domain"] = "example.com"
    for provider in written["providers"].values():
        provider |= {"kind": "ollama", "base_url": "http://ollama:11434/v1"}
    (folder / "maitre.yaml").write_text(yaml.safe_dump(written), "utf-8")
    make_secrets(folder)
    return load_house(folder)


def test_a_fresh_house_has_its_secrets(house: House) -> None:
    """What `cli init` made is there, closed, and no two are the same; each Ollama provider's calls are known."""
    known = known_of(house, Stack(), SERVICES, GOOD)
    assert (known.missing_secrets, known.open_secrets, known.same_secrets) == ((), (), ())
    assert known.ollama_calls == (2, 2)
    assert not known.traced


def test_bad_secrets_are_named(house: House) -> None:
    """A secret that is missing, readable for others, or the same as another one is named, and never its value."""
    folder = house.state / "secrets"
    (folder / "stamp").unlink()
    (folder / "gateway_key").chmod(0o644)
    (folder / "rag_key").write_text((folder / "user_jwt").read_text("utf-8"), "utf-8")
    known = known_of(house, Stack(), SERVICES, GOOD)
    assert known.missing_secrets == ("stamp",)
    assert known.open_secrets == ("gateway_key",)
    assert set(known.same_secrets) == {"rag_key", "user_jwt"}
    assert (folder / "user_jwt").read_text("utf-8").strip() not in repr(known)


def test_models_are_counted_with_their_calls() -> None:
    """Each model takes its memory, and that of the further calls at once; one that nobody knows is named."""
    stack = Stack(ollama=Ollama(models=("llama3.2:1b", "phantom")))
    found = needs_of(stack, SERVICES)
    further = int(SERVICES["ollama"].settings["num_parallel"]) - 1
    assert found.models == pytest.approx(2 + 0.2 * further)
    assert found.unknown == ("phantom",)
    assert needs_of(stack, {}).models == 0


def test_the_machine_is_looked_at(house: House) -> None:
    """A house that can be deployed gets every finding of its machine, and every recommendation."""
    assert {"cores", "memory", "swap", "firewall"} <= {one.what for one in machine_for(house, GOOD)}
    assert len(production_for(house, GOOD)) > 60
    assert not has_stack(house.directory)


def test_a_stack_with_mistakes_says_so(house: House) -> None:
    """Mistakes of the stack are findings, one each, instead of numbers that mean nothing."""
    file = house.directory / "maitre.yaml"
    file.write_text(file.read_text("utf-8").replace("example.com", "localhost"), "utf-8")
    findings = list(machine_for(load_house(house.directory), GOOD))
    assert [one.ok for one in findings] == [False]
    assert "Let's Encrypt" in findings[0].seen
