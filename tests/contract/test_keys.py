"""API keys: what the twin and Postgres both hold, and the story over them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from maitre.accounts.account import Account
from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.keys.key import Key, digest, mark, split
from maitre.keys.keys import Keys, KeyStore
from maitre.keys.keys_memory import MemoryKeys
from maitre.keys.keys_postgres import PostgresKeys
from maitre.keys.networks import Networks
from maitre.sql.postgres import Database
from tests.maitre.keys.made import NOON, key

pytestmark = pytest.mark.contract
ID = "0123456789abcdef"
PutAccount = Callable[[Account], Awaitable[None]]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> Any:
        return self.now


class Desk:
    """A store of keys with the accounts u1 and u2, and the story over it."""

    def __init__(self, store: KeyStore, put: PutAccount) -> None:
        self.store, self.put, self.clock = store, put, Clock()
        numbers = itertools.count(1)
        self.keys = Keys(store, self.clock, lambda: f"{next(numbers):043d}")


@pytest.fixture(params=["memory", "postgres"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """No keys, and two accounts."""
    if request.param == "memory":
        memory = MemoryKeys()

        async def put(account: Account) -> None:
            memory.accounts[account.user_id] = account

        made = Desk(memory, put)
    else:
        database = Database(request.getfixturevalue("postgres_schema"))
        await database.migrate()
        accounts = PostgresAccounts(database, "USD")

        async def write(account: Account) -> None:
            await accounts.put(account)
            await accounts.suspend(account.user_id, suspended=account.suspended)

        made = Desk(PostgresKeys(database, "USD"), write)
    await made.put(Account("u1", "a@x.io", "A", plan="pro"))
    await made.put(Account("u2", "b@x.io", "B"))
    yield made
    if request.param == "postgres":
        await database.close()


async def test_a_key_comes_back_as_it_went_in(desk: Desk) -> None:
    """Every field, with the account's plan beside it; of its secret a digest only."""
    whole = key(
        expires_at=NOON + timedelta(days=1),
        models=("assistants.a", "models.b"),
        limits={"tokens_per_day": 5, "spend_total": 9 * 10**15},
        manages=True,
        networks=Networks(("10.0.0.0/8",), ("10.1.0.0/16",)),
    )
    text = await desk.keys.add(whole)
    assert await desk.keys.find(ID) == whole
    opened = await desk.keys.check(text)
    assert opened is not None
    assert (opened.key, opened.arrived.account) == (whole, Account("u1", "a@x.io", "A", plan="pro"))
    stored = await desk.store.find(ID)
    assert stored is not None
    assert stored.digest == digest(text.rpartition("-")[2])


async def test_only_the_right_text_of_a_live_key_opens(desk: Desk) -> None:
    """Unknown, wrong, expired, revoked: all of it is the same nothing."""
    text = await desk.keys.add(key(expires_at=NOON + timedelta(seconds=10)))
    other = await desk.keys.add(key("f" * 16))
    for wrong in ("", "mtr", text[:-1], text + "0", text[:-1] + "x", text.replace("0123", "0124"), other[-43:]):
        assert await desk.keys.check(wrong) is None
    assert await desk.keys.check(f"mtr-{ID}-{split(other)[1]}") is None  # type: ignore[index] # it is a key's text
    desk.clock.now += timedelta(seconds=10)
    assert await desk.keys.check(text) is None
    assert await desk.keys.check(other) is not None
    assert await desk.keys.revoke("f" * 16)
    assert await desk.keys.check(other) is None


async def test_a_key_ends_once(desk: Desk) -> None:
    """The second time nothing ends, nor does what never was; what has ended stays listed."""
    await desk.keys.add(key())
    assert await desk.keys.revoke(ID)
    desk.clock.now += timedelta(seconds=1)
    assert not await desk.keys.revoke(ID)
    assert not await desk.keys.revoke("f" * 16)
    assert [one.revoked_at for one in await desk.keys.of("u1")] == [NOON]
    assert await desk.keys.rotate(ID) is None


async def test_a_rotated_key_has_another_secret_at_once(desk: Desk) -> None:
    """Everything else stays; the old text opens nothing, and neither does a token for it."""
    old = await desk.keys.add(key(limits={"tokens_total": 5}))
    before = await desk.keys.check(old)
    new = await desk.keys.rotate(ID)
    assert new is not None
    assert new != old
    assert before is not None
    assert await desk.keys.check(old) is None
    assert await desk.keys.open(ID, before.mark) is None
    after = await desk.keys.check(new)
    assert after is not None
    assert after.key == before.key
    assert await desk.keys.rotate("f" * 16) is None


async def test_a_grace_lets_the_old_secret_live_on(desk: Desk) -> None:
    """Both open until it is over; one more rotation ends the oldest."""
    first = await desk.keys.add(key())
    second = await desk.keys.rotate(ID, timedelta(seconds=60))
    assert second is not None
    opened = [await desk.keys.check(text) for text in (first, second)]
    assert [one.mark for one in opened if one] == [mark(digest(text[-43:])) for text in (first, second)]
    desk.clock.now += timedelta(seconds=60)
    assert [await desk.keys.check(text) is None for text in (first, second)] == [True, False]
    third = await desk.keys.rotate(ID, timedelta(seconds=60))
    assert third is not None
    assert [await desk.keys.check(text) is None for text in (first, second, third)] == [True, False, False]
    await desk.keys.rotate(ID)
    assert [await desk.keys.check(text) is None for text in (first, second, third)] == [True, True, True]


