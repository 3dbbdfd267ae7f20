"""The tags of our images: a digest of what each is built from, so that new sources are a new image."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

#: What is no source, though it lies among them.
_ASIDE = ("__pycache__", ".maitre")


def image_versions(root: Path) -> Mapping[str, str]:
    """The tag of each image of compose/images/, twelve hexadecimal digits. `root`: what they are built from."""
    return {
        file.parent.name: _digest(root, file) for file in sorted((root / "compose" / "images").glob("*/Dockerfile"))
    }


def _digest(root: Path, dockerfile: Path) -> str:
    told = hashlib.sha256(dockerfile.read_bytes())
    for name in sorted(set(_copied(dockerfile.read_text("utf-8")))):
        for file in _files(root, name):
            told.update(f"\0{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    return told.hexdigest()[:12]


def _copied(dockerfile: str) -> Iterator[str]:
    """What the Dockerfile copies from the folder that it is built from."""
    for words in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        yield from (word for word in words.split()[:-1] if not word.startswith("--"))


def _files(root: Path, name: str) -> list[Path]:
    """The sources at or below a path of the root. What the root itself lies in says nothing of them."""
    path = root / name
    if path.is_file():
        return [path]
    below = (one for one in sorted(path.rglob("*")) if one.is_file())
    return [one for one in below if not set(_ASIDE) & set(one.relative_to(root).parts)]
