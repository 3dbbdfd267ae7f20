"""docs/install.md can be followed as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from compose.models import known_models
from compose.selection import selection
from compose.wishes import read_stack
from maitre.settings import load_house

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text("utf-8")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The example house with the page's changes: its models renamed, the sections of the page, no other users."""
    folder = tmp_path / "house"
    shutil.copytree(ROOT / "config", folder, ignore=shutil.ignore_patterns(".maitre"))
    for file in (folder / "maitre.yaml", *(folder / "assistants").glob("*.md")):
        text = re.sub(r"\bsmollm2\b", "llama", file.read_text("utf-8"))
        file.write_text(re.sub(r"\be5\b", "nomic", text), "utf-8")
    found = re.search(r"<!-- example: stack -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    written = yaml.safe_load((folder / "maitre.yaml").read_text("utf-8")) | yaml.safe_load(found[1])
    written.pop("groups")
    (folder / "maitre.yaml").write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    return folder


def test_the_page_renames_the_example_s_models() -> None:
    """The words that the page's sed changes are those of the example house."""
    told = re.search(r"sed -i '(.*)' maitre.yaml assistants/\*\.md", PAGE)
    assert told
    assert told[1] == r"s/\bsmollm2\b/llama/g; s/\be5\b/nomic/g"


def test_the_example_makes_a_house_that_can_be_deployed(house: Path) -> None:
    """With the page's sections the house has no mistake, an Ollama with models that we know, and Langfuse."""
    read = load_house(house)
    stack, services = read_stack(read)
    chosen = selection(read, stack, services)
    assert {"open_webui", "gateway", "pipelines", "rag", "ollama", "ollama_models", "langfuse_web"} <= set(chosen)
    assert set(stack.ollama.models) <= {one.model for one in known_models()}
    assert chosen["ollama"].settings["num_parallel"] == "2"
    assert stack.hosts["open_webui"] == "chat.example.com"


def test_the_licence_is_told() -> None:
    """What binds an operator of Open WebUI stands on the page: the branding, the fifty people, the ways out."""
    told = PAGE.partition("## Open WebUI's licence")[2]
    for word in ("branding", "fifty", "thirty days", "enterprise licence", "in writing", "0.12.4"):
        assert word in told, word
