"""The real stores going away and coming back: one clear error meanwhile, and no new client object afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from maitre.billing.ledger_postgres import PostgresLedger
from maitre.errors import StoreDown
from maitre.quota.admission import admit
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Granted
from maitre.settings import House
from maitre.sql.postgres import Database
from tests.contract.house import NOON, NOTHING, PRICES, REQUESTS, WHEN, call, ended, spent, wish
from tests.stores import running_stores, start, stop

pytestmark = pytest.mark.contract
Closing = Callable[[Callable[[], Awaitable[Any]]], None]


@pytest.fixture(scope="module")
def own_stores() -> Iterator[House]:
    """Stores that this file may stop."""
    with running_stores() as house:
        yield house


async def aside(work: Callable[[], Any]) -> None:
    """Run something slow and synchronous while the loop goes on."""
    with ThreadPoolExecutor(1) as apart:
        await asyncio.get_running_loop().run_in_executor(apart, work)


async def test_stores_that_go_and_come_back(own_stores: House, closing: Closing) -> None:
    """While they are away every call is StoreDown; after a restart the same objects serve again, nothing lost."""
    store = RedisQuotaStore(own_stores.endpoint("valkey"), prefix="outage")
    database = Database(own_stores.endpoint("postgres"))
    ledger = PostgresLedger(database, PRICES)
    closing(store.close)
    closing(database.close)
    await database.migrate()
    asked = wish("h1", tokens=10)
    assert isinstance(await admit(store, ledger, asked), Granted)
    await ledger.open(call("h1"))
    await asyncio.gather(*(ledger.open(call("h1")) for _ in range(12)))  # every connection of the pool is used

    await aside(lambda: stop(own_stores))
    calls: list[Awaitable[object]] = [
        store.reserve(wish()),
        store.settle("u1", "h1", spent(5)),
        store.release("u1", "h1", "t", REQUESTS),
        store.generation("u1"),
        store.load("u1", WHEN.day, NOTHING, 0),
        store.live("u1", NOON),
        store.count("1", {"traces_sent": 1}),
        store.counters(),
        ledger.open(call("h2")),
        ledger.withdraw("h1"),
        ledger.find_open("u1", "api", "small", None),
        ledger.settle(ended("h1"), None),
        ledger.totals("u1", NOON, WHEN),
        ledger.sweep(NOON),
        ledger.forget(NOON),
        ledger.rows(None, None, 1),
        database.migrate(),
        admit(store, ledger, wish()),
    ]
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(answer, StoreDown), repr(answer)
        assert "does not answer" in str(answer)

    await aside(lambda: start(own_stores))
    assert await store.settle("u1", "h1", spent(5))
    assert await ledger.settle(ended("h1"), None)
    assert isinstance(await admit(store, ledger, wish()), Granted)
    assert [row["status"] for row in await ledger.rows(None, None, 9)] == ["done"]


async def test_a_restart_between_two_calls_is_not_noticed(own_stores: House, closing: Closing) -> None:
    """Connections that died while they were idle are replaced; the first call afterwards works."""
    store = RedisQuotaStore(own_stores.endpoint("valkey"), prefix="restart")
    database = Database(own_stores.endpoint("postgres"))
    ledger = PostgresLedger(database, PRICES)
    closing(store.close)
    closing(database.close)
    await database.migrate()
    await asyncio.gather(*(ledger.rows(None, None, 1) for _ in range(12)))
    await asyncio.gather(*(store.generation("u9") for _ in range(12)))

    def restart() -> None:
        stop(own_stores)
        start(own_stores)

    await aside(restart)
    assert isinstance(await admit(store, ledger, wish(user="u9")), Granted)
    for answer in await asyncio.gather(
        *(ledger.rows(None, None, 1) for _ in range(12)), *(store.generation("u9") for _ in range(12))
    ):
        assert answer is not None


async def test_a_store_that_was_never_there_is_down() -> None:
    """The first call of a door that started before its stores says so, and can be repeated."""
    store = RedisQuotaStore("redis://127.0.0.1:9/0", timeout=0.5)
    database = Database("postgresql://nobody@127.0.0.1:9/x", timeout=0.5)
    for _ in range(2):
        with pytest.raises(StoreDown):
            await store.reserve(wish())
        with pytest.raises(StoreDown):
            await PostgresLedger(database, PRICES).open(call())
    await store.close()
    await database.close()
