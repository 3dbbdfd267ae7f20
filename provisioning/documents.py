"""The collections of maitre.yaml with their documents: files below the house's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from maitre.errors import HouseError
from maitre.knowledge.collection import Collection
from maitre.settings import House
from provisioning.files import is_foreign, shown


@dataclass(frozen=True, slots=True)
class File:
    """A file of the house's, and the SHA-256 of its bytes."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class WantedCollection:
    """A collection that the service should have, with its owner's e-mail, the model of its embeddings, and its files by
    their paths below the house's folder. `unmatched` are patterns that no file is like; `unfit` are files that cannot
    be indexed, with why not. A file may have `most` bytes."""

    collection: Collection
    owner: str
    model: str
    files: Mapping[str, File] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    unfit: Mapping[str, str] = field(default_factory=dict)
    most: int = 2**20


def wanted(house: House) -> list[WantedCollection]:
    """The collections of maitre.yaml with their files, which are read. Raises HouseError for a file that cannot be."""
    if house.rag is None:
        return []
    administrator = next((user.email for user in house.users if user.role == "admin"), "")
    scans = house.rag.docling is not None
    found = []
    for one in house.knowledge.values():
        by_pattern = {pattern: _like(house.directory, one.name, pattern) for pattern in one.files}
        paths = {
            shown(path.relative_to(house.directory).as_posix()): path
            for every in by_pattern.values()
            for path in every
            if not is_foreign(path, pictures=scans)
        }
        most = house.rag.max_file_bytes
        unfit = {key: why for key, path in paths.items() if (why := _unfit(path.stat().st_size, most))}
        found.append(
            WantedCollection(
                collection=one,
                owner=one.owner or administrator,
                model=house.rag.embedding,
                files={key: File(path, _digest(path)) for key, path in sorted(paths.items()) if key not in unfit},
                unmatched=tuple(pattern for pattern, every in by_pattern.items() if not every),
                unfit=unfit,
                most=most,
            )
        )
    return found


def _unfit(size: int, most: int) -> str:
    if size > most:
        return f"it is larger than {most // 2**20} MiB (rag.max_file_mb)."
    return "" if size else "it is empty."


def _like(folder: Path, name: str, pattern: str) -> list[Path]:
    """The files that a pattern stands for, hidden ones left out; of a folder, all beneath it."""
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise HouseError(f"maitre.yaml: knowledge.{name}.files: “{pattern}” leads out of the house's folder.")
    found = []
    for path in folder.glob(pattern):
        beneath = path.rglob("*") if path.is_dir() else (path,)
        for file in beneath:
            hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
            if not hidden and file.is_file():
                found.append(file)
    return found


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as bad:
        raise HouseError(f"{path} cannot be read ({bad.strerror}).") from bad