async def test_keys_are_listed_by_account_the_newest_first(desk: Desk) -> None:
    """Nobody's list has another's; everybody's has all."""
    for number, user in enumerate(("u1", "u2", "u1")):
        await desk.keys.add(key(f"{number:016x}", user_id=user, created_at=NOON + timedelta(seconds=number)))
    assert [int(one.id, 16) for one in await desk.keys.of("u1")] == [2, 0]
    assert [int(one.id, 16) for one in await desk.keys.of(None)] == [2, 1, 0]
    assert await desk.keys.of("nobody") == []


async def test_the_account_is_told_as_it_is_now(desk: Desk) -> None:
    """A suspension or another plan counts from the next lookup on."""
    text = await desk.keys.add(key())
    for account in (Account("u1", "a@x.io", "A", plan="free", suspended=True), Account("u1", "a@x.io", "A")):
        await desk.put(account)
        opened = await desk.keys.check(text)
        assert opened is not None
        assert opened.arrived.account == account


async def test_the_last_use_is_noted_once_a_minute_at_most(desk: Desk) -> None:
    """A use is not written where it happens, and the newest is never overwritten by an older one."""
    text = await desk.keys.add(key())

    async def seen() -> Any:
        found = await desk.keys.find(ID)
        assert found is not None
        return found.last_used_at

    await desk.keys.note_uses()
    await desk.keys.check("mtr-0123456789abcdef-" + "x" * 43)
    await desk.keys.note_uses()
    assert await seen() is None
    await desk.keys.check(text)
    assert await seen() is None
    await desk.keys.note_uses()
    assert await seen() == NOON
    for seconds, noted in ((30, 0), (29, 0), (1, 60), (1, 60)):
        desk.clock.now += timedelta(seconds=seconds)
        await desk.keys.note_uses()
        await desk.keys.check(text)
        await desk.keys.note_uses()
        assert await seen() == NOON + timedelta(seconds=noted)
    await desk.store.used({ID: NOON, "f" * 16: NOON})
    assert await seen() == NOON + timedelta(seconds=60)


async def test_lookups_of_one_tick_share_a_query(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred guests cost one round trip, and each gets their own key or none."""
    await PostgresAccounts(database, "USD").put(Account("u1", "a@x.io", "A"))
    store = PostgresKeys(database, "USD")
    ids = [f"{number:016x}" for number in range(100)]
    for id in ids[:50]:
        await store.add(key(id), digest(id))
    asked = counted(database, monkeypatch)
    found = await asyncio.gather(*(store.find(id) for id in [*ids, *ids]))
    assert [one and one.key.id for one in found] == [*ids[:50], *[None] * 50] * 2
    assert len(asked) == 1


def counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that are asked from now on."""
    asked: list[str] = []
    fetch = database.fetch

    async def listen(query: str, *values: Any) -> Any:
        asked.append(query)
        return await fetch(query, *values)

    monkeypatch.setattr(database, "fetch", listen)
    return asked


async def test_every_lookup_takes_the_same_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown id, wrong secret, expired, revoked, right: one lookup and two comparisons each."""
    texts: dict[str, str] = {}
    kinds: dict[str, Key] = {
        "right": key("a" * 16),
        "expired": key("b" * 16, expires_at=NOON),
        "revoked": key("c" * 16, revoked_at=NOON),
    }
    for name, one in kinds.items():
        texts[name] = await desk.keys.add(one)
    texts["wrong"] = texts["right"][:-1] + "x"
    texts["unknown"] = texts["right"].replace("a" * 16, "d" * 16)
    steps: list[str] = []
    find = desk.store.find

    async def finding(id: str) -> Any:
        steps.append("find")
        return await find(id)

    def comparing(given: str, stored: str) -> bool:
        steps.append(f"compare {len(given)} {len(stored)}")
        return given == stored

    monkeypatch.setattr(desk.store, "find", finding)
    monkeypatch.setattr("maitre.keys.keys.same", comparing)
    taken = {}
    for name, text in texts.items():
        steps.clear()
        assert (await desk.keys.check(text) is not None) is (name == "right")
        taken[name] = list(steps)
    assert set(map(tuple, taken.values())) == {("find", "compare 32 32", "compare 32 32")}


async def test_a_statement_that_is_sent_twice_does_its_work_once(database: Database) -> None:
    """A connection may die after the work and before the answer; the second try says the same."""
    await PostgresAccounts(database, "USD").put(Account("u1", "a@x.io", "A"))
    store, later = PostgresKeys(database, "USD"), NOON + timedelta(days=1)
    for _ in range(2):
        await store.add(key(), digest("old"))
    for _ in range(2):
        assert await store.rotate(ID, digest("new"), later)
    stored = await store.find(ID)
    assert stored is not None
    assert (stored.digest, stored.old_digest, stored.old_until) == (digest("new"), digest("old"), later)
    assert [await store.revoke(ID, NOON) for _ in range(2)] == [True, True]
    stored = await store.find(ID)
    assert stored is not None
    assert stored.key == replace(key(), revoked_at=NOON)
