"""Renews the golden files: `make golden`, or `python -m tests.compose.golden`. Read the diff before you commit it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.compose.house import HOUSES, copy_house, render_house

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(folder.name for folder in HOUSES.iterdir())


def main() -> None:
    """Render every house again."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            for path, text in render_house(copy_house(name, Path(folder) / "house")).files.items():
                file = GOLDEN / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
