"""The fourth step of a turn: every window at once, all or nothing, then the hold in the ledger, durably."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from maitre.billing.ledger import Ledger
from maitre.billing.row import Call
from maitre.chat.prepared import Prepared
from maitre.chat.settlements import Settlements
from maitre.chat.terms import Terms
from maitre.errors import Refusal, StoreDown
from maitre.quota.admission import admit
from maitre.quota.plan import Plan
from maitre.quota.reservation import Ask, Denied, Granted, ask, refusal
from maitre.quota.store import QuotaStore
from maitre.quota.window import periods


class Holds:
    """Takes a place for a call, and gives it back when the call is never made."""

    def __init__(
        self,
        terms: Terms,
        store: QuotaStore,
        ledger: Ledger,
        settlements: Settlements,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._terms, self._store, self._ledger = terms, store, ledger
        self._settlements, self._clock, self._new_id = settlements, clock, new_id

    async def take(self, prepared: Prepared) -> tuple[Call, dict[str, Any]]:
        """Hold the call's tokens and write its row; the call, and the body to send. Raises QuotaExceeded or
        StoreDown; then nothing is held."""
        taking = asyncio.create_task(self._hold(prepared))
        try:
            call = await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The guest left while the hold was being taken: it is given back as soon as it is there.
            self._settlements.later(self._give_back_when_taken(taking))
            raise
        return call, {**prepared.body, "max_tokens": prepared.max_tokens}

    async def _hold(self, prepared: Prepared) -> Call:
        now = self._clock()
        asked = ask(
            prepared.plan,
            user_id=prepared.account.user_id,
            hold_id=self._new_id(),
            turn_id=prepared.turn_id,
            kind=prepared.kind,
            tokens=prepared.prompt_tokens + prepared.max_tokens,
            now=now,
            ttl=self._terms.hold_ttl,
            zone=self._terms.zone,
        )
        verdict = await self.reserve(prepared.plan, asked)
        stamp = prepared.request.stamp
        call = Call(
            request_id=asked.hold_id,
            turn_id=prepared.turn_id,
            chat_id=stamp.chat_id if stamp else "",
            trace_id=prepared.turn_id,
            at=now,
            user_id=prepared.account.user_id,
            plan=prepared.plan.slug,
            door=prepared.request.door,
            assistant=prepared.assistant.slug if prepared.assistant else "",
            provider=prepared.model.provider,
            model=prepared.model.id,
            kind="tool" if verdict.later else prepared.kind,
            counted=verdict.counted,
            held_prompt=prepared.prompt_tokens,
            held_completion=prepared.max_tokens,
            expires_at=asked.expires_at,
            currency=self._terms.currency,
        )
        await self.open(call)
        return call

    async def reserve(self, plan: Plan, asked: Ask) -> Granted:
        """Check every window and take the hold. Raises QuotaExceeded or StoreDown; then nothing stays held."""
        try:
            verdict = await admit(self._store, self._ledger, asked)
        except StoreDown:
            # The hold may be there all the same, if only the answer was lost.
            self._settlements.later(
                self._release(asked.user_id, asked.hold_id, asked.turn_id, asked.now, asked.expires_at)
            )
            raise
        if isinstance(verdict, Denied):
            raise refusal(plan, asked, verdict)
        return verdict

    async def open(self, call: Call, turn_id: str | None = None) -> None:
        """Write the call's row. `turn_id` is what the hold was taken under, if not the row's. Raises StoreDown;
        then the hold is given back."""
        try:
            await self._ledger.open(call)
        except Exception:
            # The row may be there all the same, if only the confirmation was lost.
            self._settlements.later(self._give_back(call, turn_id))
            raise

    async def _give_back_when_taken(self, taking: asyncio.Task[Call]) -> None:
        try:
            call = await taking
        except (Refusal, StoreDown):
            return
        await self._give_back(call)

    async def _give_back(self, call: Call, turn_id: str | None = None) -> None:
        """Undo a hold whose upstream call was never made."""
        await self._settlements.until_done(call.expires_at, lambda: self._ledger.withdraw(call.request_id))
        await self._release(call.user_id, call.request_id, turn_id or call.turn_id, call.at, call.expires_at)

    async def _release(self, user_id: str, hold_id: str, turn_id: str, at: datetime, expires_at: datetime) -> None:
        requests = periods(at, self._terms.zone).fields("requests")
        await self._settlements.until_done(expires_at, lambda: self._store.release(user_id, hold_id, turn_id, requests))
