"""What guests pay in, on the twin in memory and on Postgres alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maitre.billing.deposits import Deposit, Deposits
from maitre.billing.deposits_memory import MemoryDeposits
from maitre.billing.deposits_postgres import PostgresDeposits
from tests.contract.rows import NOON

pytestmark = pytest.mark.contract
PAID = Deposit("p1", "u1", 5_000_000_000, "USD", NOON, "card")


@pytest.fixture(params=["memory", "postgres"])
def deposits(request: pytest.FixtureRequest) -> Deposits:
    """No deposits yet."""
    return MemoryDeposits() if request.param == "memory" else PostgresDeposits(request.getfixturevalue("database"))


async def test_a_credit_is_the_sum_of_what_was_paid_in(deposits: Deposits) -> None:
    """In one currency, of one account; a correction takes away."""
    assert await deposits.credit("u1", "USD") == 0
    for change in ({}, {"id": "p2"}, {"id": "p3", "amount": -1}, {"id": "p4", "user_id": "u2"}):
        assert await deposits.deposit(replace(PAID, **change))
    assert await deposits.deposit(replace(PAID, id="p5", currency="EUR"))
    assert await deposits.credit("u1", "USD") == 9_999_999_999
    assert await deposits.credit("u2", "USD") == await deposits.credit("u1", "EUR") == PAID.amount


async def test_a_payment_that_is_told_twice_counts_once(deposits: Deposits) -> None:
    """The id of a payment is there once, whatever the second telling says."""
    assert await deposits.deposit(PAID)
    assert not await deposits.deposit(PAID)
    assert not await deposits.deposit(replace(PAID, amount=1))
    assert await deposits.credit("u1", "USD") == PAID.amount
