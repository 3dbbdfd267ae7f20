"""The fourth step of a turn: every window at once, all or nothing; a place in the provider's line; then the hold in
the ledger, durably.

The live windows decide fast, and the row makes it last. Between the two a store may have lost the hold and have been
loaded without it, so it is confirmed once the row is there: whoever does not fit any more is refused, and no window
is ever granted twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.price import PriceTable
from maitre.billing.row import Call
from maitre.chat.prepared import Prepared
from maitre.chat.pulse import LEASE, Pulse
from maitre.chat.settlements import Settlements
from maitre.chat.terms import Terms
from maitre.errors import StoreDown
from maitre.providers.length import Lengths
from maitre.queue.line import Capacity, Ticket, Waiting
from maitre.queue.room import Seat, WaitingRoom
from maitre.quota.admission import Admission
from maitre.quota.asking import Size, ask
from maitre.quota.plan import Plan
from maitre.quota.reservation import BACKGROUND, Ask, Granted, refusal
from maitre.quota.subject import Subject

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Hears how a call's wait goes on.
Told = Callable[[Waiting], Awaitable[None]]

#: How often a call is asked anew that is refused only because others run, and the seconds between.
SETTLING, MOMENT = 5, 0.1

#: Scopes whose limits are the operator's own budgets: the log warns when four fifths are used.
BUDGETS = ("house", "provider")


@dataclass(frozen=True, slots=True)
class Place:
    """What a call has taken: its row, the body to send, and its seat in the provider's line if there is one."""

    call: Call
    body: Mapping[str, Any]
    seat: Seat | None


