"""What is known of a house: its secrets' files, its providers, its services, its models. Nothing is changed."""

from __future__ import annotations

import hashlib
import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from compose.host.machine import Machine
from compose.host.production import Known
from compose.host.recommendations import Recommendation, read
from compose.host.sizing import Needs, needs
from compose.stack.models import known_models
from compose.stack.service import Service
from compose.stack.settings import Stack
from maitre.house.secrets import find_secret
from maitre.providers.provider import Provider
from maitre.settings import GENERATED_SECRETS, House

_HERE = Path(__file__).parent
_OURS = "langfuse"  # the name under which the stack's own Langfuse is reached


def sizing_table() -> dict[str, Any]:
    """The table of sizes."""
    found: dict[str, Any] = yaml.safe_load((_HERE / "sizing.yaml").read_text("utf-8"))
    return found


def recommendations() -> tuple[Recommendation, ...]:
    """Every recommendation with its answer."""
    return read(yaml.safe_load((_HERE / "recommendations.yaml").read_text("utf-8")))


def needs_of(stack: Stack, services: Mapping[str, Service]) -> Needs:
    """What the stack with these services needs of its host."""
    return needs(stack, sizing_table(), _models(stack, services))


def known_of(house: House, stack: Stack, services: Mapping[str, Service], machine: Machine) -> Known:
    """What is known of the house with these services on this machine."""
    names = sorted({name for one in services.values() for name in one.secrets}.intersection(GENERATED_SECRETS))
    folder = house.state / "secrets"
    return Known(
        stack=stack,
        machine=machine,
        needs=needs_of(stack, services),
        models=tuple(_models(stack, services)),
        services=services,
        missing_secrets=tuple(name for name in names if find_secret(house.directory, name) is None),
        open_secrets=tuple(name for name in names if _open(folder / name)),
        same_secrets=_same(house, names),
        ollama_calls=tuple(one.queue.max_concurrent if one.queue else None for one in _ollamas(house)),
        traced=_traced(services),
    )


def _models(stack: Stack, services: Mapping[str, Service]) -> dict[str, float | None]:
    """What each model of the stack's own Ollama takes, in GB, with as many calls at once as one instance serves."""
    ollama = services.get("ollama")
    if ollama is None:
        return {}
    further = int(ollama.settings["num_parallel"]) - 1
    table = {one.model: one.memory + one.call * further for one in known_models()}
    return {name: table.get(name) for name in stack.ollama.models}


def _ollamas(house: House) -> list[Provider]:
    return [one for _, one in sorted(house.providers.items()) if one.kind == "ollama"]


def _open(file: Path) -> bool:
    """Whether others on the machine may read the file."""
    return file.is_file() and bool(stat.S_IMODE(file.stat().st_mode) & 0o077)


def _same(house: House, names: Iterable[str]) -> tuple[str, ...]:
    """The secrets that share their value with another one. Only digests are compared."""
    found: defaultdict[bytes, list[str]] = defaultdict(list)
    for name in names:
        if value := find_secret(house.directory, name):
            found[hashlib.sha256(value.encode()).digest()].append(name)
    return tuple(name for twins in found.values() if len(twins) > 1 for name in twins)


def _traced(services: Mapping[str, Service]) -> bool:
    gateway = services.get("gateway")
    url = gateway.env.get("MAITRE_TRACES_URL", "") if gateway else ""
    return urlsplit(url).hostname not in (None, _OURS)
