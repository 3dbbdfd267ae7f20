"""What tokens cost: an exact, versioned price table.

Prices are quoted as everybody quotes them, in the currency per million tokens, as decimal strings. A cost is
an integer in 10⁻⁹ of the currency (nano units): 1 USD per million tokens is 1,000 nano-USD a token, so a
price with up to three more decimals stays an integer, and finer ones are rounded up once per row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

NANO_PER_TOKEN = Decimal(1000)  # nano units a token, for a price of 1 per million tokens


@dataclass(frozen=True, slots=True)
class Price:
    """A model's price in the currency per million tokens."""

    input: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The prices of a house. `version` is written into every ledger row that they price."""

    version: str
    currency: str
    models: Mapping[str, Price]

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> int:
        """The cost of one call in 10⁻⁹ of the currency; 0 for a model without a price."""
        price = self.models.get(model)
        if price is None:
            return 0
        exact = (price.input * prompt_tokens + price.output * completion_tokens) * NANO_PER_TOKEN
        return _ceiling(exact)

    def ceilings(self, model: str) -> tuple[int, int]:
        """A token of prompt and one of an answer in 10⁻⁹ of the currency, each rounded up: what a hold reckons with."""
        price = self.models.get(model)
        if price is None:
            return 0, 0
        return _ceiling(price.input * NANO_PER_TOKEN), _ceiling(price.output * NANO_PER_TOKEN)


def _ceiling(exact: Decimal) -> int:
    return int(exact.to_integral_value(rounding=ROUND_CEILING))
