"""The official Node client: fetched once with npm, checked against its digest, unpacked below `.cache/`.

`python -m tests.conformance.node_package` does it ahead of the tests.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "7.55.0"
#: SHA-512 of the package's file, wherever it comes from.
DIGEST = "0r4snVSRN46m4wL2vXCW5Xw6CKGPbdNI8t79KZOpe8GKKPmhL8peDXN8YOY/2ipsOVWSfsP/vgkLjTmWB+kMug=="

CACHE = Path(__file__).parents[2] / ".cache"
PACKAGE = CACHE / f"openai-node-{VERSION}"

MISSING = "Node.js with npm is missing (Debian: nodejs, npm); the Node client's tests are skipped."


class NoPackage(Exception):
    """The package could not be fetched, or is not the one that was wanted."""


def node() -> str | None:
    """The program, or None where it or npm is missing."""
    return shutil.which("node") if shutil.which("npm") else None


def fetched() -> Path:
    """The folder of the package. Raises NoPackage."""
    if PACKAGE.is_dir():
        return PACKAGE
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        command = ["npm", "pack", "--silent", f"openai@{VERSION}", "--pack-destination", folder]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            raise NoPackage(f"npm did not fetch openai@{VERSION} within three minutes.") from None
        file = Path(folder) / f"openai-{VERSION}.tgz"
        if done.returncode or not file.is_file():
            raise NoPackage(f"npm could not fetch openai@{VERSION}: {done.stderr.strip()[-500:]}")
        if base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode() != DIGEST:
            raise NoPackage(f"openai@{VERSION} is not the package whose digest is known.")
        with tarfile.open(file) as packed:
            # Python before 3.11.4, such as Debian's, has no filters; what is unpacked there is the known digest's.
            packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            packed.extractall(folder)
        (Path(folder) / "package").rename(PACKAGE)
    return PACKAGE


if __name__ == "__main__":
    try:
        if node() is None:
            print(MISSING)
        else:
            fetched()
    except NoPackage as fault:
        print(f"{fault} The Node client's tests will fail.")
