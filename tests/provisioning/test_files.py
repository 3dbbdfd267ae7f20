"""Which files a path stands for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maitre.errors import HouseError
from provisioning.files import find, is_foreign

BYTES = {
    "rules/dogs.md": b"# Dogs\n",
    "rules/more/cats.txt": b"cats",
    "rules/.git/config": b"hidden",
    "rules/.notes": b"hidden",
    "rules/photo.png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "rules/plan.pdf": b"%PDF-1.7\n\x00\x00",
    "faq.md": b"?",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, data in BYTES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "keys", "passed_by"),
    [
        (["rules"], ["dogs.md", "more/cats.txt", "plan.pdf"], (2, 1)),
        (["rules/"], ["dogs.md", "more/cats.txt", "plan.pdf"], (2, 1)),
        (["faq.md"], ["faq.md"], (0, 0)),
        (["rules/photo.png"], ["photo.png"], (0, 0)),
        (["rules/.notes"], [".notes"], (0, 0)),
        (["rules/**/*.txt"], ["more/cats.txt"], (0, 0)),
        (["**/*.md"], ["faq.md", "rules/dogs.md"], (0, 0)),
        (["rules", "faq.md"], ["dogs.md", "faq.md", "more/cats.txt", "plan.pdf"], (2, 1)),
        (["faq.md", "./faq.md"], ["faq.md"], (0, 0)),
    ],
)
def test_what_a_path_stands_for(folder: Path, paths: list[str], keys: list[str], passed_by: tuple[int, int]) -> None:
    """Keys are relative to the folder or pattern; hidden and foreign files are counted, unless named themselves."""
    found = find(paths)

    assert list(found.files) == keys
    assert (found.hidden, found.foreign) == passed_by
    assert all(path.is_file() for path in found.files.values())


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["nowhere"], "no file or folder nowhere"),
        (["rules/*.docx"], "No file is like"),
        (["faq.md", "copy/faq.md"], "would both be the document “faq.md”"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(folder: Path, paths: list[str], says: str) -> None:
    """Nothing is guessed about what is not there, or twice."""
    (folder / "copy").mkdir()
    (folder / "copy" / "faq.md").write_text("another")

    with pytest.raises(HouseError, match=says):
        find(paths)


@pytest.mark.parametrize(
    ("name", "data", "foreign"),
    [
        ("a.txt", b"", False),
        ("a.txt", "Привіт".encode(), False),
        ("a.txt", "hello".encode("utf-16"), False),
        ("a.bin", b"a\x00b", True),
        ("a.docx", b"PK\x03\x04\x00", False),
        ("a.jar", b"PK\x03\x04\x00", True),
        ("a.doc", b"\xd0\xcf\x11\xe0\x00", False),
        ("a.png", b"\x89PNG\x00", True),
    ],
)
def test_what_is_obviously_no_document(tmp_path: Path, name: str, data: bytes, foreign: bool) -> None:
    """The first bytes tell; an old Office file is a document, of which the service says what to do."""
    (tmp_path / name).write_bytes(data)

    assert is_foreign(tmp_path / name) is foreign


def test_scans_are_documents_where_something_reads_them(tmp_path: Path) -> None:
    """With Docling a picture may be a page."""
    (tmp_path / "scan.png").write_bytes(b"\x89PNG\x00")

    assert list(find([str(tmp_path)], pictures=True).files) == ["scan.png"]


def test_a_folder_that_leads_back_is_no_endless_walk(folder: Path) -> None:
    """A link to a folder is not followed, one to a file is; a broken one is passed by."""
    os.symlink(folder / "rules", folder / "rules" / "again")
    os.symlink(folder / "faq.md", folder / "rules" / "faq.md")
    os.symlink(folder / "gone", folder / "rules" / "broken")

    found = find(["rules"])

    assert list(found.files) == ["dogs.md", "faq.md", "more/cats.txt", "plan.pdf"]
    assert found.foreign == 2
