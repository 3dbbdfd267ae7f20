"""The ledger in memory: the twin of the Postgres one, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from maitre.billing.price import PriceTable
from maitre.billing.row import KINDS, MOST_TOKENS, STATUSES, Call, Hold, Settlement, Totals, Words, lost
from maitre.quota.reservation import TASKS_PER_REQUEST, TURN_TTL
from maitre.quota.subject import HOUSE, Subject
from maitre.quota.window import MINUTE, Periods, second_field

NO_PRICES = PriceTable("", "", {})


class MemoryLedger:
    """A Ledger in a dictionary. `calls`, `relayed` and `settled` are by request id."""

    def __init__(self, prices: PriceTable = NO_PRICES) -> None:
        self.prices = prices
        self.calls: dict[str, Call] = {}
        self.relayed: dict[str, int | None] = {}
        self.settled: dict[str, Settlement] = {}
        self.words: dict[str, Words] = {}

    async def open(self, call: Call, relayed: int = 0) -> None:
        if call.kind not in KINDS or min(call.held_prompt, call.held_completion, call.held_cost) < 0:
            raise ValueError("The ledger cannot hold this call.")
        if call.request_id not in self.calls:
            self.calls[call.request_id] = call
            self.relayed[call.request_id] = relayed if call.streamed else None

    async def withdraw(self, request_id: str) -> bool:
        settled = self.settled.get(request_id)
        if settled is not None and settled.status != "lost":
            return False
        self.settled.pop(request_id, None)
        self.relayed.pop(request_id, None)
        return self.calls.pop(request_id, None) is not None

    async def find_open(self, user_id: str, door: str, model: str, turn_id: str | None) -> Call | None:
        for call in self._open():
            if (call.user_id, call.door, call.model) == (user_id, door, model) and turn_id in (None, call.turn_id):
                return replace(call, streamed=self.relayed[call.request_id] is not None)
        return None

    async def settle(self, settlement: Settlement, words: Words | None) -> bool:
        tokens = (settlement.prompt_tokens, settlement.completion_tokens)
        if min(*tokens, settlement.cost) < 0 or max(tokens) >= MOST_TOKENS or settlement.status not in STATUSES:
            raise ValueError("The ledger cannot hold this settlement.")
        before = self.settled.get(settlement.request_id)
        if settlement.request_id not in self.calls or (before is not None and before.status != "lost"):
            return False
        self.settled[settlement.request_id] = settlement
        if words is not None:
            self.words.setdefault(settlement.request_id, words)
        return True

    async def beat(self, relayed: Mapping[str, int | None], expires_at: datetime) -> None:
        for call in self._open():
            id = call.request_id
            if id in relayed:
                self.relayed[id] = max((n for n in (self.relayed[id], relayed[id]) if n is not None), default=None)
                self.calls[id] = replace(call, expires_at=max(call.expires_at, expires_at))

    async def totals(self, subject: Subject, now: datetime, when: Periods, *, ever: bool = True) -> Totals:
        self._close_late(now, subject)
        mine = [call for call in self.calls.values() if subject in call.subjects]

        def used(resource: str, since: datetime, until: datetime) -> int:
            calls = [call for call in mine if since <= call.at < until]
            ends = [self.settled[call.request_id] for call in calls if call.request_id in self.settled]
            match resource:
                case "requests":
                    return sum(call.counted for call in calls)
                case "tokens":
                    return sum(end.prompt_tokens + end.completion_tokens for end in ends)
                case _:
                    return sum(end.cost for end in ends)

        always = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        spans = [(when.day_starts, when.day_resets), (when.month_starts, when.month_resets), always]
        fields = {
            field: used(resource, *span)
            for resource in ("requests", "tokens", "money")
            for field, span in zip(when.fields(resource), spans, strict=True)
            if ever or span is not always
        }
        for call in mine:
            if call.request_id in self.settled and call.at >= (now - MINUTE).replace(microsecond=0):
                end, second = self.settled[call.request_id], second_field(call.at)
                fields[second] = fields.get(second, 0) + end.prompt_tokens + end.completion_tokens
        turns: dict[str, int] = {}
        if subject.scope == "account":
            fields[when.fields("tasks")[0]] = sum(
                TASKS_PER_REQUEST if call.counted else 1
                for call in mine
                if call.kind == "task" and when.day_starts <= call.at < when.day_resets
            )
            for call in mine:
                if call.kind in ("turn", "tool") and call.at >= now - timedelta(seconds=TURN_TTL):
                    turns[call.turn_id] = turns.get(call.turn_id, 0) + 1
        return Totals(
            fields=fields,
            recent={
                call.request_id: call.at for call in mine if call.counted and now - MINUTE <= call.at <= now + MINUTE
            },
            turns=turns,
            holds={call.request_id: _hold(call) for call in self._open() if subject in call.subjects},
            ever=ever,
        )

    async def sweep(self, now: datetime) -> int:
        return self._close_late(now, HOUSE)

    def _open(self) -> list[Call]:
        return [call for id, call in self.calls.items() if id not in self.settled]

    def _close_late(self, now: datetime, subject: Subject) -> int:
        late = [call for call in self._open() if call.expires_at < now and subject in call.subjects]
        for call in late:
            self.settled[call.request_id] = lost(
                self.prices,
                now,
                request_id=call.request_id,
                model=call.model,
                held_prompt=call.held_prompt,
                held_completion=call.held_completion,
                relayed=self.relayed[call.request_id],
            )
        return len(late)


def _hold(call: Call) -> Hold:
    return Hold(
        prompt_tokens=call.held_prompt,
        completion_tokens=call.held_completion,
        money=call.held_cost,
        expires_at=call.expires_at,
        counted=call.counted,
        kind=call.kind,
        turn_id=call.turn_id,
        subjects=call.subjects,
    )
