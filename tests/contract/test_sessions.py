"""Sessions, on the twin in memory and on Postgres alike."""

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
from maitre.sql.postgres import Database
from tests.contract.rows import NOON

pytestmark = pytest.mark.contract
FIRST = Session("s1", "coach", NOON, NOON)
MONTH = NOON + timedelta(days=30)


@pytest.fixture(params=["memory", "postgres"])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    """No sessions yet."""
    return MemorySessions() if request.param == "memory" else PostgresSessions(request.getfixturevalue("database"))


@pytest.fixture(autouse=True)
async def accounts(sessions: Sessions, request: pytest.FixtureRequest) -> None:
    """Two accounts."""
    if isinstance(sessions, PostgresSessions):
        database: Database = request.getfixturevalue("database")
        for user_id in ("u1", "u2"):
            await PostgresAccounts(database, "USD").put(Account(user_id, f"{user_id}@x.io", user_id))


def turn(number: int, text: str = "hello") -> SessionTurn:
    """A turn, said `number` minutes after noon."""
    said = {"role": "user", "content": f"{text} {number}"}
    return SessionTurn(f"t{number}", NOON + timedelta(minutes=number), (said, {"role": "assistant", "content": "Yes."}))


async def keep(
    sessions: Sessions, number: int, session: Session = FIRST, *, user: str = "u1", keep: int = 100, days: int = 30
) -> bool:
    """Keep one turn of a session."""
    one = turn(number)
    return await sessions.keep(user, replace(session, used_at=one.at), one, keep, one.at + timedelta(days=days))


async def test_a_session_gives_its_newest_turns_in_order(sessions: Sessions) -> None:
    """As many as are wanted, whole, the newest last; and when it was used last."""
    assert await sessions.read("u1", "s1", 10) is None
    for number in range(4):
        assert await keep(sessions, number)
    found = await sessions.read("u1", "s1", 2)
    assert found == (replace(FIRST, used_at=turn(3).at), [turn(2), turn(3)])


async def test_only_the_newest_turns_stay(sessions: Sessions) -> None:
    """What is more than `keep` goes with the next turn, of this session and no other."""
    other = replace(FIRST, id="s2")
    await keep(sessions, 0, other)
    for number in range(5):
        await keep(sessions, number, keep=3)
    found = await sessions.read("u1", "s1", 10)
    assert found is not None
    assert found[1] == [turn(2), turn(3), turn(4)]
    await keep(sessions, 5, keep=1)
    assert (await sessions.read("u1", "s1", 10) or (0, 0))[1] == [turn(5)]
    assert (await sessions.read("u1", "s2", 10) or (0, 0))[1] == [turn(0)]


async def test_equal_ids_of_two_accounts_are_two_sessions(sessions: Sessions) -> None:
    """Neither is read, written, listed or deleted by the other account."""
    await keep(sessions, 1, user="u1")
    await keep(sessions, 2, user="u2")
    assert (await sessions.read("u1", "s1", 10) or (0, 0))[1] == [turn(1)]
    assert (await sessions.read("u2", "s1", 10) or (0, 0))[1] == [turn(2)]
    assert await sessions.drop("u2", "s1")
    assert not await sessions.drop("u2", "s1")
    assert await sessions.of("u2", 10, None, None) == []
    assert (await sessions.read("u1", "s1", 10) or (0, 0))[1] == [turn(1)]


async def test_a_session_is_one_assistants(sessions: Sessions) -> None:
    """A turn of another assistant is not put into it, and changes nothing."""
    await keep(sessions, 1)
    assert not await keep(sessions, 2, replace(FIRST, assistant="other"))
    assert await sessions.read("u1", "s1", 10) == (replace(FIRST, used_at=turn(1).at), [turn(1)])


async def test_a_turn_that_is_told_twice_stands_once(sessions: Sessions) -> None:
    """In its place, with what was told last: a tool loop's later calls make the turn longer."""
    await keep(sessions, 1)
    await keep(sessions, 2)
    longer = replace(turn(1), messages=(*turn(1).messages, {"role": "tool", "content": "4", "tool_call_id": "c"}))
    assert await sessions.keep("u1", FIRST, longer, 100, MONTH)
    assert (await sessions.read("u1", "s1", 10) or (0, 0))[1] == [longer, turn(2)]


async def test_turns_of_one_moment_are_all_kept(sessions: Sessions) -> None:
    """Whoever comes first, each has a place of its own, and exactly the newest stay."""
    await asyncio.gather(*(keep(sessions, number) for number in range(20)))
    found = await sessions.read("u1", "s1", 100)
    assert found is not None
    assert sorted(one.id for one in found[1]) == sorted(f"t{number}" for number in range(20))
    await asyncio.gather(*(keep(sessions, number, keep=5) for number in range(20, 40)))
    found = await sessions.read("u1", "s1", 100)
    assert found is not None
    assert len({one.id for one in found[1]}) == len(found[1]) == 5
    assert all(int(one.id[1:]) >= 20 for one in found[1])


