"""The end of a deploy: whatever is the last thing that reaches the disk, the journal gives one answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compose.deploy import journal as journal_file
from compose.deploy import releases
from compose.deploy.journal import Journal
from compose.deploy.releases import Contents, previous, unfinished
from maitre.errors import HouseError
from tests.compose import small
from tests.compose.conftest import Yard
from tests.compose.deploy.test_deploy import newer, running
from tests.compose.deploy.test_journal import release


class Killed(BaseException):
    """The process ended there."""


class Disk:
    """Everything that a journal does to the disk, counted; the call with the number `at` goes wrong, before its work or
    `late`, behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: BaseException = Killed()
        self.at, self.late, self.calls = 0, False, 0
        for owner, name in ((journal_file, "write_private"), (shutil, "rmtree"), (Path, "rename")):
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, real: Callable[..., object]) -> Callable[..., object]:
        """The call, counted."""

        def call(*given: object, **more: object) -> object:
            self.calls += 1
            hit = self.calls == self.at
            if hit and not self.late:
                raise self.fault
            done = real(*given, **more)
            if hit:
                raise self.fault
            return done

        return call

    def fails(self, number: int, fault: BaseException, late: bool = False) -> None:
        """From now on the call of this number goes wrong."""
        self.calls, self.at, self.fault, self.late = 0, number, fault, late


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk on which nothing goes wrong yet, in a house that keeps two releases."""
    monkeypatch.setattr(releases, "KEPT", 2)
    return Disk(monkeypatch)


@pytest.mark.parametrize("late", [False, True])
def test_killed_at_any_point_the_house_has_one_release(tmp_path: Path, disk: Disk, late: bool) -> None:
    """Either the older release runs and the newer is unfinished, or the newer one runs and is done; it can be deployed
    upon, gone back from, and afterwards nothing more is kept than should be."""
    ends = set()
    for number in range(1, 20):
        journal = Journal(tmp_path / str(number))
        disk.fails(0, Killed())
        for hour in range(3):
            journal.begin(release(hour), Contents({"compose.yaml": "a"}, {}))
            journal.note(release(hour, outcome="done"))
        journal.begin(release(3), Contents({"compose.yaml": "b"}, {}))
        disk.fails(number, Killed(), late)
        try:
            journal.note(release(3, outcome="done", reached=("start gateway",)))
        except Killed:
            ends.add(journal.current())
        else:
            assert disk.calls < number
            break
        every, cut = journal.all(), unfinished(journal.all())
        assert (journal.current(), cut and cut.id) in {(release(2).id, release(3).id), (release(3).id, None)}
        assert all(journal.files(one.id) for one in every)
        before = previous(every, journal.current())
        assert before is not None
        assert before.id == release(1 if cut else 2).id
        journal.begin(release(4), Contents({"compose.yaml": "c"}, {}))
        journal.note(release(4, outcome="done"))
        assert journal.current() == release(4).id
        assert len([one for one in journal.all() if one.outcome == "done"]) == 2
        assert list(journal.folder.glob(".*")) == []
    assert ends == {release(2).id, release(3).id} or late


@pytest.mark.parametrize("late", [False, True])
def test_a_refusing_disk_leaves_the_release_that_runs(
    yard: Yard, disk: Disk, late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the deploy ends well the new release is the current one, and what was left undone is in the log; else the
    old one runs and is it."""
    for _ in range(3):
        yard.go(small.files())
    first, ends = yard.go(small.files()), set()
    for number in range(1, 40):
        disk.fails(number, OSError(28, "No space left on device"), late)
        try:
            done = yard.go(newer())
        except HouseError:
            assert yard.journal.current() == first.id
            assert set(running(yard).values()) >= {"maitre/engine:1"}
            ends.add("back")
        else:
            if disk.calls < number:
                break
            assert yard.journal.current() == done.id
            assert set(running(yard).values()) >= {"maitre/engine:2"}
            assert f"Release {done.id} runs, but its journal could not be put in order" in caplog.text
            ends.add("forth")
            disk.fails(0, Killed())
            first = yard.go(small.files())
        assert unfinished(yard.journal.all()) is None
    assert ends == {"back", "forth"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "is empty"),
        (b"\0\0\0\0", "is empty"),
        (b"\xff\n", "cannot be read"),
        (b"2020-01-01T00-00-00-00000b\n", "names the release “2020-01-01T00-00-00-00000b”, which is not kept"),
    ],
)
def test_a_house_whose_pointer_is_lost_is_no_new_house(yard: Yard, text: bytes, told: str) -> None:
    """A deploy that would fail does not begin, so that nothing that serves is removed; the sentence has the command
    that mends it."""
    first = yard.go(small.files())
    before, steps = running(yard), len(yard.engine.steps)
    pointer = yard.state / "releases" / "current"
    pointer.write_bytes(text)
    yard.engine.ill = {("gateway", "maitre/engine:2")}
    with pytest.raises(HouseError, match=told) as error:
        yard.go(newer())
    assert f"`echo {first.id} > {pointer}` mends it" in str(error.value)
    assert (running(yard), len(yard.engine.steps)) == (before, steps)


def test_a_destroyed_house_has_nothing_unfinished(tmp_path: Path) -> None:
    """Half a release is gone with the rest of them; what was tried stays written down."""
    journal = Journal(tmp_path)
    journal.begin(release(1), Contents({}, {}))
    assert unfinished(journal.all()) == release(1)
    journal.forget()
    assert journal.all() == (replace(release(1), outcome="undone"),)
    assert (journal.current(), unfinished(journal.all())) == (None, None)