class Holds:
    """Takes a place for a call, and gives it back when the call is never made."""

    def __init__(
        self,
        terms: Terms,
        admission: Admission,
        room: WaitingRoom,
        ledger: JournaledLedger,
        prices: PriceTable,
        lengths: Lengths,
        budgets: Mapping[Subject, Mapping[str, int]],
        queues: Mapping[str, Capacity],
        settlements: Settlements,
        pulse: Pulse,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._terms, self._admission, self._room, self.ledger = terms, admission, room, ledger
        self._prices, self._lengths, self._budgets, self._queues = prices, lengths, budgets, queues
        self._settlements, self._pulse, self._clock, self._new_id = settlements, pulse, clock, new_id
        self._warned: set[tuple[Subject, str]] = set()

    async def take(self, prepared: Prepared, told: Told, seated: Callable[[], Awaitable[None]]) -> Place:
        """Hold the call's tokens, wait for its turn, write its row. Raises Refusal or StoreDown; then nothing stays
        held. `told` hears of a wait, `seated` of its end: between the row and the call nobody is waited for."""
        call = self._call(prepared)
        asked = self.asked(prepared.plan, prepared.account.credit, call, prepared.turn_id, self._limits(prepared))
        if prepared.repeated:
            asked = replace(asked, stands=(False, False))
        giving = _Giving()
        try:
            if call.provider not in self._queues:
                await seated()  # what was told before, of a tool, is over
                call = await giving.unbroken(self._at_once(prepared.plan, call, asked, giving))
                self._pulse.hold(call.request_id)
                return Place(call, {**prepared.body, "max_tokens": call.held_completion}, None)
            verdict = await giving.unbroken(self.reserve(prepared.plan, asked))
            giving.held = True
            call = _granted(call, asked, verdict)
            giving.seat = await self._seat(prepared, call, told)
            await seated()
            giving.opened = True
            lease = self._clock() + LEASE  # it may have waited long
            call, asked = replace(call, expires_at=lease), replace(asked, expires_at=lease)
            await giving.unbroken(self._open(prepared.plan, call, asked, verdict))
        except BaseException as fault:
            self._undo(call, giving, fault, prepared.turn_id)
            raise
        return Place(call, {**prepared.body, "max_tokens": call.held_completion}, giving.seat)

    def asked(
        self,
        plan: Plan,
        credit: int,
        call: Call,
        turn_id: str,
        budgets: Mapping[Subject, Mapping[str, int]],
    ) -> Ask:
        """What a call asks the windows for."""
        prompt_price, completion_price = self._prices.ceilings(call.model)
        likely = self._lengths.likely(call.model)
        size = Size(
            call.held_prompt,
            call.held_completion,
            call.held_completion if likely is None else likely,
            prompt_price,
            completion_price,
        )
        return ask(
            plan,
            credit,
            budgets,
            call.subjects,
            size,
            hold_id=call.request_id,
            turn_id=turn_id,
            kind=call.kind,
            now=call.at,
            expires_at=call.expires_at,
            zone=self._terms.zone,
        )

    async def reserve(self, plan: Plan, asked: Ask, granted: Granted | None = None) -> Granted:
        """Check every window and take the hold, or, with what was `granted` before, confirm it. Raises QuotaExceeded,
        or StoreDown unless the plan is served unchecked then."""
        for attempt in range(1, SETTLING + 1):
            try:
                await self._settlements.resolve_doubts()
                if granted is None:
                    verdict = await self._admission.admit(asked)
                else:
                    verdict = await self._admission.confirm(asked, granted)
            except StoreDown:
                self._settlements.doubt(asked.subjects)
                if plan.fail == "open":
                    counted = asked.kind in ("turn", "embedding") and asked.stands is None
                    return granted or Granted(counted, False, asked.completion_tokens)
                raise
            if isinstance(verdict, Granted):
                self._warn(asked, verdict)
                return verdict
            told = asked if granted is None else asked.again(granted)
            refused = refusal(plan.name, replace(told, now=self._clock()), verdict)  # it may have waited since
            mine = refused.values["resource"] == "calls" and refused.key in ("calls_now", "busy_key")
            if not mine or attempt == SETTLING:
                raise refused
            # A tool loop asks again as soon as it has read the answer, which may still be being settled.
            await asyncio.sleep(MOMENT)
        raise AssertionError("unreachable")

    async def enter(self, plan: Plan, credit: int, call: Call, turn_id: str) -> Call:
        """Hold the tokens of a call that somebody else makes, and write its row; the row as it was written. There is
        no line in front of such a call. Raises Refusal or StoreDown; then nothing stays held."""
        asked = self.asked(plan, credit, call, turn_id, self._budgets)
        giving = _Giving()
        try:
            return await giving.unbroken(self._at_once(plan, call, asked, giving))
        except BaseException as fault:
            self._undo(call, giving, fault, turn_id)
            raise

    async def _at_once(self, plan: Plan, call: Call, asked: Ask, giving: _Giving) -> Call:
        """The hold and its row, where nobody waits in between."""
        verdict = await self.reserve(plan, asked)
        giving.held = giving.opened = True
        call = _granted(call, asked, verdict)
        await self._open(plan, call, asked, verdict)
        return call

    def _undo(self, call: Call, giving: _Giving, fault: BaseException, turn_id: str) -> None:
        # A hold or a row may be there all the same, if only the store's answer was lost.
        if giving.held or not isinstance(fault, Exception) or isinstance(fault, StoreDown):
            self._settlements.later(self._give_back(call, giving), turn_id)

    def _limits(self, prepared: Prepared) -> Mapping[Subject, Mapping[str, int]]:
        narrower = {}
        if prepared.assistant is not None and prepared.assistant.limits:
            narrower[Subject("assistant", prepared.assistant.slug)] = prepared.assistant.limits
        if (key := prepared.request.key) is not None and key.limits:
            narrower[Subject("key", key.id)] = key.limits
        return {**self._budgets, **narrower} if narrower else self._budgets

    def _call(self, prepared: Prepared) -> Call:
        now, stamp = self._clock(), prepared.request.stamp
        return Call(
            request_id=prepared.request_id or self._new_id(),
            turn_id=prepared.turn_id,
            chat_id=stamp.chat_id if stamp else prepared.request.chat_id,
            trace_id=prepared.turn_id,
            at=now,
            user_id=prepared.account.user_id,
            plan=prepared.plan.slug,
            door=prepared.request.door,
            assistant=prepared.assistant.slug if prepared.assistant else "",
            provider=prepared.model.provider,
            model=prepared.model.id,
            kind=prepared.kind,
            counted=True,
            held_prompt=prepared.prompt_tokens,
            held_completion=prepared.max_tokens,
            expires_at=now + LEASE,
            currency=self._terms.currency,
            streamed=prepared.streamed,
            key=prepared.request.key.id if prepared.request.key else "",
            address=prepared.request.address,
            variant=prepared.variant,
        )

    async def _seat(self, prepared: Prepared, call: Call, told: Told) -> Seat | None:
        self._pulse.hold(call.request_id)
        capacity = self._queues.get(call.provider)
        if capacity is None:
            return None
        weight = prepared.plan.weight * self._terms.role_weights.get(prepared.account.role, 1)
        tokens = call.held_prompt + call.held_completion
        ticket = Ticket(
            call.request_id,
            call.user_id,
            weight,
            call.model,
            tokens,
            call.held_prompt,
            call.held_completion,
            background=call.kind in BACKGROUND,
        )
        try:
            return await self._room.seat(capacity, ticket, told)
        except StoreDown:
            if prepared.plan.fail == "open":
                return None
            raise

    async def _open(self, plan: Plan, call: Call, asked: Ask, granted: Granted) -> None:
        """Write the row, then confirm the hold."""
        await self.ledger.open(call, fail_open=plan.fail == "open")
        await self.reserve(plan, asked, granted)

    def _warn(self, asked: Ask, verdict: Granted) -> None:
        for index in verdict.near:
            limit = asked.limits[index]
            key = (limit.subject, limit.field)
            if limit.subject.scope in BUDGETS and limit.window.resource != "calls" and key not in self._warned:
                self._warned.add(key)
                log.warning(
                    "Four fifths of the %s's %s are used: %s (limit: %s).",
                    str(limit.subject).rstrip(":"), limit.window.resource, limit.field, limit.limit,
                )  # fmt: skip

    async def _give_back(self, call: Call, giving: _Giving) -> None:
        """Undo what was taken for a call that was never made."""
        try:
            await giving.finished()
            if giving.seat is not None:
                await self._room.leave(giving.seat, None)
            if giving.opened:
                await self._settlements.until_done(call, lambda: self.ledger.withdraw(call.request_id))
            await self._settlements.release(call)
        finally:
            # What could not be undone must not be kept alive: it ends with its lease.
            self._pulse.end(call.request_id)


class _Giving:
    """What a call has taken so far, to be given back if it is never made."""

    def __init__(self) -> None:
        self.held = self.opened = False
        self.seat: Seat | None = None
        self._steps: list[asyncio.Task[Any]] = []

    async def unbroken(self, step: Coroutine[Any, Any, T]) -> T:
        """Wait for a step that goes on to its end even when the guest leaves."""
        task = asyncio.create_task(step)
        self._steps.append(task)
        return await asyncio.shield(task)

    async def finished(self) -> None:
        """Wait until no step runs any more."""
        if self._steps:
            await asyncio.wait(self._steps)
            for step in self._steps:
                if not step.cancelled():
                    step.exception()  # it was raised to the guest, or the guest had left


def _granted(call: Call, asked: Ask, verdict: Granted) -> Call:
    return replace(
        call,
        kind="tool" if verdict.later else call.kind,
        counted=verdict.counted,
        held_completion=verdict.completion_tokens,
        held_cost=asked.money(verdict.completion_tokens),
    )
