"""The ledger in memory: the twin of the Postgres one, for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from maitre.billing.row import Call, Settlement, Totals, Words
from maitre.quota.reservation import TASKS_PER_REQUEST, TURN_TTL
from maitre.quota.window import MINUTE, Periods


class MemoryLedger:
    """A Ledger in a dictionary. `calls` and `settled` are by request id."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.settled: dict[str, Settlement] = {}
        self.words: dict[str, Words] = {}

    async def open(self, call: Call) -> None:
        self.calls.setdefault(call.request_id, call)

    async def withdraw(self, request_id: str) -> bool:
        if request_id in self.settled:
            return False
        return self.calls.pop(request_id, None) is not None

    async def find_open(self, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
        for id, call in self.calls.items():
            ours = (call.user_id, call.door, call.model) == (user_id, door, model)
            if ours and id not in self.settled and turn_id in (None, call.turn_id):
                return call
        return None

    async def settle(self, settlement: Settlement, words: Words | None) -> bool:
        if settlement.request_id not in self.calls or settlement.request_id in self.settled:
            return False
        self.settled[settlement.request_id] = settlement
        if words is not None:
            self.words[settlement.request_id] = words
        return True

    async def totals(self, user_id: str, now: datetime, when: Periods) -> Totals:
        await self.sweep(now)
        mine = {id: call for id, call in self.calls.items() if call.user_id == user_id}

        def tokens(since: datetime | None) -> int:
            rows = (
                self.settled[id]
                for id, call in mine.items()
                if id in self.settled and (since is None or call.at >= since)
            )
            return sum(row.prompt_tokens + row.completion_tokens for row in rows)

        def requests(since: datetime | None) -> int:
            return sum(call.counted for call in mine.values() if since is None or call.at >= since)

        spans = (when.day_starts, when.month_starts, None)
        fields = dict(zip(when.fields("requests"), map(requests, spans), strict=True))
        fields |= dict(zip(when.fields("tokens"), map(tokens, spans), strict=True))
        fields[when.fields("tasks")[0]] = sum(
            TASKS_PER_REQUEST if call.counted else 1
            for call in mine.values()
            if call.kind == "task" and call.at >= when.day_starts
        )
        turns: dict[str, int] = {}
        for call in mine.values():
            if call.kind in ("turn", "tool") and call.at >= now - timedelta(seconds=TURN_TTL):
                turns[call.turn_id] = turns.get(call.turn_id, 0) + 1
        return Totals(
            fields=fields,
            recent={id: call.at for id, call in mine.items() if call.counted and call.at >= now - MINUTE},
            turns=turns,
            holds={
                id: (call.held_prompt + call.held_completion, call.expires_at, call.counted)
                for id, call in mine.items()
                if id not in self.settled
            },
        )

    async def sweep(self, now: datetime) -> int:
        late = [call for id, call in self.calls.items() if id not in self.settled and call.expires_at < now]
        for call in late:
            lost = Settlement(call.request_id, now, None, call.held_prompt, call.held_completion, True, 0, "", "lost")
            self.settled[call.request_id] = replace(lost)
        return len(late)
