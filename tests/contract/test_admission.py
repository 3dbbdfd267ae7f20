"""Admission over store and ledger together: racers get exactly the limit, and nothing that was used is forgotten."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from maitre.billing.ledger import Ledger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.quota.admission import admit
from maitre.quota.memory_store import MemoryQuotaStore
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Ask, Denied, Granted, Unloaded
from maitre.quota.store import QuotaStore
from maitre.sql.postgres import Database
from tests.contract.house import NOON, PRICES, call, ended, fields, loaded, plan, spent, sums, wish

pytestmark = pytest.mark.contract
Closing = Callable[[Callable[[], Awaitable[Any]]], None]


@dataclass
class Books:
    """Some processes' stores over the same data, and the ledger."""

    stores: list[QuotaStore]
    ledger: Ledger

    async def open(self, asked: Ask, answer: Granted, **changed: Any) -> None:
        """Write the row of a granted call."""
        row = call(
            asked.hold_id, turn_id=asked.turn_id, at=asked.now, expires_at=asked.expires_at, counted=answer.counted
        )
        await self.ledger.open(call(**{**{f: getattr(row, f) for f in row.__slots__}, **changed}))

    async def settle(self, asked: Ask, tokens: int, store: int = 0) -> None:
        """Settle a call in both books."""
        await self.ledger.settle(ended(asked.hold_id, tokens, 0), None)
        await self.stores[store].settle("u1", asked.hold_id, spent(tokens))


@pytest.fixture(params=["memory", "real"])
async def books(request: pytest.FixtureRequest, closing: Closing) -> AsyncIterator[Books]:
    """Twins, or three processes on Valkey and Postgres."""
    if request.param == "memory":
        yield Books([MemoryQuotaStore()], MemoryLedger())
        return
    prefix, url = f"a-{uuid.uuid4().hex[:12]}", request.getfixturevalue("valkey_url")
    stores = [RedisQuotaStore(url, prefix=prefix) for _ in range(3)]
    database = Database(request.getfixturevalue("postgres_schema"))
    await database.migrate()
    closing(database.close)
    for store in stores:
        closing(store.close)
    yield Books([*stores], PostgresLedger(database, PRICES))


@pytest.mark.parametrize(
    "limits",
    [plan(requests_per_minute=17), plan(requests_per_month=17), plan(tokens_per_day=170), plan(tokens_total=179)],
)
async def test_a_hundred_racers_get_exactly_the_limit(books: Books, limits: Any) -> None:
    """From an unloaded account, through any process, seventeen of a hundred are granted, never more, never fewer."""

    async def race(number: int) -> bool:
        store = books.stores[number % len(books.stores)]
        asked = wish(limits=limits, tokens=10)
        answer = await admit(store, books.ledger, asked)
        if isinstance(answer, Granted):
            await books.open(asked, answer)
        return isinstance(answer, Granted)

    assert sum(await asyncio.gather(*(race(number) for number in range(100)))) == 17


async def test_racers_that_settle_meanwhile_never_exceed_the_tokens(books: Books) -> None:
    """With settlements and new loads in between, what was used and held stays within the limit, and the books agree."""
    limits = plan(tokens_total=300)

    async def guest(number: int) -> None:
        store = number % len(books.stores)
        asked = wish(limits=limits, tokens=20)
        answer = await admit(books.stores[store], books.ledger, asked)
        if isinstance(answer, Granted):
            await books.open(asked, answer)
            await asyncio.sleep(0)
            await books.settle(asked, 7, store)

    for _ in range(12):
        await asyncio.gather(*(guest(number) for number in range(40)))
    used = (await sums(books.ledger)).fields["tokens:total"]
    assert 300 - 20 < used <= 300
    assert (await fields(books.stores[0]))["tokens:total"] == used


async def test_a_fresh_store_knows_what_the_ledger_knows(books: Books) -> None:
    """After Valkey came back empty, used, held, minute, turn and tasks are as before."""
    store = books.stores[0]
    for number, kind in enumerate(["turn", "turn", "task", "repair"]):
        asked = wish(kind=kind, turn="t" if kind == "turn" else None, after=number)
        answer = await admit(store, books.ledger, asked)
        assert isinstance(answer, Granted)
        row_kind = "tool" if answer.later else kind
        await books.open(asked, answer, kind=row_kind, held_prompt=4, held_completion=6)
        if number:
            await books.settle(asked, 3)
    now = NOON + timedelta(seconds=10)
    before = await store.live("u1", now)
    fresh: QuotaStore = MemoryQuotaStore()
    asked = wish(after=10, limits=plan(tokens_total=0))
    assert isinstance(await admit(fresh, books.ledger, asked), Denied)
    after = await fresh.live("u1", now)
    assert before is not None
    assert after is not None
    assert {name: n for name, n in after.fields.items() if n} == {name: n for name, n in before.fields.items() if n}
    assert (after.minute, after.minute_frees_at, after.held_tokens) == (1, NOON + timedelta(seconds=60), 10)
    assert (before.minute, before.held_tokens) == (1, 10)
    assert await fresh.reserve(wish(turn="t", after=11)) == Granted(counted=False, later=True)


