"""The image that every other is built on: Debian 12 with its Python 3.11, by debootstrap from apt's own mirror."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from maitre.errors import HouseError
from tests.docker.engine import Engine
from tests.docker.making import import_tree
from tests.docker.programs import program

TAG = "python:3.11-slim-bookworm"
RELEASE = "bookworm"
INCLUDED = "python3,python3-venv,ca-certificates,libgomp1"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
WASTE = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def recipe() -> str:
    """Whatever changes the image when it changes."""
    return Path(__file__).read_text("utf-8")


def make(engine: Engine, inputs: str) -> None:
    """Make the image. Raises HouseError when debootstrap cannot."""
    place = Path(tempfile.mkdtemp(prefix="maitre-base-"))
    try:
        root = place / "root"
        words = [program("debootstrap"), "--variant=minbase", f"--include={INCLUDED}", RELEASE, str(root), _mirror()]
        made = subprocess.run(words, capture_output=True, text=True, check=False)
        if made.returncode:
            raise HouseError(f"debootstrap failed: {made.stdout.strip().splitlines()[-1]}")
        shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)  # a machine's own may be behind its mirror
        for name in ("python", "python3"):
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
        for waste in WASTE:
            shutil.rmtree(root / waste)
        import_tree(engine, TAG, ["-C", str(root), "."], inputs, "CMD python3", "ENV LANG=C.UTF-8")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def pip_settings() -> dict[str, str]:
    """How this machine's pip reaches its index, as build arguments; the base has the machine's certificates."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return {"PIP_CERT": f"/{CERTIFICATES}", **({"PIP_INDEX_URL": index} if index else {})}


def _mirror() -> str:
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        address, _, release = line.partition(" ")
        if release == RELEASE:
            return address
    raise HouseError(f"The base image is Debian's release {RELEASE}, which this machine's apt does not know.")
