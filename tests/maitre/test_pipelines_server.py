"""The copy of the plugins that the Pipelines server serves."""

from __future__ import annotations

from pathlib import Path

from maitre.pipelines_server import copy_plugins


def test_the_copy_is_exactly_the_plugins_and_keeps_their_valves(tmp_path: Path) -> None:
    """A plugin that went away or failed is gone from the copy; what an administrator set stays."""
    plugins, served = tmp_path / "pipelines", tmp_path / "served"
    for file, text in {
        plugins / "assistants.py": "new",
        plugins / "notes.txt": "no plugin",
        served / "assistants.py": "old",
        served / "assistants" / "valves.json": "{}",
        served / "gone.py": "old",
        served / "failed" / "assistants.py": "broken",
    }.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    copy_plugins(plugins, served)
    left = {str(file.relative_to(served)): file.read_text() for file in served.rglob("*") if file.is_file()}
    assert left == {"assistants.py": "new", "assistants/valves.json": "{}"}
    assert (plugins / "assistants.py").read_text() == "new"
