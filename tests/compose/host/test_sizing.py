"""What a stack needs, and that docs/sizing.md says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compose.host.known import sizing_table
from compose.host.sizing import needs
from compose.stack.models import OllamaModel, known_models
from compose.stack.settings import Ollama, Stack

TABLE = sizing_table()
PAGE = (Path(__file__).parents[3] / "docs" / "sizing.md").read_text("utf-8")
TWO: dict[str, float | None] = {"llama3.2:1b": 2.2, "nomic-embed-text": 1.1}


@pytest.mark.parametrize(
    ("stack", "models", "cores", "memory", "taken"),
    [
        (Stack(), {}, 4, 5, 0),
        (Stack(), TWO, 4, 8.3, 3.3),
        (Stack(ollama=Ollama(instances=2)), TWO, 4, 11.6, 6.6),
        (Stack(size="gpu", ollama=Ollama(gpu=True)), {"llama3.1:8b": 9.8}, 8, 32, 9.8),
        (Stack(size="gpu"), {"llama3.1:8b": 9.8}, 8, 41.8, 9.8),
        (Stack(profiles=("langfuse", "litellm")), {}, 7, 14, 0),
    ],
)
def test_needs(stack: Stack, models: dict[str, float | None], cores: int, memory: float, taken: float) -> None:
    """A size, its profiles and its models add up; every instance holds all models, and a GPU has them to itself."""
    found = needs(stack, TABLE, models)
    assert (found.cores, found.memory, found.models) == pytest.approx((cores, memory, taken))


def test_models_that_nobody_knows_or_that_are_slow() -> None:
    """A model without a row counts nothing and is named; one from 8 GB on is slow on a CPU."""
    found = needs(Stack(), TABLE, {"phantom": None, "llama3.1:8b": 8.0, "llama3.2:1b": 2.0})
    assert (found.unknown, found.slow, found.models) == (("phantom",), ("llama3.1:8b",), 10)


def _row(name: str) -> list[str]:
    found = re.search(rf"^\| `{re.escape(name)}` \|(.*)\|$", PAGE, re.MULTILINE)
    assert found, name
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.parametrize("name", [*TABLE["sizes"], *TABLE["profiles"]])
def test_the_page_has_each_size_and_profile(name: str) -> None:
    """Cores, memory and disk stand on the page as in the data."""
    asked = {**TABLE["sizes"], **TABLE["profiles"]}[name]
    if "guests" in asked:
        assert _row(name)[3] == str(asked["guests"])
    assert _row(name)[:3] == [str(asked["cores"]), str(asked["memory"]), str(asked["disk"])]


@pytest.mark.parametrize("model", known_models(), ids=lambda one: one.model)
def test_the_page_has_each_model(model: OllamaModel) -> None:
    """What a model takes stands on the page as in the data."""
    assert _row(model.model)[:2] == [f"{model.memory:g}", f"{model.call:g}"]
