"""The previous release's own tests, on the tables of this one: while a deploy goes on, and after one that went back,
its code serves on the new tables.

    python -m tests.migrations.previous [--release v1.2.0] [TESTS…]

The release's source is taken from its tag, gets this version's migrations beside its own, and runs in this environment.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from maitre.errors import HouseError

FOLDERS = ("maitre/sql/migrations", "rag_service/sql")

#: Those of a release that meet the tables.
SUITE = ("tests/contract", "tests/engine", "tests/api", "tests/rag_service")


def newest_release(repository: Path) -> str | None:
    """The newest tag of a release before what is checked out."""
    asked = ("describe", "--tags", "--abbrev=0", "--match=v[0-9]*", "HEAD")
    answer = subprocess.run(("git", *asked), cwd=repository, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def unpack(repository: Path, release: str, where: Path) -> list[str]:
    """The source of a release, with this version's migrations; the names of those that it did not have. Raises
    HouseError when one that it had is another one now."""
    archive = subprocess.run(("git", "archive", release), cwd=repository, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        # Debian 12's Python is older than the argument `filter` (3.11.4), and passes this by.
        source.extraction_filter = getattr(tarfile, "data_filter", None)
        source.extractall(where)
    new = []
    for folder in FOLDERS:
        for file in sorted((repository / folder).glob("*.sql")):
            theirs = where / folder / file.name
            if not theirs.exists():
                new.append(f"{folder}/{file.name}")
            elif theirs.read_bytes() != file.read_bytes():
                raise HouseError(
                    f"{folder}/{file.name} is another one than in {release}, and is applied there already."
                )
            theirs.parent.mkdir(parents=True, exist_ok=True)
            theirs.write_bytes(file.read_bytes())
    return new


def run(repository: Path, release: str | None, suite: list[str]) -> int:
    """Run the suite of a release, else of the newest one; its exit code."""
    release = release or newest_release(repository)
    if release is None:
        print("There is no earlier release (no tag v…): nobody's code has to live with these tables.")
        return 0
    with tempfile.TemporaryDirectory(prefix="previous-") as folder:
        Path(folder).chmod(0o755)  # Postgres may run as somebody else
        if not (new := unpack(repository, release, Path(folder))):
            print(f"The tables are those of {release}: there is no migration since.")
            return 0
        print(f"{release} on the tables of {', '.join(new)}:", flush=True)
        tests = [one for one in suite or SUITE if (Path(folder) / one.partition("::")[0]).exists()]
        return subprocess.run((sys.executable, "-m", "pytest", "-q", *tests), cwd=folder, check=False).returncode


def main() -> None:
    """The command line."""
    asked = argparse.ArgumentParser(description="Runs the previous release's tests on this version's tables.")
    asked.add_argument("--release", help="a tag or commit; else the newest tag v…")
    asked.add_argument("tests", nargs="*", help=f"else {' '.join(SUITE)}")
    wanted = asked.parse_args()
    try:
        sys.exit(run(Path(__file__).parent.parent.parent, wanted.release, wanted.tests))
    except HouseError as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main()
