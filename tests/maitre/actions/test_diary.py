"""What a process notes reaches the log, whatever the log does meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maitre.actions.action import Action
from maitre.actions.actions_memory import MemoryActions
from maitre.actions.diary import Diary
from maitre.actions.seldom import Seldom
from maitre.errors import StoreDown

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Down(MemoryActions):
    """A log that is down at first."""

    def __init__(self) -> None:
        super().__init__()
        self.down = True

    async def add(self, actions: list[Action]) -> None:
        """Refuse, while it is down."""
        if self.down:
            raise StoreDown("Postgres does not answer.")
        await super().add(actions)


async def test_what_was_noted_is_written_once_in_its_order() -> None:
    """However many rounds there are."""
    log = MemoryActions()
    book = Diary(log, lambda: NOON, timedelta(days=30))
    for number in range(1200):
        book.note("key.generate", f"u{number}")
    await book.write()
    await book.write()
    assert [one.who for one in log.actions] == [f"u{number}" for number in range(1200)]


async def test_a_log_that_is_down_loses_nothing() -> None:
    """It is written when the log is back."""
    log = Down()
    book = Diary(log, lambda: NOON, timedelta(days=30))
    book.note("key.revoke", "u1", target="k1", key="k0", address="192.0.2.7", why="lost")
    with pytest.raises(StoreDown):
        await book.write()
    log.down = False
    await book.write()
    assert log.actions == [Action(NOON, "u1", "key.revoke", "k1", "k0", "192.0.2.7", {"why": "lost"})]


async def test_what_waits_is_bounded_and_the_oldest_goes_first() -> None:
    """And what was dropped is counted."""
    log = MemoryActions()
    book = Diary(log, lambda: NOON, timedelta(days=30))
    for number in range(10_003):
        book.note("key.generate", f"u{number}")
    await book.write()
    assert (len(log.actions), log.actions[0].who, book.dropped) == (10_000, "u3", 3)


async def test_names_that_no_column_holds_are_made_safe() -> None:
    """A client chooses its key's name, and a header may hold anything."""
    log = MemoryActions()
    book = Diary(log, lambda: NOON, timedelta(days=30))
    book.note("key.generate", "u\x001", target="n" * 5000)
    await book.write()
    assert (log.actions[0].who, len(log.actions[0].target)) == ("u1", 300)


async def test_what_is_past_its_retention_is_forgotten() -> None:
    """By the house's clock."""
    log = MemoryActions()
    log.actions = [Action(NOON - timedelta(days=31), "u", "key.generate"), Action(NOON, "u", "key.generate")]
    assert await Diary(log, lambda: NOON, timedelta(days=30)).forget() == 1


async def test_failures_are_noted_once_a_minute_for_each_site() -> None:
    """An IPv6 site is one guest's, whatever of its addresses asks; another failure is another."""
    log, now = MemoryActions(), NOON
    book = Diary(log, lambda: now, timedelta(days=30))
    for address in ("2001:db8::1", "2001:db8::2", "192.0.2.7", "192.0.2.7"):
        book.failed("auth.wrong", "", address)
    book.failed("auth.refused", "u", "192.0.2.7")
    now += timedelta(seconds=60)
    book.failed("auth.wrong", "", "192.0.2.7")
    await book.write()
    told = [(one.what, one.address) for one in log.actions]
    assert told == [
        ("auth.wrong", "2001:db8::1"),
        ("auth.wrong", "192.0.2.7"),
        ("auth.refused", "192.0.2.7"),
        ("auth.wrong", "192.0.2.7"),
    ]


async def test_a_user_is_seen_once_a_day() -> None:
    """Twenty-four hours after the last time."""
    log, now = MemoryActions(), NOON
    book = Diary(log, lambda: now, timedelta(days=30))
    for hours in (0, 1, 22, 1, 5):
        now += timedelta(hours=hours)
        book.seen("u1")
    await book.write()
    assert [one.at - NOON for one in log.actions] == [timedelta(0), timedelta(hours=24)]


def test_made_up_names_fill_no_memory() -> None:
    """What is too much is not noted; with time there is room again."""
    seldom = Seldom(60, 2)
    assert [seldom.first(name, 0) for name in "abca"] == [True, True, False, False]
    assert [seldom.first(name, 60) for name in "ca"] == [True, True]


async def test_the_last_actions_of_a_process_are_written(caplog: pytest.LogCaptureFixture) -> None:
    """Unless the log is down: then it says how many are lost."""
    log = Down()
    book = Diary(log, lambda: NOON, timedelta(days=30))
    book.note("key.revoke", "u1")
    await book.drain(1)
    assert "entries that are lost: 1" in caplog.text
    log.down = False
    await book.drain(1)
    assert len(log.actions) == 1