async def test_sessions_are_listed_by_pages(sessions: Sessions) -> None:
    """The newest made first; a page goes on after the last id of the one before; an unknown id is no page."""
    for number in range(5):
        made = NOON + timedelta(hours=number // 2)  # some are made at one moment
        assistant = "coach" if number < 4 else "other"
        await keep(sessions, number, Session(f"s{number}", assistant, made, made))
    pages: list[str] = []
    after: str | None = None
    while page := await sessions.of("u1", 2, after, None):
        pages += [one.id for one in page]
        after = page[-1].id
    assert pages == ["s4", "s3", "s2", "s1", "s0"]
    assert [one.id for one in await sessions.of("u1", 9, None, ["other"]) or ()] == ["s4"]
    assert await sessions.of("u1", 9, None, []) == []
    assert await sessions.of("u1", 9, "s9", None) is None
    assert await sessions.of("u2", 9, "s1", None) is None


async def test_the_browsers_other_chats_are_read_together(sessions: Sessions) -> None:
    """Their newest turns in the order of their time: of this account and assistant, without the chat that asks, and
    without the sessions of the API."""
    chats = [Session(f"c{number}", "coach", NOON, NOON, browser=True) for number in range(3)]
    for number in range(6):
        await keep(sessions, number, chats[number % 3])
    await keep(sessions, 7, FIRST)
    await keep(sessions, 8, Session("c9", "other", NOON, NOON, browser=True))
    await keep(sessions, 9, chats[1], user="u2")
    assert await sessions.elsewhere("u1", "coach", "c0", 10) == [turn(1), turn(2), turn(4), turn(5)]
    assert await sessions.elsewhere("u1", "coach", "c0", 2) == [turn(4), turn(5)]
    assert await sessions.elsewhere("u1", "coach", "", 3) == [turn(3), turn(4), turn(5)]


async def test_words_are_forgotten_after_their_time(sessions: Sessions) -> None:
    """A turn goes when its own time is over, a session with its last turn."""
    await keep(sessions, 1, days=1)
    await keep(sessions, 2, days=2)
    await keep(sessions, 3, replace(FIRST, id="s2"), days=1)
    assert await sessions.forget(NOON) == 0
    assert await sessions.forget(NOON + timedelta(days=1, hours=1)) == 2
    assert (await sessions.read("u1", "s1", 10) or (0, 0))[1] == [turn(2)]
    assert await sessions.read("u1", "s2", 10) is None
    assert await sessions.forget(NOON + timedelta(days=3)) == 1
    assert await sessions.of("u1", 10, None, None) == []
    await keep(sessions, 4)
    assert (await sessions.read("u1", "s1", 10) or (0, 0))[1] == [turn(4)]


async def test_a_deleted_session_does_not_come_back(sessions: Sessions) -> None:
    """A turn that began while it was there is not kept; one that is another's neither, and a new one may be made."""
    one = turn(1)
    assert not await sessions.keep("u1", FIRST, one, 100, MONTH, known=True)
    assert await sessions.read("u1", "s1", 1) is None
    assert await keep(sessions, 0)
    assert await sessions.keep("u1", FIRST, one, 100, MONTH, known=True)
    assert not await sessions.keep("u2", FIRST, one, 100, MONTH, known=True)
    await sessions.drop("u1", "s1")
    assert not await sessions.keep("u1", FIRST, one, 100, MONTH, known=True)
    assert await sessions.read("u1", "s1", 1) is None


async def test_turns_are_read_by_their_ids(sessions: Sessions) -> None:
    """A session's own in their order, as far as they are there; for a chat of the browser those of the account's other
    chats with the assistant; never another account's."""
    chats = [Session(f"c{number}", "coach", NOON, NOON, browser=True) for number in range(2)]
    for number in range(3):
        await keep(sessions, number)
    await keep(sessions, 3, chats[0])
    await keep(sessions, 4, chats[1])
    await keep(sessions, 5, Session("c9", "other", NOON, NOON, browser=True))
    await keep(sessions, 6, user="u2")
    every = [f"t{number}" for number in range(9)]
    assert await sessions.those("u1", FIRST, ["t2", "t0", "t9"]) == [turn(0), turn(2)]
    assert await sessions.those("u1", FIRST, every) == [turn(0), turn(1), turn(2)]
    assert await sessions.those("u1", chats[0], every) == [turn(4)]
    assert await sessions.those("u2", FIRST, every) == [turn(6)]
    assert await sessions.those("u2", chats[0], every) == []
