"""The document's files put together."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

from maitre.errors import HouseError


def document() -> dict[str, Any]:
    """The whole OpenAPI document. Raises HouseError when two files say the same thing."""
    whole: dict[str, Any] = {}
    for file in sorted((files("gateway") / "openapi").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            _put(whole, yaml.safe_load(file.read_text("utf-8")), file.name)
    return whole


def _put(whole: dict[str, Any], part: dict[str, Any], where: str) -> None:
    for name, value in part.items():
        if isinstance(value, dict) and isinstance(whole.setdefault(name, {}), dict):
            _put(whole[name], value, f"{where}: {name}")
        elif name in whole:
            raise HouseError(f"{where}: {name} stands in another file, too.")
        else:
            whole[name] = value
