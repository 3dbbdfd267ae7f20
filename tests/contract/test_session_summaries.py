"""Running summaries of sessions, on the twin in memory and on Postgres alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from maitre.accounts.account import Account
from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.memory.session import Session, SessionTurn
from maitre.memory.sessions import Sessions
from maitre.memory.sessions_memory import MemorySessions
from maitre.memory.sessions_postgres import PostgresSessions
from maitre.memory.summaries import MOST, Fold, Summaries
from maitre.memory.summaries_memory import MemorySummaries
from maitre.memory.summaries_postgres import PostgresSummaries
from maitre.sql.postgres import Database
from tests.contract.rows import NOON

pytestmark = pytest.mark.contract
LATER = NOON + timedelta(minutes=3)


class Stores:
    """The sessions and their summaries."""

    def __init__(self, sessions: Sessions, summaries: Summaries) -> None:
        self.sessions, self.summaries = sessions, summaries

    async def talk(self, *numbers: int, made: int = 0, keep: int = 100) -> None:
        """Keep turns of these numbers in the session s1, made so many seconds after noon."""
        session = Session("s1", "coach", NOON + timedelta(seconds=made), NOON)
        for number in numbers:
            at = NOON + timedelta(minutes=number)
            turn = SessionTurn(f"t{number}", at, ({"role": "user", "content": f"hello {number}"},))
            await self.sessions.keep("u1", session, turn, keep, at + timedelta(days=30))

    async def begin(self, load: int = 2, seconds: int = 0) -> Fold | None:
        """Ask what is to be folded, so many seconds after noon."""
        moment = timedelta(seconds=seconds)
        return await self.summaries.begin("u1", "s1", load, NOON + moment, LATER + moment)

    async def summary(self) -> str:
        """The session's summary."""
        found = await self.sessions.read("u1", "s1", 0)
        return "" if found is None else found[0].summary


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """No sessions yet."""
    if request.param == "memory":
        twin = MemorySessions()
        return Stores(twin, MemorySummaries(twin))
    database: Database = request.getfixturevalue("database")
    return Stores(PostgresSessions(database), PostgresSummaries(database))


@pytest.fixture(autouse=True)
async def accounts(stores: Stores, request: pytest.FixtureRequest) -> None:
    """Whose they are."""
    if isinstance(stores.sessions, PostgresSessions):
        database: Database = request.getfixturevalue("database")
        for user_id in ("u1",):
            await PostgresAccounts(database, "USD").put(Account(user_id, f"{user_id}@x.io", user_id))


def texts(fold: Fold | None) -> list[str]:
    """What is to be folded."""
    return [] if fold is None else [turn.id for _, _, turn in fold.turns]


async def test_turns_are_folded_when_they_fall_out_of_the_newest(stores: Stores) -> None:
    """Not before, and then half of the newest with them, so that it is not due again with the next turn."""
    assert await stores.begin() is None
    await stores.talk(1, 2, 3, 4)
    assert await stores.begin(load=4) is None
    await stores.talk(5)
    fold = await stores.begin(load=4)
    assert texts(fold) == ["t1", "t2", "t3"]
    assert fold is not None
    assert (fold.summary, fold.since) == ("", 0)
    assert await stores.summaries.end(fold, "They spoke.", 3)
    assert await stores.summary() == "They spoke."
    assert [one.summary for one in await stores.sessions.of("u1", 9, None, None) or ()] == [""]
    await stores.talk(6, 7)
    assert await stores.begin(load=4) is None
    await stores.talk(8)
    fold = await stores.begin(load=4)
    assert texts(fold) == ["t4", "t5", "t6"]
    assert fold is not None
    assert fold.summary == "They spoke."


async def test_only_one_is_at_it(stores: Stores) -> None:
    """Until it is done, put off, or its time is over; who comes late changes nothing."""
    await stores.talk(1, 2, 3)
    found = await asyncio.gather(*(stores.begin() for _ in range(5)))
    (first,) = (fold for fold in found if fold is not None)
    assert await stores.begin(seconds=179) is None
    second = await stores.begin(seconds=180)
    assert texts(second) == ["t1", "t2"]
    assert second is not None
    assert not await stores.summaries.end(first, "late", 2)
    await stores.summaries.put_off(first, NOON)
    assert await stores.begin(seconds=181) is None
    await stores.summaries.put_off(second, NOON + timedelta(seconds=200))
    assert await stores.begin(seconds=199) is None
    third = await stores.begin(seconds=200)
    assert third is not None
    assert await stores.summaries.end(third, "right", 1)
    assert not await stores.summaries.end(third, "twice", 1)
    assert await stores.summary() == "right"


async def test_only_what_was_folded_counts_as_folded(stores: Stores) -> None:
    """The others come again; and so many at once at most."""
    await stores.talk(*range(1, MOST + 4))
    fold = await stores.begin()
    assert len(texts(fold)) == MOST
    assert fold is not None
    assert await stores.summaries.end(fold, "one", 1)
    fold = await stores.begin()
    assert texts(fold)[0] == "t2"


async def test_a_session_that_is_gone_gets_no_summary(stores: Stores) -> None:
    """Nor does one that was made anew under its name."""
    await stores.talk(1, 2, 3)
    fold = await stores.begin()
    assert fold is not None
    await stores.sessions.drop("u1", "s1")
    assert not await stores.summaries.end(fold, "gone", 2)
    assert await stores.sessions.read("u1", "s1", 1) is None
    await stores.talk(4, 5, 6, made=1)
    again = await stores.begin()
    assert again is not None
    assert not await stores.summaries.end(replace(again, created_at=fold.created_at), "gone", 2)
    assert await stores.summary() == ""


async def test_a_summary_lives_no_longer_than_its_oldest_turn(stores: Stores) -> None:
    """However often it was folded since; then it begins anew with the turns that are left."""
    await stores.talk(1, 2, 3)
    fold = await stores.begin()
    assert fold is not None
    assert await stores.summaries.end(fold, "one", 2)
    await stores.talk(4, 5)
    fold = await stores.begin()
    assert fold is not None
    assert await stores.summaries.end(fold, "two", 2)
    month = NOON + timedelta(days=30)
    assert await stores.sessions.forget(month + timedelta(seconds=59)) == 0
    assert await stores.summary() == "two"
    assert await stores.sessions.forget(month + timedelta(seconds=61)) == 1
    assert await stores.summary() == ""
    fold = await stores.begin()
    assert texts(fold) == ["t2", "t3", "t4"]


async def test_turns_that_are_not_kept_any_more_are_passed_over(stores: Stores) -> None:
    """A `keep` that is smaller than what is still to be folded: the rest is what there is."""
    await stores.talk(1, 2, 3, 4, 5, keep=3)
    assert texts(await stores.begin()) == ["t3", "t4"]
