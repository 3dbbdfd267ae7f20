"""What only Postgres keeps: migrations, the catalogue and the accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import asyncpg
import pytest

from maitre.accounts.account import Account
from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue_postgres import PostgresCatalogue
from maitre.errors import StoreDown
from maitre.quota.plan import Plan
from maitre.sql.postgres import Database

pytestmark = pytest.mark.contract
MIGRATIONS = sorted(file.name for file in (files("maitre.sql") / "migrations").iterdir() if file.name.endswith(".sql"))
Closing = Callable[[Callable[[], Awaitable[Any]]], None]


MIGRATIONS = sorted(one.name for one in (files("maitre.sql") / "migrations").iterdir() if one.name.endswith(".sql"))


async def test_migrations_are_applied_once(postgres_schema: str, closing: Closing) -> None:
    """Many processes that migrate at once apply each file once, and later ones apply nothing."""
    databases = [Database(postgres_schema) for _ in range(4)]
    for one in databases:
        closing(one.close)
    applied = await asyncio.gather(*(one.migrate() for one in databases))
    assert sorted(len(names) for names in applied)[:3] == [0, 0, 0]
    assert max(applied, key=len) == MIGRATIONS
    assert await databases[0].migrate() == []


async def _as_of(database: Database, name: str) -> None:
    """Bring the database to where only this first migration was applied."""

    async def apply(connection: asyncpg.Connection) -> None:
        await connection.execute("create table migrations (name text primary key, at timestamptz default now())")
        await connection.execute((files("maitre.sql") / "migrations" / name).read_text("utf-8"))
        await connection.execute("insert into migrations (name) values ($1)", name)

    await database.transaction(apply)


#: A plan's spec before 0002, and the limits that it has afterwards.
SPECS: list[tuple[dict[str, Any], dict[str, int]]] = [
    (
        {
            "requests_per_minute": 6,
            "requests_per_month": None,
            "tokens_per_day": 0,
            "tokens_per_month": 10**12,
            "tokens_total": None,
        },
        {"requests_per_minute": 6, "tokens_per_day": 0, "tokens_per_month": 10**12},
    ),
    (dict.fromkeys(("requests_per_minute", "requests_per_month", "tokens_total")), {}),
    ({}, {}),
]


async def test_a_house_of_the_first_version_keeps_its_plans_and_rows(postgres_schema: str, closing: Closing) -> None:
    """Plans get their limits by name and lose nothing; rows get what is new with nothing in it; engines notice."""
    database = Database(postgres_schema)
    closing(database.close)
    await _as_of(database, "0001_house.sql")
    same = {"name": "P", "price": 900, "currency": "EUR", "max_answer_tokens": 77, "models": ["a"], "record": "none"}
    for number, (spec, _) in enumerate(SPECS):
        await database.execute(
            "insert into plans (slug, spec) values ($1, $2)", f"p{number}", {"slug": f"p{number}", **same, **spec}
        )
    await database.execute(
        "insert into ledger (request_id, turn_id, at, user_id, plan, door, provider, model, kind, counted, held_prompt,"
        " held_completion, expires_at, currency, status)"
        " values ('r1', 't1', now(), 'u1', 'p0', 'api', 'local', 'small', 'turn', 1, 3, 4, now(), 'EUR', 'open')"
    )
    before = await database.fetchrow("select version from catalogue")
    with pytest.raises(StoreDown, match="cli seed"):
        await database.fetch("select key_id from ledger")
    assert await database.migrate() == MIGRATIONS[1:]
    read = await PostgresCatalogue(database).read()
    assert before is not None
    assert read.version > before["version"]
    assert read.plans == {
        f"p{number}": Plan(f"p{number}", "P", 900, "EUR", limits, 77, ("a",), "none")
        for number, (_, limits) in enumerate(SPECS)
    }
    row = await database.fetchrow("select * from ledger")
    assert row is not None
    assert (row["key_id"], row["held_cost"], row["relayed"], row["status"]) == ("", 0, None, "open")


async def test_closing_the_house_is_a_change_of_the_catalogue(database: Database) -> None:
    """The version rises by one with each change of the sentence, also when who changes it raises it, too."""
    first = await database.fetchrow("select version from catalogue")
    assert first is not None
    for sentence, more, rises in (("Closed.", "", 1), ("Closed.", "", 1), ("Nine.", ", version = version + 1", 2)):
        await database.execute(f"update catalogue set closed = $1{more}", sentence)
        now = await database.fetchrow("select version, closed from catalogue")
        assert now is not None
        assert (now["version"], now["closed"]) == (first["version"] + rises, sentence)


async def test_the_catalogue_keeps_everything_and_rises_with_every_change(database: Database) -> None:
    """Plans and assistants come back as they went in; the version that a turn compares rises."""
    catalogue, accounts = PostgresCatalogue(database), PostgresAccounts(database, "USD")
    plan = Plan(
        "p", "Plan", 900, "EUR", {"requests_per_minute": 3, "tokens_total": 10**12}, models=("a", "b"), record="none"
    )
    coach = Assistant(
        "c", "Тренер", "a", "Ти тренер.\n", plans=("p",), json_answer=True, json_schema={"type": "object"}
    )
    versions = [(await catalogue.read()).version]
    for change in (
        catalogue.put_plan(plan),
        catalogue.put_assistant(coach),
        catalogue.put_assistant(replace(coach, enabled=False)),
        catalogue.drop_plan("p"),
    ):
        await change
        versions.append((await accounts.arrive("u1", "a@x.io", "A"))[1])
    assert versions == sorted(set(versions))
    read = await catalogue.read()
    assert (dict(read.plans), dict(read.assistants)) == ({}, {"c": replace(coach, enabled=False)})
    await catalogue.put_plan(plan)
    assert (await catalogue.read()).plans == {"p": plan}


async def test_an_account_arrives_and_keeps_its_plan(database: Database) -> None:
    """A new guest gets an account without a plan; a changed e-mail is taken over, plan and role stay."""
    accounts = PostgresAccounts(database, "USD")
    assert (await accounts.arrive("u1", "a@x.io", "A"))[0] == Account("u1", "a@x.io", "A")
    await accounts.put(Account("u1", "a@x.io", "A", "admin", "p"))
    assert (await accounts.arrive("u1", "b@x.io", "B"))[0] == Account("u1", "b@x.io", "B", "admin", "p")
    assert await accounts.find("B@X.IO") == await accounts.find("u1") == Account("u1", "b@x.io", "B", "admin", "p")
    assert await accounts.find("a@x.io") is None
    assert set(await accounts.all()) == {"u1"}


async def asleep(url: str, closing: Closing) -> None:
    """Wait until the server is really in the sleep: a cancel that comes before it began has no effect."""
    other = Database(url)
    closing(other.close)
    while not await other.fetch("select 1 from pg_stat_activity where wait_event = 'PgSleep'"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_work_that_ends_in_the_middle_leaves_its_connection_clean(
    postgres_schema: str, closing: Closing, how: str
) -> None:
    """Nothing of it stays, and the next one to use that connection is in no transaction."""
    database = Database(postgres_schema, size=1)
    closing(database.close)
    await database.migrate()
    written = asyncio.Event()

    async def work(connection: asyncpg.Connection) -> None:
        await connection.execute("insert into assistants (slug, enabled, spec) values ('a', true, '{}')")
        written.set()
        await connection.execute("select 1 / 0" if how == "fails" else "select pg_sleep(60)")

    task = asyncio.create_task(database.transaction(work))
    await written.wait()
    if how == "is cancelled":
        await asleep(postgres_schema, closing)
        task.cancel()
    with pytest.raises((asyncpg.DivisionByZeroError, asyncio.CancelledError)):
        await task
    row = await database.fetchrow("select count(*) as many, pg_current_xact_id_if_assigned() as inside from assistants")
    assert row is not None
    assert (row["many"], row["inside"]) == (0, None)


#: What Postgres says when it is its own fault, by SQLSTATE.
ITS_FAULT = {
    "too many connections": "53300",
    "disk full": "53100",
    "out of memory": "53200",
    "only reads": "25006",
    "deadlock": "40P01",
    "serialization": "40001",
    "cancelled": "57014",
    "stopping": "57P01",
    "starting": "57P03",
    "lock timeout": "55P03",
    "disk error": "58030",
    "no such database": "3D000",
    "wrong password": "28P01",
    "damaged": "XX001",
}


@pytest.mark.parametrize("state", ITS_FAULT.values(), ids=ITS_FAULT)
async def test_a_fault_of_the_server_is_a_store_that_is_down(database: Database, state: str) -> None:
    """Whoever asked is told to come again, and what is repeated while a store is down is repeated."""
    with pytest.raises(StoreDown, match="Postgres does not answer: never mind"):
        await database.execute(f"do $$ begin raise exception 'never mind' using errcode = '{state}'; end $$")


async def test_a_fault_of_ours_is_not(database: Database) -> None:
    """A wrong statement is our bug, and no reason to try again."""
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await database.execute("selekt 1")


async def test_an_answer_that_does_not_come_in_time_is_no_answer(postgres_schema: str, closing: Closing) -> None:
    """Who asks how long Postgres has answered hears of a pause while it lasts, and counts from its end."""
    database = Database(postgres_schema, timeout=1)
    closing(database.close)
    assert database.answers_for == 0
    await database.time()
    begun = asyncio.get_running_loop().time()
    slow = asyncio.create_task(database.fetch("select pg_sleep(0.95)"))
    async with asyncio.timeout(5):
        while database.answers_for > 0:  # noqa: ASYNC110 - a number, and nobody tells when it changes
            await asyncio.sleep(0.01)
    assert not slow.done()
    await slow
    assert 0 <= database.answers_for < asyncio.get_running_loop().time() - begun - 0.8
    with pytest.raises(StoreDown):
        await database.fetch("select pg_sleep(9)")
    assert database.answers_for == 0
