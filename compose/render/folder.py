"""Rendered files on the disk: written as one folder, and compared with those of an earlier render."""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from compose.layout import COMPOSE, SECRETS
from compose.running import CONFIG, READS
from compose.text import HEADER, yaml_text
from maitre.errors import HouseError
from provisioning.durable import rename_whole

#: Labels that a deploy adds, by which it knows what a container was made of.
_LABELS = (CONFIG, READS)


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write all files as the folder: made aside and renamed, so that it is there whole or not at all. A folder that an
    earlier render made is replaced as a whole. Raises HouseError when it is anything else."""
    folder = folder.resolve()
    check(folder)
    aside, before = (folder.parent / f".{folder.name}.{word}" for word in ("new", "before"))
    try:
        for left in (aside, before):
            shutil.rmtree(left, ignore_errors=True)
        for name, text in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / name).write_text(text, "utf-8")
        if folder.exists():
            folder.rename(before)
        rename_whole(aside, folder)
    except OSError as wrong:
        if before.exists() and not folder.exists():
            before.rename(folder)
        raise HouseError(f"{folder} cannot be written: {wrong.strerror}.") from wrong
    finally:
        for left in (aside, before):
            shutil.rmtree(left, ignore_errors=True)


def check(folder: Path) -> None:
    """Raise HouseError when the folder is neither new nor empty nor made by an earlier render."""
    file = folder / COMPOSE
    if folder.exists() and not (
        folder.is_dir()
        and (not any(folder.iterdir()) or (file.is_file() and file.read_text("utf-8").startswith(HEADER)))
    ):
        raise HouseError(f"{folder} holds something else than an earlier `cli render`; name an empty or new folder.")


def read(folder: Path) -> dict[str, str]:
    """The files of a folder by path, without the secrets' copies; none where there is no folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else []
    named = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: file.read_text("utf-8") for name, file in named.items() if not name.startswith(f"{SECRETS}/")}


def states(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Every file of either: new, changed, same or gone."""
    return {name: _state(name, old.get(name), new.get(name)) for name in sorted({*old, *new})}


def _state(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return "new"
    if new is None:
        return "gone"
    return "same" if comparable(name, old) == comparable(name, new) else "changed"


def difference(old: Mapping[str, str], new: Mapping[str, str], folder: str) -> Iterator[str]:
    """The lines of a unified diff from what lies in the folder to what is rendered now."""
    for name, state in states(old, new).items():
        if state != "same":
            before, after = (comparable(name, files[name]) if name in files else "" for files in (old, new))
            where = f"{folder}/{name}", f"rendered/{name}"
            yield from difflib.unified_diff(before.splitlines(), after.splitlines(), *where, lineterm="")


def comparable(name: str, text: str) -> str:
    """A file as it was rendered: a deploy adds labels to the Compose file."""
    if not name.endswith(".yaml"):
        return text
    try:
        written: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if name == COMPOSE and isinstance(written, dict):
        for service in written.get("services", {}).values():
            service["labels"] = {key: value for key, value in service.get("labels", {}).items() if key not in _LABELS}
    return yaml_text(written)


def serving(files: Mapping[str, str], project: str) -> dict[str, tuple[str, ...]]:
    """The containers that the dynamic files of a folder name, by service."""
    found: dict[str, list[str]] = {}
    for name, text in files.items():
        if name.startswith("traefik/dynamic/"):
            for container, service in re.findall(rf"//({re.escape(project)}-([a-z0-9_]+)-\d+):", text):
                found.setdefault(service, []).append(container)
    return {service: tuple(dict.fromkeys(names)) for service, names in found.items()}
