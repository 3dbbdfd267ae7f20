"""LiteLLM's configs as sections of a maitre.yaml: cases, and the command that shows or writes them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli import app
from maitre.errors import HouseError
from maitre.house.forms import PricesForm, ProviderForm
from maitre.quota.window import WINDOWS
from provisioning.litellm import imported

CASES = Path(__file__).parents[1] / "cases" / "litellm"
FILES = sorted(CASES.glob("*.yaml"))


def case_of(file: Path) -> dict[str, Any]:
    """A case: `config`, perhaps `environment`, and what is made of them."""
    case: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return case


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_config_is_carried_over(file: Path) -> None:
    """Every section, every secret, and a sentence for everything that is left behind."""
    case = case_of(file)
    made = imported(case["config"], case.get("environment", {}))
    assert made.providers == case["providers"]
    assert made.models == case["models"]
    assert made.prices == case["prices"]
    assert made.secrets == case["secrets"]
    assert made.keys == case["keys"]
    assert made.left == case["left"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_carried_over_is_a_sound_part_of_a_house(file: Path) -> None:
    """The forms of maitre.yaml take it, and no id is there twice."""
    case = case_of(file)
    made = imported(case["config"], case.get("environment", {}))
    ids = [id for section in made.providers.values() for id in section["models"]]
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(made.models)
    assert {id for alias in made.models.values() for id in alias["use"]} <= set(ids)
    for section in made.providers.values():
        for model in section["models"].values():
            model["limits"] = {name: value for name, value in model.get("limits", {}).items() if name in WINDOWS}
        ProviderForm.model_validate(section)
    PricesForm.model_validate(made.sections()["prices"])


@pytest.mark.parametrize("config", [None, [], {}, {"model_list": {}}, "text"])
def test_what_is_no_config_is_refused_in_one_sentence(config: object) -> None:
    """Before anything is made of it."""
    with pytest.raises(HouseError, match="no LiteLLM config"):
        imported(config, {})


def test_the_command_shows_the_sections_and_no_key(tmp_path: Path) -> None:
    """What is printed is YAML to be pasted; keys that the config holds are not in it."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(case_of(CASES / "unknown.yaml")["config"]), "utf-8")
    shown = CliRunner().invoke(app, ["import", "litellm", str(file)])
    assert shown.exit_code == 0, shown.output
    assert set(yaml.safe_load(shown.stdout)) == {"providers", "prices"}
    assert "sk-" not in shown.output
    assert "there is no adapter for “bedrock”" in shown.stderr


def test_the_command_writes_the_sections_and_the_keys_once(tmp_path: Path) -> None:
    """The keys for their owner only; a second time nothing is changed."""
    file, house = tmp_path / "config.yaml", tmp_path / "house"
    file.write_text(yaml.safe_dump(case_of(CASES / "unknown.yaml")["config"]), "utf-8")
    command = ["import", "litellm", str(file), "--write", str(house)]
    assert CliRunner().invoke(app, command).exit_code == 0
    secret = house / ".maitre" / "secrets" / "openai_key"
    assert secret.read_text("utf-8") == "sk-written-here\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "openai" in yaml.safe_load((house / "litellm-import.yaml").read_text("utf-8"))["providers"]
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "is there already" in again.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: [", None])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    """No traceback for a typing mistake."""
    file = tmp_path / "config.yaml"
    if content is not None:
        file.write_bytes(content)
    shown = CliRunner().invoke(app, ["import", "litellm", str(file)])
    assert (shown.exit_code, "Traceback" in shown.output) == (1, False)
