"""Where a house's secrets are."""

from __future__ import annotations

import os
from pathlib import Path


def find_secret(directory: Path, name: str) -> str | None:
    """A secret: the environment's MAITRE_SECRET_<NAME>, else the file `.maitre/secrets/<name>`; None if missing."""
    if value := os.environ.get(f"MAITRE_SECRET_{name.upper()}"):
        return value
    try:
        return (directory / ".maitre" / "secrets" / name).read_text("utf-8").strip() or None
    except (OSError, ValueError):
        return None
