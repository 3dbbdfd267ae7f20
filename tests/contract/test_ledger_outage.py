"""The ledger while Postgres is killed under it: nothing is both lost and confirmed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from devstack import state
from devstack.process import stop
from maitre.billing.journal_jsonl import FileJournals
from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.ledger_postgres import PostgresLedger
from maitre.errors import StoreDown
from maitre.settings import House
from maitre.sql.postgres import Database
from tests.contract.conftest import heard
from tests.contract.rows import PRICES, call, ended
from tests.stores import running_stores, start

pytestmark = pytest.mark.contract
Closing = Callable[[Callable[[], Awaitable[Any]]], None]
KILLS, GUESTS = 4, 30


@pytest.fixture(scope="module")
def own_stores() -> Iterator[House]:
    """Stores that this file may kill."""
    with running_stores() as house:
        yield house


async def aside(work: Callable[[], Any]) -> None:
    """Run something slow and synchronous while the loop goes on."""
    with ThreadPoolExecutor(1) as apart:
        await asyncio.get_running_loop().run_in_executor(apart, work)


def kill(house: House) -> None:
    """SIGKILL to the Postgres of these stores, as a crash would."""
    stop(state.read(house.state)["postgres"].who, signal.SIGKILL, 5)


async def test_a_killed_postgres_loses_nothing_that_it_confirmed(own_stores: House, closing: Closing) -> None:
    """Calls are opened and settled without a break while Postgres is killed: each caller either hears StoreDown or
    finds its row, and its settlement, there; afterwards the same ledger serves again."""
    database = Database(own_stores.endpoint("postgres"))
    closing(database.close)
    await database.migrate()
    ledger, dice = PostgresLedger(database, PRICES), random.Random(3)
    opened: set[str] = set()
    settled: set[str] = set()
    down: set[str] = set()
    asked = 0

    async def guest(enough: int, busy: asyncio.Event, felt: asyncio.Event, over: asyncio.Event) -> None:
        nonlocal asked
        while not over.is_set():
            asked += 1
            name = f"r{asked}"
            try:
                await ledger.open(call(name))
                opened.add(name)
                if len(opened) >= enough:
                    busy.set()
                if dice.random() < 0.7:
                    assert await ledger.settle(ended(name), None) in (True, False)
                    settled.add(name)
            except StoreDown:
                down.add(name)
                felt.set()

    for _ in range(KILLS):
        busy, felt, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        enough = len(opened) + dice.randrange(1, 8 * GUESTS)
        guests = [asyncio.create_task(guest(enough, busy, felt, over)) for _ in range(GUESTS)]
        await busy.wait()
        await aside(lambda: kill(own_stores))
        await felt.wait()
        over.set()
        await asyncio.gather(*guests)
        await aside(lambda: start(own_stores))
        rows = {row["request_id"]: row["status"] for row in await ledger.rows(None, None, 100_000)}
        assert opened <= set(rows)
        assert {name for name in settled if rows[name] != "done"} == set()
        assert set(rows) - opened <= down
    await ledger.open(call("afterwards"))


async def test_a_killed_postgres_is_not_noticed_by_plans_that_fail_open(
    own_stores: House, closing: Closing, tmp_path: Path
) -> None:
    """With a journal every call is opened and settled, Postgres or not; once it is back each is exactly one row,
    settled as it was told."""
    database, journals = Database(own_stores.endpoint("postgres")), FileJournals(tmp_path / "journal", "a")
    closing(database.close)
    closing(journals.close)
    await database.migrate()
    rows = PostgresLedger(database, PRICES)
    ledger = JournaledLedger(rows, journals, heard)
    served: list[str] = []

    async def guest(who: str, many: int, enough: asyncio.Event, over: asyncio.Event) -> None:
        number = 0
        while not over.is_set():
            number += 1
            name = f"{who}-{number}"
            await ledger.open(call(name, user_id="open"), fail_open=True)
            while True:
                try:
                    await ledger.settle(ended(name, number), None)
                    break
                except StoreDown:  # its row is in Postgres
                    await asyncio.sleep(0.05)
            served.append(name)
            if len(served) % many == 0:
                enough.set()

    for turn in range(2):
        enough, over = asyncio.Event(), asyncio.Event()
        guests = [asyncio.create_task(guest(f"{turn}-{number}", 100, enough, over)) for number in range(GUESTS)]
        await enough.wait()
        await aside(lambda: kill(own_stores))
        over.set()
        one, once = asyncio.Event(), asyncio.Event()
        late = asyncio.create_task(guest(f"{turn}-late", 1, one, once))
        await one.wait()
        once.set()
        assert journals.own.size
        with pytest.raises(StoreDown):
            await ledger.replay()
        await aside(lambda: start(own_stores))
        await asyncio.gather(late, *guests)
        assert await ledger.replay() > 0
        assert journals.own.size == 0
        found = {row["request_id"]: row for row in await rows.rows("open", None, 100_000)}
        assert set(found) == set(served)
        for name, row in found.items():
            assert (row["status"], row["prompt_tokens"]) == ("done", int(name.split("-")[-1]))
