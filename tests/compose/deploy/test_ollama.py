"""The Ollamas of a stack, and the table that they print."""

from __future__ import annotations

from compose.deploy.ollama import models_of, ollamas, wanted
from compose.running import Container, Running


def test_the_ollamas_that_run() -> None:
    """Each instance, by its number; neither the job that pulls models nor one that has stopped."""
    states = {"ollama": "running", "ollama_2": "running", "ollama_3": "exited", "ollama_models": "running"}
    seen = tuple(Container(name, name, name, 1, "i", state) for name, state in states.items())
    assert ollamas(Running(seen)) == ("ollama", "ollama_2")
    assert wanted(Running(seen)) == ("ollama", "ollama_2", "ollama_3")


def test_the_table_of_models() -> None:
    """Columns stand two blanks apart, and a size has one within; an empty table has no rows."""
    head = "NAME               ID              SIZE      MODIFIED\n"
    row = "llama3.2:1b        baf6a787fdff    1.3 GB    2 weeks ago\n"
    assert models_of(head) == []
    assert models_of("NAME\nllama3.2:1b\n") == [{"name": "llama3.2:1b", "id": "", "size": "", "modified": ""}]
    assert models_of(head + row) == [
        {"name": "llama3.2:1b", "id": "baf6a787fdff", "size": "1.3 GB", "modified": "2 weeks ago"}
    ]
