"""`cli render`: shown, written, compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from cli import app
from compose.render.folder import read, serving, write
from compose.render.rendered import rendered
from compose.text import HEADER
from maitre.errors import HouseError
from maitre.settings import load_house
from tests.compose.house import copy_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house that can be deployed."""
    return copy_house("small", tmp_path_factory.mktemp("houses") / "house")


def cli(house: Path, *words: str) -> Result:
    """`cli render` on a house."""
    return CliRunner().invoke(app, ["render", "--house", str(house), *words])


def test_without_options_nothing_is_written(house: Path) -> None:
    """The services and files are shown."""
    done = cli(house)
    assert done.exit_code == 0
    assert "traefik:v3.7.15" in done.output
    assert "Nothing is written." in done.output
    assert not (house / ".maitre" / "stack").exists()


def test_written_then_nothing_differs(house: Path, tmp_path: Path) -> None:
    """The folder holds the files; written again they are the same."""
    out = tmp_path / "out"
    told = json.loads(cli(house, "--out", str(out), "--json").output)
    assert {file["state"] for file in told["files"].values()} == {"new"}
    assert set(read(out)) == set(told["files"])
    before = read(out)
    assert cli(house, "--out", str(out), "--diff").exit_code == 0
    assert {one["state"] for one in json.loads(cli(house, "--out", str(out), "--json").output)["files"].values()} == {
        "same"
    }
    assert read(out) == before
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_the_difference_and_its_exit_code(tmp_path: Path) -> None:
    """As of `git diff --exit-code`: 1 and a unified diff, and nothing is written."""
    house = copy_house("small", tmp_path / "house")
    out = str(tmp_path / "out")
    cli(house, "--out", out)
    file = house / "maitre.yaml"
    written = yaml.safe_load(file.read_text("utf-8"))
    written["stack"] = {"services": {"valkey": {"memory": "777m"}}}
    file.write_text(yaml.safe_dump(written), "utf-8")
    done = cli(house, "--out", out, "--diff")
    assert done.exit_code == 1
    assert "-          memory: 512m" in done.output.splitlines()
    assert "+          memory: 777m" in done.output.splitlines()
    assert "777m" not in (tmp_path / "out" / "compose.yaml").read_text("utf-8")


def test_labels_of_a_deploy_and_new_containers_are_no_difference(tmp_path: Path) -> None:
    """What a deploy and a rollout write into the files is not what an operator has changed."""
    house = copy_house("small", tmp_path / "house")
    stack = house / ".maitre" / "stack"
    write(rendered(load_house(house)), stack)
    file = stack / "compose.yaml"
    deployed = yaml.safe_load(file.read_text("utf-8"))
    for service in deployed["services"].values():
        service["labels"]["io.maitre.config"] = "0123"
    file.write_text(yaml.safe_dump(deployed, sort_keys=False), "utf-8")
    route = stack / "traefik" / "dynamic" / "gateway.yaml"
    route.write_text(route.read_text("utf-8").replace("maitre-gateway-1:", "maitre-gateway-4:"), "utf-8")
    assert serving(read(stack), "maitre")["gateway"] == ("maitre-gateway-4",)
    done = cli(house, "--diff")
    assert (done.exit_code, done.output) == (0, "")
    refused = cli(house, "--out", str(stack))
    assert refused.exit_code == 1
    assert "`cli deploy` writes it" in " ".join(refused.output.split())


def test_a_folder_of_somebody_else_is_left_alone(house: Path, tmp_path: Path) -> None:
    """One sentence, and every file as it was."""
    (tmp_path / "compose.yaml").write_text("services: {}\n", "utf-8")
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    for words in (["--out", str(tmp_path)], ["--out", str(tmp_path), "--diff"]):
        done = cli(house, *words)
        assert done.exit_code == 1
        assert "holds something else than an earlier" in " ".join(done.output.split())
    assert read(tmp_path) == {"compose.yaml": "services: {}\n", "mine.txt": "mine"}


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    """A write that fails half-way leaves the folder as it was, and nothing beside it."""
    folder = tmp_path / "stack"
    write({"compose.yaml": HEADER + "a: 1\n"}, folder)
    with pytest.raises(HouseError, match="cannot be written"):
        write({"compose.yaml": HEADER + "a: 2\n", "compose.yaml/below": ""}, folder)
    assert read(folder) == {"compose.yaml": HEADER + "a: 1\n"}
    assert [file.name for file in tmp_path.iterdir()] == ["stack"]


def test_a_mistake_in_the_wishes(tmp_path: Path) -> None:
    """Exit code 2, as for every mistake in the house's files."""
    house = copy_house("small", tmp_path / "house", stack={"services": {"postgre": {}}})
    done = cli(house)
    assert done.exit_code == 2
    assert "stack.services.postgre: there is no such service" in " ".join(done.output.split())
