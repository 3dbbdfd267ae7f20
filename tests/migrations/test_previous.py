"""An earlier release is unpacked with the tables of this version, and its own tests run there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from maitre.errors import HouseError
from tests.migrations.previous import FOLDERS, newest_release, run

#: A suite that knows which migrations it ran with.
SUITE = """\
from pathlib import Path


def test_tables():
    assert sorted(file.name for file in Path("maitre/sql/migrations").iterdir()) == {names}
"""
BOTH = ["0001.sql", "0002.sql"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one migration and no release."""
    folder = tmp_path / "repository"
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    (folder / FOLDERS[0] / "0001.sql").write_text("select 1;")
    (folder / "tests" / "contract").mkdir(parents=True)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> None:
    """A git command there, as nobody."""
    nobody = ("-c", "user.name=n", "-c", "user.email=n@maitre.example", "-c", "commit.gpgsign=false")
    subprocess.run(("git", *nobody, *words), cwd=folder, check=True)


def commit(folder: Path, tag: str = "", names: list[str] = BOTH) -> None:
    """Commit everything, with a suite that expects these migrations."""
    (folder / "tests" / "contract" / "test_it.py").write_text(SUITE.format(names=names))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "x")
    if tag:
        git(folder, "tag", tag)


def test_before_the_first_release_there_is_nothing_to_run(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It says so, and is no failure."""
    assert run(repository, None, []) == 0
    assert "no earlier release" in capfd.readouterr().out


def test_the_releases_suite_meets_the_new_tables(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The code and the tests are the release's, the migrations this version's; without a new one nothing is run."""
    commit(repository, "v1.0.0")
    commit(repository, "v1.1.0")
    commit(repository, "other")
    assert newest_release(repository) == "v1.1.0"
    assert run(repository, None, []) == 0
    assert "no migration since" in capfd.readouterr().out
    (repository / FOLDERS[0] / "0002.sql").write_text("select 2;")
    commit(repository, names=["whatever this version's tests want"])
    assert run(repository, None, []) == 0
    assert "v1.1.0 on the tables of maitre/sql/migrations/0002.sql:" in capfd.readouterr().out


def test_a_release_that_fails_on_the_new_tables_is_a_failure(repository: Path) -> None:
    """With pytest's exit code."""
    commit(repository, "v1.0.0", names=["0001.sql"])
    (repository / FOLDERS[0] / "0002.sql").write_text("select 2;")
    assert run(repository, None, []) == 1


def test_a_migration_that_is_out_stays_as_it_is(repository: Path) -> None:
    """A house has applied it: a change of it would never arrive there."""
    commit(repository, "v1.0.0")
    (repository / FOLDERS[0] / "0001.sql").write_text("select 3;")
    with pytest.raises(HouseError, match=r"0001.sql is another one than in v1.0.0"):
        run(repository, None, [])
