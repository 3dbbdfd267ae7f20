"""Houses of which the stack is rendered."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from compose.render.render import Surroundings, dressed, render
from compose.render.rendered import surroundings
from compose.stack.selection import selection
from compose.stack.service import Service
from compose.stack.settings import Stack
from compose.stack.wishes import read_stack
from maitre.settings import House, load_house

HOUSES = Path(__file__).parent / "houses"
#: Instead of digests of the sources, which change with every line of ours.
VERSIONS = {"engine": "0123456789ab", "rag": "ba9876543210"}


@dataclass(frozen=True)
class Rendered:
    """A rendered house, and what it was rendered from."""

    house: House
    stack: Stack
    services: Mapping[str, Service]
    files: Mapping[str, str]

    @property
    def compose(self) -> dict[str, Any]:
        """The Compose file."""
        read: dict[str, Any] = yaml.safe_load(self.files["compose.yaml"])
        return read


def copy_house(name: str, folder: Path, **changed: Any) -> Path:
    """A copy of a house with other sections in its maitre.yaml, and with the secrets that it asks for."""
    shutil.copytree(HOUSES / name, folder)
    file = folder / "maitre.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text("utf-8")) | changed), "utf-8")
    secrets = folder / ".maitre" / "secrets"
    secrets.mkdir(parents=True)
    for secret in ("cloud", "crm", "cloudflare"):
        (secrets / secret).write_text(f"the-{secret}-secret\n", "utf-8")
    return folder


def render_house(folder: Path) -> Rendered:
    """Render a house with fixed versions of our images, as if it lay beside the sources."""
    house = load_house(folder)
    stack, services = read_stack(house)
    around: Surroundings = replace(surroundings(house, folder), versions=VERSIONS, source="../../..", home="../..")
    chosen = dressed(house, stack, selection(house, stack, services), around)
    return Rendered(house, stack, chosen, render(house, stack, services, {}, around))
