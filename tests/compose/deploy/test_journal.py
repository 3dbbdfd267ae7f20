"""The releases on the disk."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compose.deploy.journal import Journal
from compose.deploy.releases import KEPT, Contents, Release, expired, previous, release_id, sentence, unfinished
from compose.render.secret_copy import Copy
from maitre.errors import HouseError


def release(number: int, **more: object) -> Release:
    """The release of the so-and-so-many-th hour."""
    at = datetime(2026, 11, 21, tzinfo=UTC) + timedelta(hours=number)
    return replace(Release(release_id(at, "b"), "lea", at.isoformat(), "deploy"), **more)  # type: ignore[arg-type]


def test_an_id_sorts_by_time() -> None:
    """The text order is the order of time."""
    assert release_id(datetime(2026, 11, 21, 20, 40, 5, 1000, tzinfo=UTC), "b") == "2026-11-21T20-40-05-003e8b"
    assert [release(number).id for number in range(20)] == sorted(release(number).id for number in range(20))


def test_a_release_is_kept_with_its_files(tmp_path: Path) -> None:
    """What was written is read back, with the table of the copies; it becomes the current one only when it is done;
    others may not read it."""
    journal, one = Journal(tmp_path / ".maitre"), release(1, jobs={"migrate": "a"}, migrations=("1.sql",))
    copies = {"gateway/key": Copy("key", "plain", 10001)}
    journal.begin(one, Contents({"compose.yaml": "a", "traefik/dynamic/b.yaml": "b"}, copies))
    assert journal.all() == (one,)
    assert journal.current() is None
    journal.note(replace(one, outcome="done", reached=("write files",)))
    assert journal.current() == one.id
    assert journal.contents(one.id) == Contents(journal.files(one.id), copies)
    assert journal.files(one.id) == {"compose.yaml": "a", "traefik/dynamic/b.yaml": "b"}
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700
    journal.forget()
    assert journal.current() is None


def test_so_many_are_kept_and_always_the_current_one(tmp_path: Path) -> None:
    """Failed ones push out none: there must be one to go back to."""
    journal = Journal(tmp_path / ".maitre")
    for number in range(KEPT + 3):
        journal.begin(release(number), Contents({"compose.yaml": str(number)}, {}))
        journal.note(release(number, outcome="done"))
    assert [one.id for one in journal.all()] == [release(number).id for number in range(3, KEPT + 3)]
    every = [release(0, outcome="done"), *(release(number, outcome="undone") for number in range(1, KEPT + 3))]
    assert expired(every, release(0).id) == ()
    again = [*every, *(release(number, outcome="done") for number in range(20, 20 + KEPT))]
    assert expired(again, again[-1].id) == tuple(one.id for one in every)


def test_a_release_that_is_not_there(tmp_path: Path) -> None:
    """The sentence names those that are."""
    journal = Journal(tmp_path / ".maitre")
    with pytest.raises(HouseError, match=r"There is no release “x” \(kept: none\)"):
        journal.files("x")


def test_a_spoilt_record(tmp_path: Path) -> None:
    """The sentence names the file."""
    journal = Journal(tmp_path / ".maitre")
    journal.begin(release(1), Contents({}, {}))
    (journal.folder / release(1).id / "release.json").write_text(json.dumps({"id": 1}))
    with pytest.raises(HouseError, match=r"release\.json cannot be read"):
        journal.all()


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("begun", "was cut off after “write files”."),
        ("stopped", "was stopped after “write files”."),
        ("failed", "failed after “write files”."),
        ("done", None),
        ("undone", None),
    ],
)
def test_an_unfinished_release(outcome: str, told: str | None) -> None:
    """Only the newest one counts, and only where something is left in the middle."""
    last = release(2, outcome=outcome, reached=("write files",))
    assert unfinished([last, release(3, outcome="done")]) is None
    found = unfinished([release(1), last])
    assert (found and sentence(found).partition(f"{last.id} of lea ")[2]) == told


def test_the_release_before() -> None:
    """The last good one before the current."""
    every = [release(1, outcome="done"), release(2, outcome="undone"), release(3, outcome="done"), release(4)]
    assert previous(every, release(3).id) == every[0]
    assert previous(every, release(1).id) is None
