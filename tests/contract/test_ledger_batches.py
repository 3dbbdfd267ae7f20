"""Many calls opened and settled at once: they share their writes and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from maitre.billing.ledger_postgres import PostgresLedger
from maitre.billing.row import Words
from maitre.errors import StoreDown
from maitre.sql.postgres import Database
from tests.contract.rows import NOON, PRICES, TTL, call, ended

pytestmark = pytest.mark.contract
CALLS = 200


class Counted(Database):
    """A database that counts its statements, and holds them back while its gate is shut."""

    statements = 0

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def execute(self, query: str, *values: Any) -> int:
        self.statements += 1
        self.begun.set()
        await self.gate.wait()
        return await super().execute(query, *values)

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        self.statements += 1
        return await super().fetch(query, *values)


@pytest.fixture
async def counted(postgres_schema: str, closing: Any) -> Counted:
    """An empty house whose statements are counted."""
    database = Counted(postgres_schema)
    closing(database.close)
    await database.migrate()
    return database


async def _ids(database: Database) -> set[str]:
    return {row["request_id"] for row in await Database.fetch(database, "select request_id from ledger")}


async def test_two_hundred_calls_at_once_share_a_few_writes(counted: Counted) -> None:
    """Every one has its row when its caller goes on, and its settlement afterwards, in a handful of statements."""
    ledger = PostgresLedger(counted, PRICES)

    async def guest(number: int) -> bool:
        await ledger.open(call(f"r{number}"))
        row = await Database.fetchrow(counted, "select status from ledger where request_id = $1", f"r{number}")
        assert row is not None
        return await ledger.settle(ended(f"r{number}"), Words("in", "out", NOON) if number % 2 else None)

    assert all(await asyncio.gather(*(guest(number) for number in range(CALLS))))
    assert len(await _ids(counted)) == CALLS
    assert len(await Database.fetch(counted, "select * from request_log")) == CALLS / 2
    assert counted.statements < CALLS / 2


async def test_what_comes_while_a_write_runs_goes_into_the_next_one(counted: Counted) -> None:
    """Calls of one tick are one statement; those that arrive meanwhile are another one, however many they are."""
    ledger = PostgresLedger(counted, PRICES)
    counted.gate.clear()
    first = [asyncio.create_task(ledger.open(call(f"a{number}"))) for number in range(9)]
    await counted.begun.wait()
    second = [asyncio.create_task(ledger.open(call(f"b{number}"))) for number in range(9)]
    await asyncio.sleep(0)
    counted.gate.set()
    await asyncio.gather(*first, *second)
    assert counted.statements == 2
    assert len(await _ids(counted)) == 18


@pytest.mark.parametrize("bad", [{"kind": "?"}, {"chat_id": "\0"}, {"held_prompt": -1}, {"held_completion": 2**63}])
async def test_a_row_that_cannot_be_fails_alone(counted: Counted, bad: dict[str, Any]) -> None:
    """Its caller gets the error, and the neighbours in the same write get their rows."""
    ledger = PostgresLedger(counted, PRICES)
    wrong = {3, 40}
    answers = await asyncio.gather(
        *(ledger.open(call(f"r{n}", **(bad if n in wrong else {}))) for n in range(50)), return_exceptions=True
    )
    assert {n for n, answer in enumerate(answers) if isinstance(answer, ValueError)} == wrong
    assert [answer for answer in answers if answer is not None and not isinstance(answer, ValueError)] == []
    assert await _ids(counted) == {f"r{n}" for n in range(50) if n not in wrong}


async def test_a_settlement_that_cannot_be_fails_alone(counted: Counted) -> None:
    """Its row stays open; the neighbours are settled, each once even when one is told twice."""
    ledger = PostgresLedger(counted, PRICES)
    await asyncio.gather(*(ledger.open(call(f"r{n}")) for n in range(9)))
    ends = [*(ended(f"r{n}", prompt=-1 if n == 4 else 1) for n in range(9)), ended("r1"), ended("unknown")]
    words = Words("in", "out", NOON)
    answers: Sequence[Any] = await asyncio.gather(*(ledger.settle(end, words) for end in ends), return_exceptions=True)
    assert isinstance(answers[4], ValueError)
    assert [answer for n, answer in enumerate(answers) if n != 4] == [True] * 8 + [False, False]
    rows = {row["request_id"]: row["status"] for row in await ledger.rows(None, None, 99)}
    assert rows == {f"r{n}": "open" if n == 4 else "done" for n in range(9)}


async def test_who_is_cancelled_disturbs_nobody(counted: Counted) -> None:
    """A call that is cancelled before its write has no row; one that is cancelled in the middle learns it only when
    its row is there; all others go on."""
    ledger = PostgresLedger(counted, PRICES)
    counted.gate.clear()
    running = [asyncio.create_task(ledger.open(call(f"a{number}"))) for number in range(5)]
    await counted.begun.wait()
    waiting = [asyncio.create_task(ledger.open(call(f"b{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    running[2].cancel()
    waiting[2].cancel()
    await asyncio.wait([waiting[2]])
    assert not running[2].done()
    counted.gate.set()
    answers = await asyncio.gather(*running, *waiting, return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if answer is not None] == [2, 7]
    assert running[2].cancelled()
    assert await _ids(counted) == {*(f"a{n}" for n in range(5)), *(f"b{n}" for n in range(5) if n != 2)}


async def test_without_a_store_everybody_hears_it_and_the_next_write_is_tried() -> None:
    """StoreDown reaches every caller of the write; later calls ask again."""

    class Away(Database):
        away = True

        async def execute(self, query: str, *values: Any) -> int:
            if self.away:
                raise StoreDown("Postgres does not answer")
            return 1

    database = Away("postgresql://nobody@127.0.0.1:9/x")
    ledger = PostgresLedger(database, PRICES)
    answers = await asyncio.gather(*(ledger.open(call(f"r{n}")) for n in range(20)), return_exceptions=True)
    assert all(isinstance(answer, StoreDown) for answer in answers)
    database.away = False
    await ledger.open(call())


async def test_beats_sweeps_and_settlements_of_the_same_rows_never_block_one_another(
    postgres_schema: str, closing: Any
) -> None:
    """Several engines that beat, sweep and settle the same rows in different orders all finish, each row is settled
    once."""
    engines = []
    for _ in range(3):
        database = Database(postgres_schema)
        closing(database.close)
        engines.append(PostgresLedger(database, PRICES))
        await database.migrate()
    names = [f"r{n}" for n in range(60)]
    await asyncio.gather(*(engines[0].open(call(name)) for name in names))

    async def settle(engine: PostgresLedger, order: list[str]) -> int:
        return sum(await asyncio.gather(*(engine.settle(ended(name), None) for name in order)))

    async def beat(engine: PostgresLedger, order: list[str]) -> int:
        for step in range(10):
            await engine.beat(dict.fromkeys(order, step), NOON + TTL)
            await engine.sweep(NOON + TTL + timedelta(seconds=step - 5))
        return 0

    work = [beat(engine, names[::-1]) for engine in engines] + [beat(engines[0], names)]
    work += [settle(engines[0], names), settle(engines[1], names[::-1]), settle(engines[2], names[30:] + names[:30])]
    assert sum(await asyncio.gather(*work)) == 60
