"""What only Postgres keeps: migrations, the catalogue and the accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from maitre.accounts.account import Account
from maitre.accounts.accounts_postgres import PostgresAccounts
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue_postgres import PostgresCatalogue
from maitre.quota.plan import Plan
from maitre.sql.postgres import Database

pytestmark = pytest.mark.contract
Closing = Callable[[Callable[[], Awaitable[Any]]], None]


async def test_migrations_are_applied_once(postgres_schema: str, closing: Closing) -> None:
    """Many processes that migrate at once apply each file once, and later ones apply nothing."""
    databases = [Database(postgres_schema) for _ in range(4)]
    for one in databases:
        closing(one.close)
    applied = await asyncio.gather(*(one.migrate() for one in databases))
    assert sorted(len(names) for names in applied)[:3] == [0, 0, 0]
    assert max(applied, key=len)[0] == "0001_house.sql"
    assert await databases[0].migrate() == []


async def test_the_catalogue_keeps_everything_and_rises_with_every_change(database: Database) -> None:
    """Plans and assistants come back as they went in; the version that a turn compares rises."""
    catalogue, accounts = PostgresCatalogue(database), PostgresAccounts(database)
    plan = Plan("p", "Plan", 900, "EUR", requests_per_minute=3, tokens_total=10**12, models=("a", "b"), record="none")
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
    accounts = PostgresAccounts(database)
    assert (await accounts.arrive("u1", "a@x.io", "A"))[0] == Account("u1", "a@x.io", "A")
    await accounts.put(Account("u1", "a@x.io", "A", "admin", "p"))
    assert (await accounts.arrive("u1", "b@x.io", "B"))[0] == Account("u1", "b@x.io", "B", "admin", "p")
    assert await accounts.find("B@X.IO") == await accounts.find("u1") == Account("u1", "b@x.io", "B", "admin", "p")
    assert await accounts.find("a@x.io") is None
    assert set(await accounts.all()) == {"u1"}
