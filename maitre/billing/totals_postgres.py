"""What a subject has used, summed from the rows of one moment."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from maitre.billing.closings_postgres import WHOSE
from maitre.billing.row import Hold, Totals
from maitre.quota.reservation import TASKS_PER_REQUEST, TURN_TTL
from maitre.quota.subject import Subject, subjects
from maitre.quota.window import MINUTE, SPANS, Periods, second_field
from maitre.sql.postgres import Database

_USED = {
    "requests": "counted",
    "tokens": "prompt_tokens + completion_tokens",
    "money": "cost",
}
_DURING = {
    "day": "filter (where at >= $2 and at < $3)",
    "month": "filter (where at >= $4 and at < $5)",
    "total": "",
}
_TASKS = """coalesce(sum(case when counted = 1 then $6::int else 1 end)
    filter (where at >= $2 and at < $3 and kind = 'task'), 0)::bigint as tasks_day"""


def _sums(spans: tuple[str, ...], rows: str) -> str:
    columns = [
        f"coalesce(sum({used}) {_DURING[span]}, 0)::bigint as {resource}_{span}"
        for resource, used in _USED.items()
        for span in spans
    ]
    return f"select {', '.join(columns)}, {_TASKS} from ledger where {rows}"


_EVER = _sums(SPANS, "{whose}")
_MONTH = _sums(tuple(span for span in SPANS if span != "total"), "{whose} and at >= $4 and at < $5")
_COLUMNS = """
select request_id, turn_id, at, user_id, key_id, assistant, model, provider, kind, counted, status,
       held_prompt, held_completion, held_cost, expires_at, prompt_tokens + completion_tokens as tokens
from ledger where {whose} and """
_RECENT = f"{_COLUMNS} status = 'open' union all {_COLUMNS} status <> 'open' and at >= $2"


async def totals_of(database: Database, subject: Subject, now: datetime, when: Periods, ever: bool) -> Totals:
    """The subject's totals; without `ever` none but the month's rows are read."""
    whose, account = WHOSE[subject.scope], subject.scope == "account"
    minute = (now - MINUTE).replace(microsecond=0)
    since = now - timedelta(seconds=TURN_TTL) if account else minute

    async def work(connection: asyncpg.Connection) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
        bounds = (when.day_starts, when.day_resets, when.month_starts, when.month_resets)
        sums = await connection.fetchrow(
            (_EVER if ever else _MONTH).format(whose=whose), subject.id, *bounds, TASKS_PER_REQUEST
        )
        assert sums is not None, "sums are always one row"
        return sums, await connection.fetch(_RECENT.format(whose=whose), subject.id, since)

    # Both reads see one moment: a call that is settled between them would be in neither.
    sums, recent = await database.transaction(work, isolation="repeatable_read")
    fields = {
        field: sums[f"{resource}_{span}"]
        for resource in _USED
        for span, field in zip(SPANS, when.fields(resource), strict=True)
        if ever or span != "total"
    }
    turns: dict[str, int] = {}
    if account:
        fields[when.fields("tasks")[0]] = sums["tasks_day"]
        for row in recent:
            if row["kind"] in ("turn", "tool") and row["at"] >= since:
                turns[row["turn_id"]] = turns.get(row["turn_id"], 0) + 1
    for row in recent:
        if row["status"] != "open" and row["at"] >= minute:
            second = second_field(row["at"])
            fields[second] = fields.get(second, 0) + row["tokens"]
    counted = [row for row in recent if row["counted"] and now - MINUTE <= row["at"] <= now + MINUTE]
    return Totals(
        fields=fields,
        recent={row["request_id"]: row["at"] for row in counted},
        turns=turns,
        holds={row["request_id"]: _hold(row) for row in recent if row["status"] == "open"},
        ever=ever,
    )


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(
        prompt_tokens=row["held_prompt"],
        completion_tokens=row["held_completion"],
        money=row["held_cost"],
        expires_at=row["expires_at"],
        counted=bool(row["counted"]),
        kind=row["kind"],
        turn_id=row["turn_id"],
        subjects=subjects(
            account=row["user_id"],
            key=row["key_id"],
            assistant=row["assistant"],
            model=row["model"],
            provider=row["provider"],
        ),
    )
