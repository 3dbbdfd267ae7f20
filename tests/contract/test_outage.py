"""The real stores going away and coming back: one clear error meanwhile, and no new client object afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from maitre.billing.ledger_postgres import PostgresLedger
from maitre.errors import StoreDown
from maitre.quota.admission import Admission
from maitre.quota.redis_store import RedisQuotaStore
from maitre.quota.reservation import Granted
from maitre.quota.subject import Subject
from maitre.settings import House
from maitre.sql.postgres import Database
from maitre.tracing.redis_counters import RedisCounters
from maitre.valkey.redis_wire import Valkey
from tests.contract.house import GUEST, NOON, NOTHING, REQUESTS, WHEN, spent, wish
from tests.contract.rows import PRICES, call, ended
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
    """While they are away every call is StoreDown; after a restart the same objects serve again, from the
    ledger."""
    valkey = Valkey(own_stores.endpoint("valkey"))
    store = RedisQuotaStore(valkey, prefix="outage")
    database = Database(own_stores.endpoint("postgres"))
    ledger = PostgresLedger(database, PRICES)
    closing(valkey.close)
    closing(database.close)
    await database.migrate()
    asked = wish("h1")
    assert isinstance(await Admission(store, ledger).admit(asked), Granted)
    await ledger.open(call("h1"))
    await asyncio.gather(*(ledger.open(call("h1")) for _ in range(12)))  # every connection of the pool is used

    await aside(lambda: stop(own_stores))
    calls: list[Awaitable[object]] = [
        store.reserve(wish()),
        store.settle("h1", (GUEST,), spent(5)),
        store.release("h1", (GUEST,), REQUESTS),
        store.beat(["h1"], NOON),
        store.generation(GUEST),
        store.load(GUEST, WHEN.day, NOTHING, 0),
        store.unload(),
        store.live(GUEST, NOON),
        RedisCounters(valkey).publish("1", {"traces_sent": 1}),
        RedisCounters(valkey).total(),
        ledger.open(call("h2")),
        ledger.withdraw("h1"),
        ledger.find_open("u1", "api", "small", None),
        ledger.settle(ended("h1"), None),
        ledger.totals(GUEST, NOON, WHEN),
        ledger.sweep(NOON),
        ledger.forget(NOON, timedelta(days=30)),
        ledger.rows(None, None, 1),
        database.migrate(),
        Admission(store, ledger).admit(wish()),
    ]
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(answer, StoreDown), repr(answer)
        assert "does not answer" in str(answer)

    await aside(lambda: start(own_stores))
    assert await ledger.settle(ended("h1"), None)
    assert not await store.settle("h1", (GUEST,), spent(5))  # what Valkey had on its disk is not believed
    assert isinstance(await Admission(store, ledger).admit(wish()), Granted)
    assert [row["status"] for row in await ledger.rows(None, None, 9)] == ["done"]


async def test_a_restart_between_two_calls_is_not_noticed(own_stores: House, closing: Closing) -> None:
    """Connections that died while they were idle are replaced; the first call afterwards works."""
    valkey = Valkey(own_stores.endpoint("valkey"))
    store = RedisQuotaStore(valkey, prefix="restart")
    database = Database(own_stores.endpoint("postgres"))
    ledger = PostgresLedger(database, PRICES)
    closing(valkey.close)
    closing(database.close)
    await database.migrate()
    await asyncio.gather(*(ledger.rows(None, None, 1) for _ in range(12)))
    other = Subject("account", "u9")
    await asyncio.gather(*(store.generation(other) for _ in range(12)))

    def restart() -> None:
        stop(own_stores)
        start(own_stores)

    await aside(restart)
    assert isinstance(await Admission(store, ledger).admit(wish(user=other)), Granted)
    for answer in await asyncio.gather(
        *(ledger.rows(None, None, 1) for _ in range(12)),
        *(store.generation(other) for _ in range(12)),
    ):
        assert answer is not None


async def test_a_store_that_was_never_there_is_down() -> None:
    """The first call of a door that started before its stores says so, and can be repeated."""
    valkey = Valkey("redis://127.0.0.1:9/0", timeout=0.5)
    store = RedisQuotaStore(valkey)
    database = Database("postgresql://nobody@127.0.0.1:9/x", timeout=0.5)
    for _ in range(2):
        with pytest.raises(StoreDown):
            await store.reserve(wish())
        with pytest.raises(StoreDown):
            await PostgresLedger(database, PRICES).open(call())
    await valkey.close()
    await database.close()
