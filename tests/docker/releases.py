"""Further releases of these sources, each with a few files changed, and their images."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from compose.render.versions import image_versions
from devstack.places import ROOT
from tests.docker.engine import Engine
from tests.docker.making import build

#: These sources' image, with the changed files in their place: a build of its own would fetch every package anew.
DOCKERFILE = """\
FROM maitre/{name}:{version}
USER 0:0
COPY app /app
RUN python -m compileall -q --invalidation-mode unchecked-hash /app
USER 10001:10001
"""


def make_release(engine: Engine, place: Path, changes: Mapping[str, str]) -> Path:
    """The folder of a release that differs from these sources by the changed files; its images are there. Its own
    cli.py deploys it."""
    root, ground = place / "sources", image_versions(ROOT)
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line.startswith("!"):
            _copy(ROOT / line[1:], root / line[1:])
    for name, text in changes.items():
        (root / name).write_text(text, "utf-8")
    for name, version in image_versions(root).items():
        if version != ground[name]:
            dockerfile = place / f"{name}.Dockerfile"
            dockerfile.write_text(DOCKERFILE.format(name=name, version=ground[name]), "utf-8")
            changed = {f"app/{file}": root / file for file in changes}
            build(engine, f"maitre/{name}:{version}", {"Dockerfile": dockerfile, **changed}, "release")
    return root


def appended(name: str, text: str) -> dict[str, str]:
    """A change: a file as it is, and the text."""
    return {name: f"{(ROOT / name).read_text('utf-8')}\n\n{text}\n"}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".maitre"))
    else:
        shutil.copy(source, target)
