"""The cases of tests/cases/provisioning: each file is one resource, each entry one thing that must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent.parent / "cases" / "provisioning"


def cases() -> list[tuple[str, dict[str, Any]]]:
    """Every case with the name of its resource."""
    return [(file.stem, case) for file in sorted(FOLDER.glob("*.yaml")) for case in yaml.safe_load(file.read_text())]
