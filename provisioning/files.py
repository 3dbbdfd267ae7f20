"""Which files a path stands for, and what each is called in a collection."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path

from maitre.errors import HouseError

HEAD = 2048  # bytes that are looked at: text has no NUL among them
#: These are: PDF, what may be an old Office file (of which the service says what to do), and UTF-16 and UTF-32.
_KNOWN = (b"%PDF-", b"\xd0\xcf\x11\xe0", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
#: Office files are zip archives as many others are, so that their names must tell.
_PACKED = {".docx", ".pptx", ".xlsx"}
#: Scans, which only Docling reads.
_PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"}


@dataclass(slots=True)
class Found:
    """Files by their keys, in order; and how many were passed by: hidden ones, and those that are no documents.
    `folders` are those that keys are relative to."""

    files: dict[str, Path] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    pictures: bool = False  # whether scans are documents
    hidden: int = 0
    foreign: int = 0


def find(paths: Iterable[str], *, pictures: bool = False) -> Found:
    """The documents beneath folders, those that patterns stand for, and files by name. A file's key is its path below
    the folder given, below the part of a pattern before its first wildcard, or its name.

    A file that is named itself is never passed by. Raises HouseError for what is not there, and for two files of one
    key.
    """
    found = Found(pictures=pictures)
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found.folders.append(path)
            for file in _below(path, found):
                _add(found, path, file)
        elif path.exists():
            _put(found, path.name, path)
        elif has_magic(given):
            _matched(given, found)
        else:
            raise HouseError(f"There is no file or folder {given}.")
    found.files = dict(sorted(found.files.items()))
    return found


def _matched(pattern: str, found: Found) -> None:
    parts = Path(pattern).parts
    base = Path(*parts[: next(number for number, part in enumerate(parts) if has_magic(part))])
    names = sorted(glob(pattern, recursive=True))
    if not names:
        raise HouseError(f"No file is like {pattern}.")
    for file in map(Path, names):
        if file.is_dir():
            continue
        _add(found, base, file)


def _below(folder: Path, found: Found) -> Iterator[Path]:
    for above, folders, files in os.walk(folder):
        found.hidden += sum(name.startswith(".") for name in (*folders, *files))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(above, name) for name in sorted(files) if not name.startswith("."))


def _add(found: Found, base: Path, file: Path) -> None:
    if not file.is_file() or is_foreign(file, pictures=found.pictures):
        found.foreign += 1
    else:
        _put(found, file.relative_to(base).as_posix(), file)


def _put(found: Found, key: str, file: Path) -> None:
    there = found.files.setdefault(key, file)
    if there != file and not there.samefile(file):
        raise HouseError(
            f"{there} and {file} would both be the document “{shown(key)}”: index the folder above them, or one by one."
        )


def is_foreign(file: Path, *, pictures: bool = False) -> bool:
    """Whether it is obviously no document: a picture, an archive, a program. One that cannot be read is not obvious."""
    if pictures and file.suffix.lower() in _PICTURES:
        return False
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError:
        return False
    if head.startswith(b"PK\x03\x04"):
        return file.suffix.lower() not in _PACKED
    return b"\x00" in head and not head.startswith(_KNOWN)


def shown(name: str) -> str:
    """A file's name as it can be printed; names need not be UTF-8."""
    return name.encode("utf-8", "replace").decode()
