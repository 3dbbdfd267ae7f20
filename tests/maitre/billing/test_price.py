"""Costs are exact integers in 10⁻⁹ of the currency, rounded up once for a row."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.billing.price import Price, PriceTable

PRICES = st.decimals(0, 10_000, places=9)
TOKENS = st.integers(0, 10**9)


def table(price_in: Decimal | str, price_out: Decimal | str) -> PriceTable:
    """A table with one model, `m`."""
    return PriceTable("1", "USD", {"m": Price(Decimal(price_in), Decimal(price_out))})


@pytest.mark.parametrize(
    ("price_in", "price_out", "prompt", "completion", "nano"),
    [
        ("1", "1", 1, 0, 1000),  # a dollar a million tokens is a thousand nano-dollars a token
        ("0.10", "0.40", 123, 45, 30_300),
        ("0.001", "0", 1, 0, 1),  # three decimals are still whole nano-dollars
        ("0.0001", "0", 1, 0, 1),  # finer ones are rounded up
        ("0.0001", "0.0001", 5, 5, 1),  # once for the row, not once for each kind of token
        ("0.0001", "0.0001", 5, 6, 2),
        ("2.5", "10", 1_000_000, 1_000_000, 12_500_000_000),
        ("0", "0", 10**9, 10**9, 0),
        ("15", "75", 0, 0, 0),
    ],
)
def test_costs(price_in: str, price_out: str, prompt: int, completion: int, nano: int) -> None:
    """The price list's numbers give the expected nano units."""
    assert table(price_in, price_out).cost("m", prompt, completion) == nano


@given(price_in=PRICES, price_out=PRICES, prompt=TOKENS, completion=TOKENS)
def test_a_cost_is_the_exact_one_rounded_up(
    price_in: Decimal, price_out: Decimal, prompt: int, completion: int
) -> None:
    """No float and no intermediate rounding: the cost equals the fraction's ceiling."""
    exact = (Fraction(price_in) * prompt + Fraction(price_out) * completion) * 1000
    assert table(price_in, price_out).cost("m", prompt, completion) == math.ceil(exact)


@given(price_in=PRICES, price_out=PRICES, one=st.tuples(TOKENS, TOKENS), more=st.tuples(TOKENS, TOKENS))
def test_more_tokens_never_cost_less(
    price_in: Decimal, price_out: Decimal, one: tuple[int, int], more: tuple[int, int]
) -> None:
    """Splitting a call never saves money, and costs at most a nano unit more."""
    prices = table(price_in, price_out)
    apart = prices.cost("m", *one) + prices.cost("m", *more)
    together = prices.cost("m", one[0] + more[0], one[1] + more[1])
    assert together <= apart <= together + 1


def test_a_model_without_a_price_is_free() -> None:
    """Nobody is charged a price that the operator did not write down."""
    assert table("1", "1").cost("another", 1000, 1000) == 0
