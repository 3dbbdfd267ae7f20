"""The ledger in Postgres: a row is opened before the upstream is called and settled once.

All calls that are opened while one statement runs, or in the same tick, share the next one; settlements likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from maitre.billing.batch import Batch
from maitre.billing.closings_postgres import Closing, any_late, beat_rows, close_late, close_rows
from maitre.billing.openings_postgres import Opening, find_open, open_rows
from maitre.billing.price import PriceTable
from maitre.billing.row import Call, Settlement, Totals, Words
from maitre.billing.totals_postgres import totals_of
from maitre.errors import StoreDown
from maitre.quota.subject import Subject
from maitre.quota.window import Periods
from maitre.sql.postgres import Database

#: The public names of a row's fields, in the order of `cli usage --json`.
COLUMNS = (
    'id, request_id, turn_id, chat_id, trace_id, at, ended_at, first_token_ms, user_id as "user", email, key_id as key,'
    " l.plan, door, address, assistant, variant, provider, model, kind, counted, prompt_tokens, completion_tokens,"
    " estimated,"
    " cost, currency, price_version, status"
)

_ROWS = f"""
select {COLUMNS} from ledger l left join accounts a using (user_id)
where ($1::text is null or l.user_id = $1) and ($2::timestamptz is null or at >= $2)
  and ($3::text is null or key_id = $3) and ($4::bigint is null or id < $4)
  and ($5::text is null or turn_id = $5 or request_id = $5)
order by id desc limit $6
"""
_WITHDRAW = "delete from ledger where request_id = $1 and status in ('open', 'lost')"


class PostgresLedger:
    """The Ledger of a house. After Postgres did not answer us, no row is given up as lost for `grace` seconds: its
    process may live, and could not say so either."""

    def __init__(self, database: Database, prices: PriceTable, *, grace: float = 0.0) -> None:
        self._database, self._grace = database, grace
        self._prices = prices
        self._openings = Batch[Opening, None](lambda openings: open_rows(database, openings))
        self._closings = Batch[Closing, bool](lambda closings: close_rows(database, closings))

    async def open(self, call: Call, relayed: int = 0) -> None:
        await self._openings.add((call, relayed))

    async def withdraw(self, request_id: str) -> bool:
        return await self._database.execute(_WITHDRAW, request_id) == 1

    async def find_open(self, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
        return await find_open(self._database, user_id, door, model, turn_id)

    async def settle(self, settlement: Settlement, words: Words | None) -> bool:
        return await self._closings.add((settlement, words))

    async def beat(self, relayed: Mapping[str, int | None], expires_at: datetime) -> None:
        await beat_rows(self._database, relayed, expires_at)

    async def totals(self, subject: Subject, now: datetime, when: Periods, *, ever: bool = True) -> Totals:
        if self._database.answers_for >= self._grace:
            await close_late(self._database, self._prices, now, subject)
        elif await any_late(self._database, now, subject):
            raise StoreDown("Postgres has just come back, and whose calls still live is not known yet.")
        return await totals_of(self._database, subject, now, when, ever)

    async def sweep(self, now: datetime) -> int:
        if self._database.answers_for < self._grace:
            return 0
        return await close_late(self._database, self._prices, now)

    async def forget(self, now: datetime, retention: timedelta) -> int:
        """Delete the request log's entries that are past their retention, and addresses older than that; how many."""
        words = await self._database.execute("delete from request_log where delete_at < $1", now)
        forget = "update ledger set address = '' where address <> '' and at < $1"
        return words + await self._database.execute(forget, now - retention)

    async def rows(
        self,
        user_id: str | None,
        since: datetime | None,
        limit: int,
        *,
        key: str | None = None,
        before: int | None = None,
        turn: str | None = None,
    ) -> list[dict[str, Any]]:
        """The newest rows first, with their public names. `before` is a row's id; `turn` a turn's or a request's."""
        return [dict(row) for row in await self._database.fetch(_ROWS, user_id, since, key, before, turn, limit)]
