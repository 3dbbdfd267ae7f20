"""docs/install.md can be followed as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli import app
from compose.stack.models import known_models
from compose.stack.selection import selection
from compose.stack.wishes import read_stack
from maitre.settings import load_house

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text("utf-8")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The house that the page's own commands make."""
    found = re.search(r"<!-- example: init -->\n```\n(.*?)```", PAGE, re.DOTALL)
    assert found
    *_, words = (line.partition("#")[0].split() for line in found[1].splitlines())
    monkeypatch.setenv("MAITRE_HOUSE", str(tmp_path))
    assert words.pop(0) == "cli"
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return tmp_path


def test_the_page_shows_what_the_command_writes(house: Path) -> None:
    """Every section on the page stands so in the house that `cli init --stack` makes."""
    found = re.search(r"<!-- example: stack -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    told = yaml.safe_load(found[1])
    written = yaml.safe_load((house / "maitre.yaml").read_text("utf-8"))
    assert {name: written[name] for name in told} == told
    assert "groups" not in written


def test_the_page_makes_a_house_that_can_be_deployed(house: Path) -> None:
    """It has no mistake, an Ollama with models that we know, and assistants that answer by them."""
    read = load_house(house)
    stack, services = read_stack(read)
    chosen = selection(read, stack, services)
    assert {"open_webui", "gateway", "pipelines", "rag", "ollama", "ollama_models"} <= set(chosen)
    assert set(stack.ollama.models) <= {one.model for one in known_models()}
    assert chosen["ollama"].settings["num_parallel"] == "2"
    assert stack.hosts["open_webui"] == "chat.example.com"


def test_the_licence_is_told() -> None:
    """What binds an operator of Open WebUI stands on the page: the branding, the fifty people, the ways out."""
    told = PAGE.partition("## Open WebUI's licence")[2]
    for word in ("branding", "fifty", "thirty days", "enterprise licence", "in writing", "0.12.4"):
        assert word in told, word
