"""The documents of a house's collections, as far as a container must see them: whole entries of the house's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from maitre.settings import House


def collected(house: House) -> dict[str, str]:
    """The entries of the house's folder in which the patterns of `knowledge.<name>.files` look, each with a digest of
    its names and contents, which changes when a document does."""
    patterns = {pattern for one in house.knowledge.values() for pattern in one.files}
    entries = {entry for pattern in patterns for entry in house.directory.glob(Path(pattern).parts[0])}
    return {one.name: _digest(one) for one in sorted(entries) if not one.name.startswith(".")}


def _digest(entry: Path) -> str:
    told = hashlib.sha256()
    for file in [entry] if entry.is_file() else sorted(entry.rglob("*")):
        if file.is_file():
            told.update(f"\0{file.relative_to(entry.parent).as_posix()}\0".encode())
            with file.open("rb") as content:
                told.update(hashlib.file_digest(content, "sha256").digest())
    return told.hexdigest()[:12]
