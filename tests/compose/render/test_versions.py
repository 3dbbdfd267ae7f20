"""The tags of our images stand for their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose.render.versions import image_versions


def sources(root: Path) -> Path:
    """A folder with one image, which is built from a folder `engine`."""
    for name, text in (
        ("compose/images/engine/Dockerfile", "FROM python:3.13-slim\nCOPY engine /app/engine\n"),
        ("engine/one.py", "1\n"),
    ):
        file = root / name
        file.parent.mkdir(parents=True)
        file.write_text(text, "utf-8")
    return root


@pytest.mark.parametrize("place", ["plain", ".maitre/sources", "__pycache__"])
def test_other_sources_are_another_image(tmp_path: Path, place: str) -> None:
    """Wherever the sources lie, a changed one changes the tag, and the same ones have the same tag everywhere."""
    root = sources(tmp_path / place)
    first = image_versions(root)
    assert first == image_versions(sources(tmp_path / "elsewhere"))
    (root / "engine/one.py").write_text("2\n", "utf-8")
    assert image_versions(root) != first


@pytest.mark.parametrize("folder", ["__pycache__", ".maitre"])
def test_what_lies_among_the_sources_is_none(tmp_path: Path, folder: str) -> None:
    """Compiled files and the state of a house change no tag."""
    root = sources(tmp_path / "root")
    first = image_versions(root)
    (root / "engine" / folder).mkdir()
    (root / "engine" / folder / "more").write_text("x", "utf-8")
    assert image_versions(root) == first
