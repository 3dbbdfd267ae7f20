"""What only the ledger in Postgres has: what `usage` reads, and the request log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from maitre.billing.ledger_postgres import PostgresLedger
from maitre.billing.row import Words
from maitre.errors import StoreDown
from maitre.sql.postgres import Database
from tests.contract.rows import NOON, PRICES, TTL, call, ended, sums

pytestmark = pytest.mark.contract
RETENTION = timedelta(days=30)
WORDS = Words("in", "out", NOON + timedelta(days=30))
OPENED = (
    "turn_id",
    "chat_id",
    "trace_id",
    "at",
    "plan",
    "door",
    "assistant",
    "variant",
    "provider",
    "model",
    "kind",
    "currency",
    "key",
)
CLOSED = (
    "ended_at",
    "first_token_ms",
    "prompt_tokens",
    "completion_tokens",
    "estimated",
    "cost",
    "price_version",
    "status",
)


async def test_a_row_shows_all_that_was_written(database: Database) -> None:
    """The public names of `usage`, the newest row first, with every value as it was."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(call("r1"))
    await ledger.open(call("r2", user_id="u2", at=NOON + timedelta(seconds=1)))
    await ledger.settle(ended("r1"), WORDS)
    both = await ledger.rows(None, None, 10)
    assert [row["request_id"] for row in both] == ["r2", "r1"]
    assert {row["request_id"] for row in await ledger.rows("u1", None, 10)} == {"r1"}
    assert {row["request_id"] for row in await ledger.rows(None, NOON + timedelta(seconds=1), 10)} == {"r2"}
    assert len(await ledger.rows(None, None, 1)) == 1
    row = both[1]
    for name in OPENED:
        assert row[name] == getattr(call("r1"), name)
    for name in CLOSED:
        assert row[name] == getattr(ended("r1"), name)
    assert row["user"] == "u1"


@pytest.mark.parametrize(("streamed", "cost"), [(True, 30 * 1000), (False, 30 * 1000 + 70 * 2000)])
async def test_a_lost_row_says_so_and_has_its_price(database: Database, streamed: bool, cost: int) -> None:
    """What the sweep charges is marked as lost and estimated, and costs what it would have cost."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(call(streamed=streamed))
    await ledger.sweep(NOON + 2 * TTL)
    (row,) = await ledger.rows(None, None, 1)
    assert (row["status"], row["estimated"], row["cost"], row["price_version"]) == ("lost", True, cost, "v1")


async def test_words_are_forgotten_when_their_time_is_over(database: Database) -> None:
    """The request log loses them, the ledger row stays."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(call())
    await ledger.settle(ended(), WORDS)
    assert await ledger.forget(WORDS.delete_at, RETENTION) == 0
    assert await ledger.forget(WORDS.delete_at + timedelta(seconds=1), RETENTION) == 1
    assert len(await ledger.rows(None, None, 9)) == 1


async def test_an_address_is_forgotten_like_words(database: Database) -> None:
    """The row stays, of somewhere."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(replace(call(), address="192.0.2.7"))
    assert await ledger.forget(call().at + RETENTION, RETENTION) == 0
    assert (await ledger.rows(None, None, 9))[0]["address"] == "192.0.2.7"
    assert await ledger.forget(call().at + RETENTION + timedelta(seconds=1), RETENTION) == 1
    assert (await ledger.rows(None, None, 9))[0]["address"] == ""


async def test_a_beat_leaves_the_indexes_alone(database: Database) -> None:
    """Beats of a live call are written beside its row; only then are a hundred of them a second cheap."""
    ledger = PostgresLedger(database, PRICES)
    await ledger.open(call())
    for tokens in range(20):
        await ledger.beat({"r1": tokens}, NOON + TTL + timedelta(seconds=tokens))

    async def read(connection: asyncpg.Connection) -> asyncpg.Record | None:
        await connection.execute("select pg_stat_force_next_flush()")
        return await connection.fetchrow(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relid = 'ledger'::regclass"
        )

    for _ in range(3):  # each connection of the pool tells what it did when its transaction ends
        found = await database.transaction(read)
    assert found is not None
    assert found["n_tup_upd"] > 0
    assert found["n_tup_upd"] == found["n_tup_hot_upd"]


class Interrupted(Database):
    """A database in whose next read something happens between the first row and the rest."""

    between: Callable[[], Awaitable[Any]] | None = None

    async def transaction(self, work: Callable[[Any], Awaitable[Any]], **how: Any) -> Any:
        class Paused:
            def __init__(self, connection: Any) -> None:
                self._connection = connection

            def __getattr__(self, name: str) -> Any:
                return getattr(self._connection, name)

            async def fetchrow(paused, *words: Any) -> Any:
                row = await paused._connection.fetchrow(*words)
                step, self.between = self.between, None
                if step is not None:
                    await step()
                return row

        return await super().transaction(lambda connection: work(Paused(connection)), **how)


async def test_totals_are_of_one_moment(postgres_schema: str, closing: Any) -> None:
    """A call that is settled while the totals are read is in the sums or among the holds, not in neither."""
    database, other = Interrupted(postgres_schema), Database(postgres_schema)
    closing(database.close)
    closing(other.close)
    await database.migrate()
    await PostgresLedger(other, PRICES).open(call())
    database.between = lambda: PostgresLedger(other, PRICES).settle(ended(), None)
    found = await sums(PostgresLedger(database, PRICES))
    assert database.between is None
    assert (found.fields.get("tokens:total", 0), set(found.holds)) in ((25, set()), (0, {"r1"}))


async def test_nothing_is_lost_while_postgres_has_just_come_back(database: Database) -> None:
    """Who lives could not renew its rows either: they are not closed, and no totals are told without their holds."""
    careful, late = PostgresLedger(database, PRICES, grace=1000), NOON + 2 * TTL
    await careful.open(call("r1"))
    await careful.open(call("r2", user_id="u2", expires_at=late + TTL))
    assert await careful.sweep(late) == 0
    with pytest.raises(StoreDown, match="just come back"):
        await sums(careful, after=2 * TTL.total_seconds())
    assert set((await sums(careful, "u2", after=2 * TTL.total_seconds())).holds) == {"r2"}
    await careful.beat({"r1": 3}, late + TTL)
    assert set((await sums(careful, after=2 * TTL.total_seconds())).holds) == {"r1"}
    assert await PostgresLedger(database, PRICES).sweep(late + 2 * TTL) == 2
