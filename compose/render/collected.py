"""The documents of a house's collections, as far as a container must see them: whole entries of the house's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from maitre.errors import ConfigError
from maitre.settings import House

#: Every container that reads the house has copies of these.
COPIED = ("maitre.yaml", "assistants")


def collected(house: House) -> dict[str, str]:
    """The entries of the house's folder in which the patterns of `knowledge.<name>.files` look, each with a digest of
    its names and contents, which changes when a document does. Raises ConfigError for one that leads elsewhere."""
    patterns = [(name, pattern) for name, one in sorted(house.knowledge.items()) for pattern in one.files]
    if outside := [
        f"maitre.yaml: knowledge.{name}.files: “{pattern}” names nothing below the house's folder"
        for name, pattern in patterns
        if not _within(Path(pattern))
    ]:
        raise ConfigError(outside)
    tops = {first if "**" not in (first := Path(pattern).parts[0]) else "*" for _, pattern in patterns}
    entries = sorted({entry for top in tops for entry in house.directory.glob(top)})
    return {one.name: _digest(one) for one in entries if not one.name.startswith(".") and one.name not in COPIED}


def _within(pattern: Path) -> bool:
    return bool(pattern.parts) and not pattern.is_absolute() and ".." not in pattern.parts


def _digest(entry: Path) -> str:
    told = hashlib.sha256()
    for file in [entry] if entry.is_file() else sorted(entry.rglob("*")):
        if file.is_file():
            told.update(f"\0{file.relative_to(entry.parent).as_posix()}\0".encode())
            with file.open("rb") as content:
                told.update(hashlib.file_digest(content, "sha256").digest())
    return told.hexdigest()[:12]
