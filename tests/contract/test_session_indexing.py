"""What the index of turns is still to be told, on the twin in memory and on Postgres alike."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from maitre.accounts.account import Account
from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.memory.indexing import Indexing
from maitre.memory.indexing_memory import MemoryIndexing
from maitre.memory.indexing_postgres import PostgresIndexing
from maitre.memory.session import Session, SessionTurn
from maitre.memory.sessions import Sessions
from maitre.memory.sessions_memory import MemorySessions
from maitre.memory.sessions_postgres import PostgresSessions
from maitre.sql.postgres import Database

pytestmark = pytest.mark.contract
#: Postgres notes by its own clock when a turn went.
NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)
SOON = NOW + 24 * 60 * MINUTE  # after all that this run of the tests does


class Stores:
    """The sessions, and what is to be told of them."""

    def __init__(self, sessions: Sessions, indexing: Indexing, database: Database | None) -> None:
        self.sessions, self.indexing, self.database = sessions, indexing, database

    async def keep(
        self, number: int, session: str = "s1", *, user: str = "u1", keep: int = 9, told: bool = True
    ) -> None:
        """Keep a turn; `told`: the index is to hear of it, at that many minutes."""
        at = NOW + number * MINUTE
        turn = SessionTurn(f"t{number}", at, ({"role": "user", "content": f"hello {number}"},))
        one = Session(session, "coach", NOW, NOW)
        await self.sessions.keep(user, one, turn, keep, at + 30 * 24 * 60 * MINUTE, index_at=at if told else None)

    async def untold(self, minutes: int, most: int = 9) -> list[str]:
        """Take what the index is to hear after so many minutes, for one more minute."""
        now = NOW + minutes * MINUTE
        return [one.turn.id for one in await self.indexing.untold(now, now + MINUTE, most)]

    async def gone(self, now: datetime = SOON, most: int = 9) -> dict[str, int]:
        """Take what the index is to forget, with its numbers, for one minute."""
        return {one.turn_id: one.number for one in await self.indexing.gone(now, now + MINUTE, most)}

    async def forgotten(self, numbers: Collection[int], before: datetime, again: datetime = SOON) -> None:
        """The index forgot these."""
        await self.indexing.forgotten(numbers, before, again)


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """No sessions yet."""
    if request.param == "memory":
        twin = MemorySessions()
        return Stores(twin, MemoryIndexing(twin), None)
    database: Database = request.getfixturevalue("database")
    return Stores(PostgresSessions(database), PostgresIndexing(database), database)


@pytest.fixture(autouse=True)
async def accounts(stores: Stores, request: pytest.FixtureRequest) -> None:
    """Whose they are."""
    if isinstance(stores.sessions, PostgresSessions):
        database: Database = request.getfixturevalue("database")
        for user_id in ("u1", "u2"):
            await PostgresAccounts(database, "USD").put(Account(user_id, f"{user_id}@x.io", user_id))


async def test_turns_are_told_once(stores: Stores) -> None:
    """Each is somebody's for a while, and comes again unless it was told; one that is not for the index never does."""
    await stores.keep(1)
    await stores.keep(2, told=False)
    await stores.keep(3)
    assert await stores.untold(0) == []
    assert await stores.untold(1) == ["t1"]
    assert await stores.untold(1) == []
    assert await stores.untold(4) == ["t1", "t3"]
    now = NOW + 5 * MINUTE
    (first, _) = await stores.indexing.untold(now, now + MINUTE, 9)
    assert (first.user_id, first.session.id, first.session.assistant) == ("u1", "s1", "coach")
    assert first.turn.messages == ({"role": "user", "content": "hello 1"},)
    await stores.indexing.told(first)
    assert await stores.untold(9) == ["t3"]


async def test_several_processes_share_them(stores: Stores) -> None:
    """None is taken twice at a time, and only so many at once."""
    for number in range(8):
        await stores.keep(number)
    taken = await asyncio.gather(*(stores.untold(9, most=2) for _ in range(6)))
    assert sorted(id for some in taken for id in some) == [f"t{number}" for number in range(8)]
    assert max(map(len, taken)) == 2


async def test_a_turn_that_grew_is_told_again(stores: Stores) -> None:
    """Also when it grows while it is being told."""
    await stores.keep(1)
    (one,) = await stores.indexing.untold(NOW + MINUTE, NOW + 2 * MINUTE, 9)
    await stores.keep(1)
    await stores.indexing.told(one)
    assert await stores.untold(1) == ["t1"]


@pytest.mark.parametrize("how", ["drop", "keep", "forget", "account"])
async def test_whatever_goes_is_to_be_forgotten(stores: Stores, how: str) -> None:
    """However it goes, if the index may have it; nobody else's does."""
    await stores.keep(1)
    await stores.keep(2, told=False)
    await stores.keep(3, "s2")
    await stores.keep(4, user="u2")
    await stores.untold(9)
    match how:
        case "drop":
            await stores.sessions.drop("u1", "s1")
        case "keep":
            await stores.keep(5, keep=1)
        case "forget":
            await stores.sessions.forget(NOW + 30 * 24 * 60 * MINUTE + 2 * MINUTE)
        case _ if stores.database is not None:
            await stores.database.execute("delete from accounts where user_id = 'u1'")
        case _:
            await stores.sessions.drop("u1", "s1")
            await stores.sessions.drop("u1", "s2")
    found = await stores.indexing.gone(SOON, SOON + MINUTE, 9)
    assert {(one.user_id, one.turn_id) for one in found} == {("u1", "t1")} | (
        {("u1", "t3")} if how == "account" else set()
    )


async def test_what_is_gone_is_told_twice(stores: Stores) -> None:
    """It stays until somebody told the index when nobody can be telling it of the turn any more."""
    await stores.keep(1)
    await stores.keep(2)
    await stores.sessions.drop("u1", "s1")
    taken = await asyncio.gather(stores.gone(most=1), stores.gone(most=1), stores.gone(most=1))
    assert sorted(id for one in taken for id in one) == ["t1", "t2"]
    assert await stores.gone() == {}
    found = await stores.gone(SOON + MINUTE)
    assert set(found) == {"t1", "t2"}
    await stores.forgotten(found.values(), NOW - MINUTE, again=SOON + 9 * MINUTE)  # they went later than that
    assert await stores.gone(SOON + 8 * MINUTE) == {}
    found = await stores.gone(SOON + 9 * MINUTE)
    assert set(found) == {"t1", "t2"}
    await stores.forgotten([found["t1"]], SOON)
    assert set(await stores.gone(SOON + 20 * MINUTE)) == {"t2"}
