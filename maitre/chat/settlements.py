"""The last steps of a turn: what a call used, its row closed, its hold replaced, its report made.

Exactly once, always, off the guest's path: the upstream's usage, else ours and marked estimated. The ledger comes
first and is waited for as long as PATIENCE; a row that the sweep gave up as lost meanwhile is closed all the same. The
live windows follow: one that does not hear of a settlement is doubted, and loaded from the ledger again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from maitre.billing.ledger import Ledger
from maitre.billing.price import PriceTable
from maitre.billing.row import Call, Settlement, Words
from maitre.chat import openai_wire
from maitre.chat.message import Usage
from maitre.chat.prepared import Prepared
from maitre.chat.pulse import Pulse
from maitre.chat.reports import of_call
from maitre.chat.terms import Terms
from maitre.chat.text import clean
from maitre.errors import StoreDown
from maitre.faults import outline
from maitre.providers.length import Lengths
from maitre.providers.size import Ratios
from maitre.providers.upstream import Upstream
from maitre.quota.store import QuotaStore
from maitre.quota.subject import Subject
from maitre.quota.window import periods, second_field
from maitre.tracing.trace import Report, Tracer

log = logging.getLogger(__name__)

#: How long a settlement waits for a Postgres that is down. Seconds.
PATIENCE = 3600.0

#: How many calls may wait for it, and how much of what was said in them. What is more than the first is left to the
#: sweep; of words that are more than the second, only the numbers are kept. Characters.
MOST_WAITING = 10_000
MOST_WORDS = 32 * 1024 * 1024

#: A row holds no longer time than this. Milliseconds.
LONGEST = 2**31 - 1


class Settlements:
    """Settles calls in the background."""

    def __init__(
        self,
        terms: Terms,
        store: QuotaStore,
        ledger: Ledger,
        upstreams: Mapping[str, Upstream],
        prices: PriceTable,
        ratios: Ratios,
        lengths: Lengths,
        pulse: Pulse,
        tracer: Tracer,
        clock: Callable[[], datetime],
    ) -> None:
        self._terms, self._store, self._ledger = terms, store, ledger
        self._upstreams, self._prices, self._ratios, self._lengths = upstreams, prices, ratios, lengths
        self._pulse, self._tracer, self._clock = pulse, tracer, clock
        self._background: set[asyncio.Task[None]] = set()
        self._waiting = 0  # calls that a Postgres which is down keeps waiting
        self._words: dict[str, int] = {}  # characters of their words, by request id
        self._doubted: set[Subject] = set()

    async def count(self, prepared: Prepared, call: Call, answer: openai_wire.Answer) -> Usage:
        """The upstream's usage where it can be that of the whole call, else ours: the prompt as it was held, the answer
        counted."""
        if answer.usage is not None and answer.usage_is_whole:
            return answer.usage
        if answer.counted is None:
            counted = await self._count(prepared, call, answer)
            answer.counted = answer.counted or counted  # the guest and the ledger get the same numbers
        return answer.counted

    async def _count(self, prepared: Prepared, call: Call, answer: openai_wire.Answer) -> Usage:
        told = answer.usage or Usage(0, 0)  # an upstream may tell its usage as it goes
        told = replace(told, prompt_tokens=told.prompt_tokens or call.held_prompt)
        if answer.size == 0:
            return replace(told, estimated=True)
        upstream = self._upstreams[call.provider]
        tokens = await upstream.count_text(prepared.model.upstream, answer.written)
        if tokens is None or answer.size > openai_wire.KEPT:
            tokens = max(answer.fewest_tokens, self._ratios.tokens(call.model, answer.size))
        # The clamp sent upstream bounds what the model wrote.
        written = min(max(tokens, told.completion_tokens), call.held_completion)
        return Usage(told.prompt_tokens, written, estimated=True)

    async def settle(self, prepared: Prepared, call: Call, answer: openai_wire.Answer, status: str) -> None:
        """Close the call's row and its hold, once each, however long the stores are down; then report it."""
        try:
            settlement = await self._end(prepared, call, answer, status)
            words, report = self._tell(prepared, call, answer, settlement)
            # The call may have to wait long for Postgres, but not with the guest's whole conversation.
            answer.forget_text()
            del prepared, answer
            if await self._close(call, settlement, words) and report is not None:
                self._tracer.report(report)
        finally:
            # Whatever happened, the row must not be kept alive any longer: what is not settled the sweep charges.
            self._pulse.end(call.request_id)

    async def _end(self, prepared: Prepared, call: Call, answer: openai_wire.Answer, status: str) -> Settlement:
        ended = self._clock()
        if status == "error" and not answer.began and answer.usage is None:
            usage = Usage(0, 0)  # refused by the upstream's status, or never reached it: nothing was generated
        elif status == "stopped" and not call.streamed and not answer.size and answer.usage is None:
            # Whoever hangs up on a whole answer leaves nothing to count, and the upstream may have written all of it.
            likely = self._lengths.likely(call.model) or call.held_completion
            usage = Usage(call.held_prompt, min(likely, call.held_completion), estimated=True)
        else:
            usage = await self.count(prepared, call, answer)
        if not usage.estimated:
            self._learn(prepared, call, usage, answer)
        first = answer.first_token_at
        waited = None if first is None else int((first - call.at).total_seconds() * 1000)
        return Settlement(
            request_id=call.request_id,
            ended_at=ended,
            first_token_ms=None if waited is None else min(max(0, waited), LONGEST),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            estimated=usage.estimated,
            cost=self._prices.cost(call.model, usage.prompt_tokens, usage.completion_tokens),
            price_version=self._prices.version,
            status=status,
        )

    def _tell(
        self, prepared: Prepared, call: Call, answer: openai_wire.Answer, settlement: Settlement
    ) -> tuple[Words | None, Report | None]:
        """What is kept of the call's words, and what is reported."""
        if prepared.record == "none":
            return None, None
        spoken = json.dumps(prepared.body["messages"], ensure_ascii=False)
        words = None
        if prepared.record == "full":
            delete_at = settlement.ended_at + timedelta(days=self._terms.retention_days)
            # Postgres text holds no NUL and no lone surrogate, and a model may write both.
            words = Words(clean(spoken[: openai_wire.KEPT]), clean(answer.written), delete_at)
        return words, of_call(prepared, call, settlement, answer, spoken)

    async def _close(self, call: Call, settlement: Settlement, words: Words | None) -> bool:
        """Close the row, then the hold in the live windows; whether the row could be closed."""
        closed = False

        async def close() -> None:
            nonlocal closed, words
            try:
                closed = await self._ledger.settle(settlement, words) or closed
            except StoreDown:
                words = self._bounded(call, words)
                raise

        try:
            if not await self.until_done(call, close):
                return False  # the sweep charges the row, and the live windows learn of it from the ledger
        finally:
            self._words.pop(call.request_id, None)
        await self.settle_windows(call, settlement)
        if not closed:
            # A try of ours was carried out though its answer was lost, or somebody settled before us: the ledger
            # decides what the windows say.
            self.doubt(call.subjects)
        return True

    def _bounded(self, call: Call, words: Words | None) -> Words | None:
        """The words of a call that has to wait, as long as all that wait have not too many."""
        if words is None or call.request_id in self._words:
            return words
        size = len(words.input) + len(words.output)
        if sum(self._words.values()) + size > MOST_WORDS:
            log.warning("What was said in the call %s is not kept: too much waits for Postgres.", call.request_id)
            return None
        self._words[call.request_id] = size
        return words

    async def settle_windows(self, call: Call, settlement: Settlement) -> None:
        """Replace the hold in the live windows by what was used, in the windows in which the call began."""
        when = periods(call.at, self._terms.zone)
        tokens = settlement.prompt_tokens + settlement.completion_tokens
        spent = dict.fromkeys(when.fields("tokens"), tokens) | dict.fromkeys(when.fields("money"), settlement.cost)
        spent[second_field(call.at)] = tokens
        try:
            await self._store.settle(call.request_id, call.subjects, spent)
        except StoreDown:
            self.doubt(call.subjects)

    async def release(self, call: Call) -> None:
        """Undo the hold of a call that was never made."""
        try:
            requests = periods(call.at, self._terms.zone).fields("requests")
            await self._store.release(call.request_id, call.subjects, requests)
        except StoreDown:
            self.doubt(call.subjects)

    def doubt(self, subjects: Iterable[Subject]) -> None:
        """The live windows of these subjects may be wrong: they are loaded again once their store answers."""
        self._doubted.update(subjects)

    async def resolve_doubts(self) -> None:
        """Unload what is doubted. Raises StoreDown; then it stays doubted."""
        if self._doubted:
            doubted = frozenset(self._doubted)
            await self._store.unload(doubted)
            self._doubted -= doubted

    async def until_done(self, call: Call, step: Callable[[], Awaitable[object]]) -> bool:
        """Repeat an idempotent step of the ledger while it is down, for PATIENCE; whether it was done."""
        time = asyncio.get_running_loop().time
        deadline = time() + PATIENCE
        pause = 0.1
        while True:
            try:
                await step()
                return True
            except StoreDown as down:
                if time() >= deadline or self._waiting >= MOST_WAITING:
                    log.error("The call %s could not be settled; the sweep will charge it: %s", call.request_id, down)
                    return False
            self._waiting += 1
            try:
                await asyncio.sleep(pause)
            finally:
                self._waiting -= 1
            pause = min(2.0, pause * 2)

    def _learn(self, prepared: Prepared, call: Call, usage: Usage, answer: openai_wire.Answer) -> None:
        if not openai_wire.images_in(prepared.body["messages"]):
            self._ratios.learn(call.model, prepared.weight, usage.prompt_tokens - prepared.extra)
        if answer.finish_reason == "stop":  # one that was cut does not tell how long it would have been
            self._lengths.learn(call.model, usage.completion_tokens)

    def later(self, work: Coroutine[Any, Any, None], turn_id: str | None = None) -> None:
        """Off the guest's path, and safe from the cancellation of the guest's own task."""
        task = asyncio.create_task(work, name=turn_id)
        self._background.add(task)
        task.add_done_callback(self._finished)

    async def ended(self, turn_id: str, seconds: float) -> None:
        """Wait, at most so long, until nothing of this turn is being settled or given back."""
        if mine := [task for task in self._background if task.get_name() == turn_id]:
            await asyncio.wait(mine, timeout=seconds)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("Settling a call failed: %s", outline(fault))

    async def drain(self, seconds: float) -> None:
        """Wait for what is being settled, so long; what is left the sweep will charge."""
        if self._background:
            await asyncio.wait(self._background, timeout=seconds)
