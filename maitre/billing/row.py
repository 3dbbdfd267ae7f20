"""A ledger row: one upstream call, opened before it and settled once after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from maitre.billing.price import PriceTable
from maitre.quota.subject import Subject, subjects

#: What a call is for. A tool call belongs to its turn's loop; a repair asks again for valid JSON;
#: a fallback asks another model instead of one that failed.
KINDS = ("turn", "tool", "task", "repair", "fallback", "embedding", "summary")

#: How a call ended. `lost`: its process died, and what it had relayed (else its hold) was charged when it expired.
STATUSES = ("open", "done", "stopped", "error", "lost")

#: No row has so many tokens; whoever says so is mistaken.
MOST_TOKENS = 10**12


@dataclass(frozen=True, slots=True)
class Call:
    """The opening of a row, durable before the upstream is called. Tokens are the hold's."""

    request_id: str
    turn_id: str
    chat_id: str
    trace_id: str
    at: datetime
    user_id: str
    plan: str
    door: str
    assistant: str
    provider: str
    model: str
    kind: str
    counted: bool
    held_prompt: int
    held_completion: int
    expires_at: datetime
    currency: str
    held_cost: int = 0  # what the hold costs at most, in 10⁻⁹ of the currency
    key: str = ""  # the id of the API key that asked, if one did
    streamed: bool = True  # whether what is relayed can be checkpointed
    address: str = ""  # the client's, where the door knows it
    variant: str = ""  # which way of a router's split the turn went: `auto:b`

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """In whose windows it is counted."""
        return subjects(
            account=self.user_id, key=self.key, assistant=self.assistant, model=self.model, provider=self.provider
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a call ended. `cost` is in 10⁻⁹ of the currency; `first_token_ms` is None when no token came."""

    request_id: str
    ended_at: datetime
    first_token_ms: int | None
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cost: int
    price_version: str
    status: str


def lost(
    prices: PriceTable,
    now: datetime,
    *,
    request_id: str,
    model: str,
    held_prompt: int,
    held_completion: int,
    relayed: int | None,
) -> Settlement:
    """The end of a call that nobody settled: its prompt as it was held, and what was relayed, else its whole hold."""
    completion = held_completion if relayed is None else min(relayed, held_completion)
    return Settlement(
        request_id=request_id,
        ended_at=now,
        first_token_ms=None,
        prompt_tokens=held_prompt,
        completion_tokens=completion,
        estimated=True,
        cost=prices.cost(model, held_prompt, completion),
        price_version=prices.version,
        status="lost",
    )


@dataclass(frozen=True, slots=True)
class Words:
    """What was said in a call, to keep until `delete_at`."""

    input: str
    output: str
    delete_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """What an open call holds: its prompt and largest answer in tokens, and what they cost at most."""

    prompt_tokens: int
    completion_tokens: int
    money: int
    expires_at: datetime
    counted: bool
    kind: str
    turn_id: str
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a subject has used, summed from the ledger: the truth that the live windows are rebuilt from.

    `fields` are sums by the names of `maitre.quota.window` (`tokens:day:2026-11-21`) for requests, tokens and money,
    of an account also `tasks:day:…`, and of the last minute the tokens by the second (`tokens:second:1795262400`);
    `recent` the counted calls of the last minute; `turns` how many calls each recent turn of an account has made;
    `holds` the open calls by request id. Without `ever` the sums that never reset (`tokens:total`) are not known.
    """

    fields: Mapping[str, int]
    recent: Mapping[str, datetime]
    turns: Mapping[str, int]
    holds: Mapping[str, Hold]
    ever: bool = True
