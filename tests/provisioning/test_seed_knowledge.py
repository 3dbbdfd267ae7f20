"""Seeding a house with collections: their documents are its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from maitre.errors import HouseError
from provisioning import indexing
from provisioning.change import Change
from tests.provisioning.house import make_house
from tests.provisioning.rag_service import refused
from tests.provisioning.test_seed import KNOWING, Scene, work

HANDBOOK = """
knowledge:
  handbook:
    {name: House rules, language: english, owner: fran@x.io, readers: {groups: [coaches]}, files: ["rules/**/*"]}
"""


class Knowing(Scene):
    """A house with a collection and two files for it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "rules" / "more").mkdir(parents=True)
        self.file("dogs.md").write_text("# Dogs\nOne.")
        self.file("more/cats.md").write_text("# Cats\nTwo.")

    def file(self, name: str) -> Path:
        return self.folder / "rules" / name

    def known(self, *, dry_run: bool = False) -> list[Change]:
        """What a run does about collections."""
        changes = self.seed(KNOWING + HANDBOOK, dry_run)
        return [change for change in changes if change.resource == "collections"]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Knowing:
    monkeypatch.setattr(indexing, "PAUSE", 0)
    return Knowing(tmp_path)


def test_a_collection_stands_as_the_files_say(scene: Knowing) -> None:
    """It belongs to its owner, who was made in the same run; its documents are called as the files, and are ready."""
    scene.known()

    shown = scene.rag.shown["handbook"]
    owner = next(user["id"] for user in scene.webui.users.values() if user["email"] == "fran@x.io")
    assert (shown["title"], shown["language"]) == ("House rules", "english")
    assert shown["owner"] == {"user": owner, "email": "fran@x.io"}
    assert shown["readers"] == {"everyone": False, "users": [], "groups": ["coaches"], "assistants": []}
    assert scene.rag.keys("handbook") == ["rules/dogs.md", "rules/more/cats.md"]
    assert {row["status"] for row in scene.rag.rows.values()} == {"ready"}
    assert "2 documents can be found." in scene.heard


def test_who_seeds_is_known_to_the_gateway(scene: Knowing) -> None:
    """What is written is asked for on behalf of the administrator by their user id, as the operator."""
    scene.known()

    assert {claims["operator"] for claims in scene.rag.claims} == {True}
    assert scene.rag.claims[-1]["sub"] == "u1"


def test_twice_is_once(scene: Knowing) -> None:
    """The second run has nothing to do, and uploads nothing to find that out."""
    scene.known()
    before = len(scene.rag.written)

    assert work(scene.known()) == []
    assert len(scene.rag.written) == before


def test_a_dry_run_tells_the_same_and_changes_nothing(scene: Knowing) -> None:
    """What it says is what the run then does."""
    planned = scene.known(dry_run=True)

    assert scene.rag.written == []
    assert [change.sentence for change in planned] == [
        "Make the collection handbook, “House rules”.",
        "Index rules/dogs.md in the collection handbook.",
        "Index rules/more/cats.md in the collection handbook.",
    ]
    assert planned == scene.known()


def test_files_that_changed_or_went(scene: Knowing) -> None:
    """Only those are touched; a document that somebody else put there stays, and so does another collection."""
    scene.known()
    scene.rag.add("theirs")
    client = scene.rag.client()
    with scene.file("dogs.md").open("rb") as file:
        client.upload("handbook", "theirs.md", "theirs.md", file)
    scene.file("dogs.md").write_text("# Dogs\nNone.")
    scene.file("more/cats.md").unlink()
    scene.rag.uploaded.clear()

    changes = scene.known()

    assert [(change.action, change.key) for change in changes] == [
        ("update", "handbook/rules/dogs.md"),
        ("remove", "handbook/rules/more/cats.md"),
    ]
    assert scene.rag.uploaded == ["rules/dogs.md"]
    assert scene.rag.keys("handbook") == ["rules/dogs.md", "theirs.md"]
    assert set(scene.rag.shown) == {"handbook", "theirs"}


def test_a_file_that_cannot_be_read_is_a_note(scene: Knowing) -> None:
    """The run ends well, says which file and why, and says it again the next time without a change."""
    scene.rag.verdicts["rules/dogs.md"] = "The file is a scan."

    first, second = scene.known(), scene.known()

    assert [change.sentence for change in first if change.action == "skip"] == [
        "rules/dogs.md is not in the collection handbook: The file is a scan."
    ]
    assert work(second) == []
    assert "The file is a scan." in second[0].sentence


def test_without_a_worker_the_documents_stay_in_line(scene: Knowing) -> None:
    """Seeding does not hang, and says where to look."""
    scene.rag.stuck = True

    notes = [change.sentence for change in scene.known() if change.action == "skip"]

    assert notes == ["Documents of handbook are still in line: `cli collections jobs handbook` shows how far they are."]


def test_a_service_that_is_down_is_named(scene: Knowing) -> None:
    """The operator reads which change failed and why; the next run completes it."""
    scene.rag.before = lambda method, path: (
        refused(503, "unavailable", "The embedder does not answer.") if method == "PUT" else None
    )

    with pytest.raises(HouseError, match="“Make the collection handbook, “House rules”.” failed: The embedder"):
        scene.known()

    scene.rag.before = lambda method, path: None
    assert [change.action for change in scene.known()] == ["create"] * 3
    assert work(scene.known()) == []


def test_empty_and_foreign_files_are_no_documents(scene: Knowing) -> None:
    """An empty file is told, a picture and hidden files are passed by."""
    scene.file("empty.md").write_text("")
    scene.file("dog.png").write_bytes(b"\x89PNG\x00")
    scene.file(".notes").write_text("hidden")

    changes = scene.known()

    assert "rules/empty.md is not as its file" in next(one.sentence for one in changes if one.action == "skip")
    assert scene.rag.keys("handbook") == ["rules/dogs.md", "rules/more/cats.md"]


@pytest.mark.parametrize("pattern", ["/etc/*", "../*.md", "rules/../../*"])
def test_files_lie_in_the_house(scene: Knowing, pattern: str) -> None:
    """A pattern that leads out of the house's folder is refused."""
    from provisioning.documents import wanted

    house = make_house(scene.folder, KNOWING + HANDBOOK.replace("rules/**/*", pattern))

    with pytest.raises(HouseError, match="leads out of the house's folder"):
        wanted(house)
