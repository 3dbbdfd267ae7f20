"""The stack of a house's folder, rendered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from compose.render.collected import collected
from compose.render.house_copies import tool_documents
from compose.render.render import Surroundings, dressed, render
from compose.render.routes import Replicas
from compose.render.versions import image_versions
from compose.stack.selection import selection
from compose.stack.service import Service
from compose.stack.settings import Stack
from compose.stack.wishes import read_stack
from maitre.settings import House

ROOT = Path(__file__).parents[2]


def stack_folder(house: House) -> Path:
    """Where the rendered files lie."""
    return house.state / "stack"


def rendered(house: House, running: Replicas | None = None, out: Path | None = None) -> dict[str, str]:
    """Every file of the stack by its path. `running`: the names of the containers that serve now, by service, where
    they are others than Compose's first; `out`: the folder that it is meant for. Raises ConfigError, HouseError."""
    stack, services = read_stack(house)
    return render(house, stack, services, running or {}, surroundings(house, out or stack_folder(house)))


def house_services(house: House) -> tuple[Stack, dict[str, Service]]:
    """The house's stack, and its services as they are rendered, by name. Raises ConfigError, HouseError."""
    stack, services = read_stack(house)
    return stack, dressed(house, stack, selection(house, stack, services), surroundings(house, stack_folder(house)))


def surroundings(house: House, out: Path) -> Surroundings:
    """What else goes into the files that are meant for the folder `out`."""
    return Surroundings(
        files=_house_files(house),
        documents=collected(house),
        home=os.path.relpath(house.directory, out.resolve()),
        versions=image_versions(ROOT),
        source=os.path.relpath(ROOT, out.resolve()),
        ours=_our_files(ROOT / "compose"),
    )


def _our_files(top: Path) -> dict[str, str]:
    """What lies in compose/files/<service>/, and the script that pulls models."""
    files = [file for file in sorted((top / "files").rglob("*")) if file.is_file()]
    named = {file.relative_to(top / "files").as_posix(): file for file in files}
    named["ollama_models/pull_models.py"] = top / "pull_models.py"
    return {name: file.read_text("utf-8") for name, file in named.items()}


def _house_files(house: House) -> Mapping[str, str]:
    written = (house.directory / "maitre.yaml").read_text("utf-8")
    assistants = (f"assistants/{file.name}" for file in (house.directory / "assistants").glob("*.md"))
    names = sorted({*assistants, *tool_documents(written)})
    return {"maitre.yaml": written} | {name: (house.directory / name).read_text("utf-8") for name in names}
