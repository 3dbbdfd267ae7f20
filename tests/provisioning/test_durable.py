"""Files that a power loss leaves whole: what is on the disk before a name is, and what is after."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from compose.deploy.docker_engine import DockerEngine
from compose.deploy.journal import Journal
from compose.deploy.releases import Contents, Release
from compose.deploy.site import _write
from compose.deploy.steps import Compose
from compose.render import folder
from compose.render.secret_copy import Copy
from compose.render.secret_files import write_copy
from devstack import scaffold
from devstack.places import write_private
from maitre.settings import load_house
from provisioning.durable import rename_whole, write_whole
from provisioning.rotation import rotate


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is brought to the disk, and each rename, in order, with the inode of what it is about."""
    seen: list[tuple[str, int]] = []
    sync, move = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        seen.append(("sync", os.fstat(handle).st_ino))
        sync(handle)

    def replace(self: Path, target: Path) -> Path:
        seen.append(("name", self.stat().st_ino))
        return move(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    return seen


def engine(path: Path) -> DockerEngine:
    """An engine that watches the file's folder."""
    return DockerEngine(Compose((), "house", ""), path.parent / "log", path.parent)


def kept(path: Path) -> None:
    """A release is begun, whose record is the file."""
    Journal(path.parents[2]).begin(Release(path.parent.name, "lea", "", "deploy"), Contents({"a/b.yaml": "b"}, {}))


WRITERS: list[tuple[str, str, Callable[[Path], object]]] = [
    ("private", "a", lambda path: write_private(path, "new")),
    ("watched by Traefik", "a.yaml", lambda path: engine(path).write_dynamic(path.name, "new")),
    ("rendered", "a.sh", lambda path: _write(path.parent, path.name, "new")),
    ("a copy of a secret", "a", lambda path: write_copy(path.parent, "a", Copy("a", "plain", os.geteuid()), "new")),
    ("a release", "releases/1/release.json", kept),
    ("rendered aside", "out/compose.yaml", lambda path: folder.write({path.name: "new"}, path.parent)),
]


@pytest.mark.parametrize(("path", "write"), [one[1:] for one in WRITERS], ids=[one[0] for one in WRITERS])
def test_it_is_on_the_disk_before_it_has_a_name(
    tmp_path: Path, disk: list[tuple[str, int]], path: str, write: Callable[[Path], object]
) -> None:
    """The file first, then the name, then the folder that holds the name: for everything that a deploy leaves."""
    file = tmp_path / path
    write(file)
    assert file.is_file()
    inode = file.stat().st_ino
    assert ("sync", inode) in disk
    last = max(number for number, (what, _) in enumerate(disk) if what == "name")
    named = file if ("name", inode) == disk[last] else file.parent
    assert disk[last] == ("name", named.stat().st_ino)
    assert ("sync", inode) in disk[:last]
    assert disk[last + 1 :] == [("sync", named.parent.stat().st_ino)]
    assert [one.name for one in tmp_path.rglob(".*")] == []


def test_a_rotated_secret_is_on_the_disk_before_it_counts(tmp_path: Path, disk: list[tuple[str, int]]) -> None:
    """The value that waits aside too: Postgres may know it already."""
    scaffold.copy_example(tmp_path)
    scaffold.make_secrets(tmp_path)
    house = load_house(tmp_path)
    disk.clear()
    rotate(house, "gateway_key", lambda name: "new", roles=None)  # type: ignore[arg-type]
    home = house.state / "secrets"
    inode, around = (home / "gateway_key").stat().st_ino, home.stat().st_ino
    step = [("sync", inode), ("name", inode), ("sync", around)]
    assert disk == [*step, *step]


def test_a_whole_folder(tmp_path: Path, disk: list[tuple[str, int]]) -> None:
    """Every file and folder within is on the disk before the name is."""
    (tmp_path / "aside" / "b").mkdir(parents=True)
    (tmp_path / "aside" / "b" / "c").write_text("c")
    rename_whole(tmp_path / "aside", tmp_path / "named")
    inodes = {(tmp_path / name).stat().st_ino for name in ("named", "named/b", "named/b/c")}
    assert {inode for what, inode in disk[:3] if what == "sync"} == inodes
    assert disk[3:] == [("name", (tmp_path / "named").stat().st_ino), ("sync", tmp_path.stat().st_ino)]


def test_what_cannot_be_written_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full is an error, and nothing is left beside."""
    write_whole(tmp_path / "a", "old", 0o640)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a", "new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a", "old")]
