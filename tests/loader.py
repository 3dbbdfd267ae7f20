"""Loads a plugin file as the upstream Pipelines server does: by its path, and without a place in `sys.modules`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

PLUGINS = Path(__file__).parent.parent / "pipelines"
NAMES = ("assistants", "models", "quota_filter", "tracing_filter")


def load(name: str) -> Any:
    """The plugin's Pipeline, made."""
    spec = importlib.util.spec_from_file_location(name, PLUGINS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert sys.modules.get(name) is not module
    return module.Pipeline()


def front_matter(name: str) -> dict[str, str]:
    """The front matter as the server reads it; under `requirements` it would run pip."""
    content = (PLUGINS / f"{name}.py").read_text("utf-8")
    if not content.startswith('"""'):
        return {}
    lines = content[3 : content.index('"""', 3)].split("\n")
    return {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}


def revalved(pipeline: Any, **form: object) -> Any:
    """What an update of the valves over HTTP makes: a full replacement, from the class's own defaults."""
    return pipeline.valves.__class__(**form)
