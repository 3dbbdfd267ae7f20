"""The live windows in memory: the twin of the Valkey store, for tests and for one process without Valkey."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from maitre.billing.row import Totals
from maitre.quota.reservation import TASKS_PER_REQUEST, TOOL_CALLS_PER_TURN, Answer, Ask, Denied, Granted, Unloaded
from maitre.quota.store import Live
from maitre.quota.window import MINUTE


@dataclass(slots=True)
class _Account:
    day: str
    fields: Counter[str]
    minute: list[tuple[datetime, str]]  # sorted by time
    turns: Counter[str]
    holds: dict[str, tuple[int, datetime, bool]]
    later: dict[str, bool] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


class MemoryQuotaStore:
    """A QuotaStore in a dictionary."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._generations: Counter[str] = Counter()

    async def reserve(self, ask: Ask) -> Answer:
        account = self._accounts.get(ask.user_id)
        if account is None:
            return Unloaded()
        if ask.hold_id in account.holds:
            return Granted(account.holds[ask.hold_id][2], account.later.get(ask.hold_id, False))
        if account.day != ask.periods.day or any(expiry < ask.now for _, expiry, _ in account.holds.values()):
            self.forget(ask.user_id)
            return Unloaded()

        requests, tasks = ask.periods.fields("requests"), ask.periods.fields("tasks")[0]
        counted, later = True, False
        if ask.kind == "repair":
            counted = False
        elif ask.kind == "task":
            counted = account.fields[tasks] >= TASKS_PER_REQUEST * max(1, account.fields[requests[0]])
        elif 0 < account.turns[ask.turn_id] < TOOL_CALLS_PER_TURN:
            counted, later = False, True

        held = sum(tokens for tokens, _, _ in account.holds.values())
        while account.minute and account.minute[0][0] < ask.now - 2 * MINUTE:
            account.minute.pop(0)
        recent = [at for at, _ in account.minute if at >= ask.now - MINUTE]
        frees_at = None
        if counted and ask.per_minute is not None and len(recent) >= ask.per_minute:
            over = len(recent) - ask.per_minute
            frees_at = (recent[over] if over < len(recent) else ask.now) + MINUTE
        used = tuple(account.fields[limit.field] for limit in ask.limits)
        full = frees_at is not None
        for limit, amount in zip(ask.limits, used, strict=True):
            asked = (1 if counted else 0) if limit.resource == "requests" else held + ask.tokens
            full = full or (limit.limit is not None and asked > 0 and amount + asked > limit.limit)
        if full:
            return Denied(counted, used, held, frees_at)

        account.holds[ask.hold_id] = (ask.tokens, ask.expires_at, counted)
        account.later[ask.hold_id], account.kinds[ask.hold_id] = later, ask.kind
        if counted:
            account.fields.update(requests)
            insort(account.minute, (ask.now, ask.hold_id))
        if ask.kind == "task":
            # A task that counts as a request uses up the tasks which that request would bring along.
            account.fields[tasks] += TASKS_PER_REQUEST if counted else 1
        if ask.kind == "turn":
            account.turns[ask.turn_id] += 1
        return Granted(counted, later)

    async def settle(self, user_id: str, hold_id: str, tokens: Mapping[str, int]) -> bool:
        account = self._accounts.get(user_id)
        if account is None:
            self._generations[user_id] += 1
            return False
        if account.holds.pop(hold_id, None) is None:
            self.forget(user_id)
            return False
        account.fields.update(tokens)
        return True

    async def release(self, user_id: str, hold_id: str, turn_id: str, requests: tuple[str, ...]) -> bool:
        account = self._accounts.get(user_id)
        if account is None:
            self._generations[user_id] += 1
            return False
        hold = account.holds.pop(hold_id, None)
        if hold is None:
            return False
        kind = account.kinds.get(hold_id)
        if hold[2]:
            account.fields.subtract(requests)
            account.minute = [entry for entry in account.minute if entry[1] != hold_id]
        if kind == "task":
            account.fields[requests[0].replace("requests", "tasks", 1)] -= TASKS_PER_REQUEST if hold[2] else 1
        if kind == "turn" and account.turns[turn_id] > 0:
            account.turns[turn_id] -= 1
        return True

    async def generation(self, user_id: str) -> int:
        return self._generations[user_id]

    async def load(self, user_id: str, day: str, totals: Totals, generation: int) -> bool:
        if user_id in self._accounts or self._generations[user_id] != generation:
            return False
        self._accounts[user_id] = _Account(
            day=day,
            fields=Counter(totals.fields),
            minute=sorted((at, hold_id) for hold_id, at in totals.recent.items()),
            turns=Counter(totals.turns),
            holds=dict(totals.holds),
        )
        return True

    async def live(self, user_id: str, now: datetime) -> Live | None:
        account = self._accounts.get(user_id)
        if account is None:
            return None
        minute = [at for at, _ in account.minute if at >= now - MINUTE]
        return Live(
            fields=dict(account.fields),
            minute=len(minute),
            minute_frees_at=minute[0] + MINUTE if minute else None,
            held_tokens=sum(tokens for tokens, expiry, _ in account.holds.values() if expiry >= now),
        )

    def forget(self, user_id: str) -> None:
        """Lose an account, as a Valkey that came back empty does."""
        self._accounts.pop(user_id, None)
        self._generations[user_id] += 1
