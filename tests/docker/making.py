"""Making images: from a folder, by a Dockerfile, or from another image and a folder with very many files."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from maitre.errors import HouseError
from tests.docker.engine import Engine
from tests.docker.programs import program

#: Says of what an image was made, so that it is made again when that changes.
LABEL = "io.maitre.inputs"

#: Where Debian's Python looks for packages.
PACKAGES = "usr/local/lib/python3.11/dist-packages"


def inputs_of(engine: Engine, tag: str) -> str | None:
    """What the image's label says; None when there is no such image."""
    asked = ("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', tag)
    found = engine.run(program("docker"), *asked)
    return found.stdout.decode().strip() if found.returncode == 0 else None


@contextmanager
def replacing(engine: Engine, tag: str) -> Iterator[None]:
    """Afterwards the image that had the tag before is gone, unless another is built on it."""
    found = engine.run(program("docker"), "image", "inspect", "--format", "{{.Id}}", tag)
    yield
    if old := found.stdout.decode().strip():
        engine.run(program("docker"), "image", "rm", old)


def import_tree(engine: Engine, tag: str, packed: Sequence[str], inputs: str, *changes: str) -> None:
    """Make an image of one layer. `packed`: what tar is to pack; `changes`: as of `docker import --change`."""
    words = [word for one in (*changes, f"LABEL {LABEL}={inputs}") for word in ("--change", one)]
    with subprocess.Popen(["tar", "-c", *packed], stdout=subprocess.PIPE) as tar:
        done = subprocess.run(
            [program("docker"), "import", *words, "-", tag],
            env=engine.environment,
            stdin=tar.stdout,
            capture_output=True,
            check=False,
        )
    if done.returncode or tar.returncode:
        raise HouseError(f"docker import {tag} failed: {done.stderr.decode('utf-8', 'replace')[-500:]}")


def import_with(engine: Engine, ground: str, packages: Path, tag: str, inputs: str) -> None:
    """Make an image of one layer: the other image, and the folder as its Python's packages."""
    with tempfile.TemporaryDirectory(prefix="maitre-ground-") as place:
        container = engine.docker("create", "--network", "none", ground)
        try:
            with subprocess.Popen(["tar", "-x", "-C", place], stdin=subprocess.PIPE) as tar:
                export = [program("docker"), "export", container]
                subprocess.run(export, env=engine.environment, stdout=tar.stdin, check=True)
        finally:
            engine.docker("rm", container)
        shutil.rmtree(Path(place) / PACKAGES, ignore_errors=True)  # a path may be packed once only
        there = f"--transform=s,^{packages.name},{PACKAGES},SH"
        packed = [there, "-C", place, ".", "-C", str(packages.parent), packages.name]
        import_tree(engine, tag, packed, inputs, "ENV LANG=C.UTF-8")


def build(engine: Engine, tag: str, contents: Mapping[str, Path], inputs: str) -> None:
    """Build by the Dockerfile among the contents. Nothing of the world outside is reached."""
    words = ("build", "--quiet", "--network", "none", "--label", f"{LABEL}={inputs}", "--tag", tag, "-")
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [program("docker"), *words], env=engine.environment, stdin=subprocess.PIPE, stdout=said, stderr=said
        ) as client,
    ):
        assert client.stdin
        try:
            # Docker's client looks at the first 512 bytes alone; the default format may need more for a header.
            with tarfile.open(fileobj=client.stdin, mode="w|", format=tarfile.GNU_FORMAT) as tar:
                for name, path in contents.items():
                    tar.add(path, name, filter=_nobodys)
            client.stdin.close()
        except BrokenPipeError:
            pass  # it ended early, and says why
        if client.wait():
            said.seek(0)
            raise HouseError(f"docker build {tag} failed: {said.read().decode('utf-8', 'replace')[-2000:]}")


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    return entry