async def test_an_expired_hold_is_charged_and_the_account_goes_on(books: Books) -> None:
    """The row of a process that died is closed as lost by the next guest's admission, at the size of its hold."""
    asked = wish(tokens=10, ttl=timedelta(seconds=20))
    answer = await admit(books.stores[0], books.ledger, asked)
    assert isinstance(answer, Granted)
    await books.open(asked, answer, held_prompt=4, held_completion=6)
    later = wish(after=30, limits=plan(tokens_total=19))
    assert isinstance(await admit(books.stores[0], books.ledger, later), Denied)
    assert await fields(books.stores[0]) == {
        **dict.fromkeys(later.periods.fields("requests"), 1),
        **spent(10),
    }


async def test_a_reload_between_reserving_and_opening_forgets_nothing(books: Books) -> None:
    """While a call is reserved but its row not yet written, another process loads the account anew (midnight, an
    expired hold, Valkey restarted); once the call is settled, live windows and ledger agree all the same."""
    store = books.stores[0]
    asked = wish(tokens=50)
    answer = await admit(store, books.ledger, asked)
    assert isinstance(answer, Granted)
    assert await store.reserve(wish(after=24 * 3600)) == Unloaded()
    assert isinstance(await admit(store, books.ledger, wish(limits=plan(tokens_total=0))), Denied)
    await books.open(asked, answer)
    await books.settle(asked, 40)
    assert isinstance(await admit(store, books.ledger, wish(limits=plan(tokens_total=0))), Denied)
    assert (await fields(store)).get("tokens:total", 0) == (await sums(books.ledger)).fields["tokens:total"]


class Interrupted(Database):
    """A database in whose next transaction something happens between the first row and the rest."""

    between: Callable[[], Awaitable[Any]] | None = None

    async def transaction(self, work: Callable[[Any], Awaitable[Any]], **how: Any) -> Any:
        step, self.between = self.between, None

        class Paused:
            def __init__(self, connection: Any) -> None:
                self._connection = connection

            def __getattr__(self, name: str) -> Any:
                return getattr(self._connection, name)

            async def fetchrow(self, *words: Any) -> Any:
                row = await self._connection.fetchrow(*words)
                if step is not None:
                    await step()
                return row

        return await super().transaction(lambda connection: work(Paused(connection)), **how)


async def test_totals_are_of_one_moment(postgres_schema: str, closing: Closing) -> None:
    """A call that is settled while the totals are read is in the sums or among the holds."""
    database, other = Interrupted(postgres_schema), Database(postgres_schema)
    closing(database.close)
    closing(other.close)
    await database.migrate()
    await PostgresLedger(other, PRICES).open(call())
    database.between = lambda: PostgresLedger(other, PRICES).settle(ended(), None)
    found = await sums(PostgresLedger(database, PRICES))
    assert found.fields.get("tokens:total", 0) + sum(tokens for tokens, _, _ in found.holds.values()) > 0


async def test_admission_gives_up_rather_than_admit_unchecked() -> None:
    """An account that can never be loaded is not served."""
    from maitre.errors import StoreDown

    class Restless(MemoryQuotaStore):
        async def load(self, user_id: str, day: str, totals: Any, generation: int) -> bool:
            return False

    with pytest.raises(StoreDown, match="keep changing"):
        await admit(Restless(), MemoryLedger(), wish())


async def test_a_clock_before_midnight_and_one_after_both_get_served(books: Books) -> None:
    """Two processes whose clocks lie on both sides of midnight unload each other's day, but nobody is stuck."""
    midnight = (datetime(2026, 11, 22, tzinfo=NOON.tzinfo) - NOON).total_seconds()
    await loaded(books.stores[0])
    for step in range(6):
        asked = wish(after=midnight + (0.2 if step % 2 else -0.2), tokens=1)
        answer = await admit(books.stores[0], books.ledger, asked)
        assert isinstance(answer, Granted)
        await books.open(asked, answer)
    assert (await sums(books.ledger, after=midnight)).fields["requests:total"] == 6
