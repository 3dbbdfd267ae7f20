"""Files that a crash or a power loss leaves whole: written aside, brought to the disk, then renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o600, owner: int = -1) -> None:
    """Write a file in one step: a reader, and the disk after a power loss, has the old text or the new, never half of
    it, and the new one once this has returned. `mode` whatever the umask; `owner`: the number of another user. Raises
    OSError; then the old text is there, unless it is the disk itself that fails."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")  # no *.yaml, which Traefik would read
    aside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
            os.fchown(file.fileno(), owner, -1)
        rename_whole(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def rename_whole(aside: Path, path: Path) -> None:
    """Give what was written aside its name: a file, or a folder with everything in it, in the folder where it lies.
    After a power loss the name stands for all of it, or for what it stood for before. Raises OSError."""
    for each in (aside, *(aside.rglob("*") if aside.is_dir() else ())):
        _to_the_disk(each)
    aside.replace(path)
    _to_the_disk(path.parent)  # a rename is a change of the folder


def _to_the_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
