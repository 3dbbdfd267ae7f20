"""What `cli render` shows: the files, and the services in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from commands.output import console
from compose.layout import COMPOSE
from compose.render.folder import states


def render_json(files: Mapping[str, str], there: Mapping[str, str]) -> dict[str, Any]:
    """The form of `cli render --json`. `there`: the files that they would replace."""
    return {
        "files": {
            name: {"state": state, "bytes": len(files.get(name, "").encode())}
            for name, state in states(there, files).items()
        },
        "services": services(files),
    }


def services(files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Every service with its image and what it may take."""
    written = yaml.safe_load(files[COMPOSE])["services"]
    return {name: _service(one) for name, one in written.items()}


def _service(written: Mapping[str, Any]) -> dict[str, Any]:
    limits = written["deploy"]["resources"]["limits"]
    return {"image": written["image"], "cpus": limits["cpus"], "memory": limits["memory"]}


def show(files: Mapping[str, str], there: Mapping[str, str], out: Path | None) -> None:
    """Print both tables."""
    table = Table(box=None, pad_edge=False)
    for title in ("service", "image"):
        table.add_column(title)
    for title in ("cpus", "memory"):
        table.add_column(title, justify="right")
    for name, one in services(files).items():
        table.add_row(name, one["image"], one["cpus"], one["memory"])
    console.print(table)
    console.print()
    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    table.add_column("lines", justify="right")
    table.add_column("")
    for name, state in states(there, files).items():
        table.add_row(name, str(files.get(name, "").count("\n")), state)
    console.print(table)
    where = f"Written to {out}." if out is not None else "Nothing is written. `--out DIR` writes the files."
    console.print(f"\n{where}", markup=False, highlight=False)
