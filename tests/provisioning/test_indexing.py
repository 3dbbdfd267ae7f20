"""Uploading files, and waiting for their jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provisioning import indexing
from provisioning.indexing import Outcome
from provisioning.rag_http import RagError
from tests.provisioning.rag_service import FakeRagService, refused

MOST = 100


class Scene:
    """A folder, a collection, and what was heard of its documents."""

    def __init__(self, folder: Path) -> None:
        self.service = FakeRagService()
        self.service.add("handbook")
        self.folder = folder
        self.heard: list[tuple[str, str]] = []

    def upload(self, **texts: str) -> list[Outcome]:
        files = {}
        for key, text in texts.items():
            files[key] = self.folder / key
            files[key].write_text(text)
        outcomes = [Outcome(key) for key in files]
        indexing.upload(self.service.client(), "handbook", files, outcomes, MOST, self.hear)
        return outcomes

    def wait(self, outcomes: list[Outcome], patience: float = 60) -> bool:
        return indexing.wait(self.service.client(), outcomes, patience, self.hear)

    def hear(self, outcome: Outcome) -> None:
        self.heard.append((outcome.key, outcome.status))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(indexing, "PAUSE", 0)
    return Scene(tmp_path)


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.key: one.status for one in outcomes}


def test_files_are_uploaded_and_waited_for(scene: Scene) -> None:
    """Every file ends ready, with its chunks counted, and each step is heard."""
    outcomes = scene.upload(a="A", b="B")

    assert scene.wait(outcomes)

    assert states(outcomes) == {"a": "ready", "b": "ready"}
    assert [one.done for one in outcomes] == [2, 2]
    assert set(scene.heard) == {(key, status) for key in "ab" for status in ("waiting", "working", "ready")}


def test_the_same_again_is_unchanged(scene: Scene) -> None:
    """A second run uploads what has changed, and waits for nothing else."""
    scene.wait(scene.upload(a="A", b="B"))

    outcomes = scene.upload(a="A", b="B2")

    assert states(outcomes) == {"a": "unchanged", "b": "waiting"}
    assert scene.wait(outcomes)


def test_one_bad_file_does_not_stop_the_others(scene: Scene) -> None:
    """What is too large, empty or unreadable to the service has its sentence; the rest is indexed."""
    scene.service.verdicts["scan"] = "The file has no text: it is a scan."
    outcomes = scene.upload(empty="", large="x" * (MOST + 1), scan="?", good="G")

    scene.wait(outcomes)

    assert states(outcomes) == {"empty": "failed", "large": "failed", "scan": "failed", "good": "ready"}
    assert {one.key: one.fault for one in outcomes} == {
        "empty": "“empty” is empty.",
        "large": "It is larger than 0 MiB (rag.max_file_mb).",
        "scan": "The file has no text: it is a scan.",
        "good": "",
    }


def test_a_file_that_went_meanwhile_is_one_of_the_failed(scene: Scene) -> None:
    """Its sentence says why it could not be read."""
    outcome = Outcome("gone")

    indexing.put(scene.service.client(), "handbook", scene.folder / "gone", outcome, MOST)

    assert (outcome.status, outcome.fault) == ("failed", "It cannot be read (No such file or directory).")


def test_a_service_that_goes_away_ends_the_uploads(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is tried in vain after it, and what was taken stays."""
    monkeypatch.setattr(indexing, "AT_ONCE", 1)
    down = refused(503, "unavailable", "The database does not answer.")
    scene.service.before = lambda method, path: down if len(scene.service.uploaded) == 2 else None

    with pytest.raises(RagError, match="does not answer"):
        scene.upload(**{f"f{number}": "text" for number in range(20)})

    assert scene.service.keys("handbook") == ["f0", "f1"]
    assert len(scene.service.claims) <= 4


def test_ctrl_c_begins_no_other_upload(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads under way end whole, no other is begun, and the same again goes on with the rest."""
    monkeypatch.setattr(indexing, "AT_ONCE", 1)
    files = {f"f{number}": "text" for number in range(20)}

    def stop(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    hear, scene.hear = scene.hear, stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        scene.upload(**files)

    scene.hear = hear  # type: ignore[method-assign]
    scene.wait(scene.upload(**files))
    assert scene.service.keys("handbook") == sorted(files)
    assert sorted(set(scene.service.uploaded)) == sorted(files)


def test_a_worker_that_does_not_come_is_not_waited_for_for_ever(scene: Scene) -> None:
    """Without news for as long as the patience lasts the answer is no; the documents stay in line."""
    scene.service.stuck = True
    outcomes = scene.upload(a="A")

    assert not scene.wait(outcomes, patience=0)
    assert states(outcomes) == {"a": "waiting"}


def test_a_service_that_comes_back_is_waited_for(scene: Scene) -> None:
    """A restart of the service between two looks is no failure."""
    outcomes = scene.upload(a="A")
    answers: list[Any] = [refused(503, "unavailable", "The database does not answer."), None]
    scene.service.before = lambda method, path: answers.pop(0) if answers else None

    assert scene.wait(outcomes)
    assert states(outcomes) == {"a": "ready"}


def test_a_document_that_was_deleted_meanwhile_is_told(scene: Scene) -> None:
    """Its job is gone, which is no fault of the others."""
    outcomes = scene.upload(a="A")
    scene.service.before = lambda method, path: refused(404, "unknown_job", "There is no such job.")

    assert scene.wait(outcomes)
    assert (outcomes[0].status, outcomes[0].fault) == ("cancelled", "It was deleted meanwhile.")
