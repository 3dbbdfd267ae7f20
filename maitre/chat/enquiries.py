"""What a caller may ask about themselves: their windows, their calls, and their place in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from maitre.chat.message import Guest
from maitre.chat.reception import Reception
from maitre.keys.key import Key
from maitre.providers.alias import Alias, asked_as
from maitre.queue.line import Line
from maitre.quota.admission import Admission
from maitre.quota.explain import explain
from maitre.quota.plan import Plan
from maitre.quota.subject import Subject
from maitre.quota.window import periods

#: What of a ledger row its guest may see. Who served it and what it is called there stays in the house.
SHOWN = (
    "id", "request_id", "turn_id", "at", "ended_at", "first_token_ms", "key", "door", "kind", "counted",
    "prompt_tokens", "completion_tokens", "estimated", "cost", "currency", "price_version", "status",
)  # fmt: skip


class Rows(Protocol):
    """The ledger's rows."""

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
        """The newest first. `before` is a row's id; `turn` a turn's or a request's."""


class Enquiries:
    """Answers questions of one account about itself. Every method raises Refusal and StoreDown."""

    def __init__(
        self,
        reception: Reception,
        admission: Admission,
        rows: Rows,
        line: Line,
        queues: Sequence[str],
        aliases: Mapping[str, Alias],
        clock: Callable[[], datetime],
        zone: ZoneInfo,
    ) -> None:
        self._reception, self._admission, self._rows = reception, admission, rows
        self._line, self._queues, self._aliases = line, queues, aliases
        self._clock, self._zone = clock, zone

    async def usage(self, guest: Guest, key: Key | None) -> dict[str, Any]:
        """Every window of the account, and of the key that asks: limit, used, held, left, reset."""
        account, plan = await self._reception.arrive(guest)
        now = self._clock()
        when = periods(now, self._zone)
        live = await self._admission.look(Subject("account", account.user_id), now, when)
        wider = []
        if key is not None and key.limits:
            mine = Subject("key", key.id)
            wider.append((mine, key.limits, await self._admission.look(mine, now, when)))
        return explain(account, plan, live, wider, when)

    async def history(
        self, guest: Guest, key: str | None, since: datetime | None, before: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """The account's newest calls, or those of one key, before a row."""
        account, plan = await self._reception.arrive(guest)
        rows = await self._rows.rows(account.user_id, since, limit, key=key, before=before)
        return [self._shown(row, plan) for row in rows]

    async def whereabouts(self, user_id: str, id: str) -> dict[str, Any] | None:
        """How a request stands: waiting in which place, running, or how it ended; None when it is not the account's, or
        waits for nothing yet."""
        for place in await self.waiting(user_id):
            if place["id"] == id:
                return place
        rows = await self._rows.rows(user_id, None, 1, turn=id)
        if not rows:
            return None
        state = "running" if rows[0]["status"] == "open" else rows[0]["status"]
        return {"id": id, "state": state, "position": 0, "eta": 0, "since": rows[0]["at"]}

    async def waiting(self, user_id: str) -> list[dict[str, Any]]:
        """The account's requests in all lines, those being served too, in the order in which they are. Times to wait
        are in seconds."""
        now, found = self._clock(), []
        for provider in self._queues:
            line = await self._line.snapshot(provider, now)
            found += [(0, seen, "running") for seen in line.seated if seen.ticket.user_id == user_id]
            places = enumerate(line.waiting, 1)
            found += [(place, seen, "waiting") for place, seen in places if seen.ticket.user_id == user_id]
        return [
            {
                "id": seen.ticket.id,
                "state": state,
                "position": place,
                "eta": 0 if state == "running" else None if seen.eta is None else round(seen.eta),
                "since": seen.since,
            }
            for place, seen, state in found
        ]

    def _shown(self, row: dict[str, Any], plan: Plan) -> dict[str, Any]:
        # An assistant's model is its own affair, and so is what stands behind an alias.
        model = row["assistant"] or asked_as(row["model"], plan.models, self._aliases)
        door = "assistants" if row["assistant"] else "models"
        return {"model": f"{door}.{model}", **{name: row[name] for name in SHOWN}}
