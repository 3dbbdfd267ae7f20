"""A turn, from a guest's message to a settled answer: the one story that every door tells.

    1 who       the account by its user id, its plan, the current catalogue
    2 which     the assistant or plain model, and whether the plan has it; a router picks one (`chat/route.py`)
    3 prompt    the assistant's prompt, the messages; its size in tokens
    3 ground    what its memory holds (`chat/recall.py`), and passages of the house's documents (`chat/ground.py`)
    4 admit     every window at once, all or nothing
    5 wait      in the provider's line, told of place and time; then the hold is written into the ledger, durably
    6 complete  the upstream is called; its events go to the guest as they come. Before anything was shown another
                model may be asked instead (`chat/fallback.py`), and with tools it is asked again (`chat/tool_loop.py`)
    7 settle    exactly once, always, off the guest's path: usage from the upstream, else counted and so marked
    8 remember  the turn goes into the assistant's memory (`chat/keeping.py`)
    9 trace     bounded, never fatal

Cancelling the task of a turn (Stop, a reader who left) ends the upstream call; what was relayed is settled.
Everything here sees Protocols only; `maitre.app` decides what stands behind them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.price import PriceTable
from maitre.chat import openai_wire, prompt
from maitre.chat.calls import Calls
from maitre.chat.cited import cited
from maitre.chat.fallback import Fallback
from maitre.chat.giving import Giving
from maitre.chat.ground import Ground
from maitre.chat.holds import Holds
from maitre.chat.introduced import introduced
from maitre.chat.keeping import Keeping
from maitre.chat.listener import listening, over
from maitre.chat.message import TurnRequest, Usage
from maitre.chat.outlook import Outlook
from maitre.chat.prepared import Prepared
from maitre.chat.pulse import Pulse
from maitre.chat.recall import Recall
from maitre.chat.recalled import Recalled
from maitre.chat.reception import Accounts, CatalogueSource, Reception
from maitre.chat.refused import RefusedChats
from maitre.chat.relevance import Relevance
from maitre.chat.reports import of_refusal
from maitre.chat.rewriting import Rewriting
from maitre.chat.sentences import language, sentence, zone_of
from maitre.chat.settlements import Settlements
from maitre.chat.shown import Sink
from maitre.chat.summing import Summing
from maitre.chat.terms import Terms
from maitre.chat.tool_loop import ToolLoop
from maitre.chat.wait import Unheard, Wait, WaitAloud
from maitre.errors import BadRequest, ProviderError, Refusal, StoreDown, Unavailable
from maitre.faults import outline
from maitre.knowledge.passage import Knowledge
from maitre.memory.index_round import IndexRound
from maitre.memory.indexing import Indexing
from maitre.memory.sessions import Sessions
from maitre.memory.summaries import Summaries
from maitre.memory.turn_index import TurnIndex
from maitre.providers import fault_outline
from maitre.providers.alias import Alias
from maitre.providers.health import Health
from maitre.providers.length import Lengths
from maitre.providers.provider import Model
from maitre.providers.size import Ratios
from maitre.providers.upstream import Upstream
from maitre.queue.line import Capacity, Line
from maitre.queue.room import WaitingRoom
from maitre.quota.admission import Admission
from maitre.quota.store import QuotaStore
from maitre.quota.subject import Subject
from maitre.tools.toolbox import Toolbox
from maitre.tracing.trace import Tracer

log = logging.getLogger(__name__)


class AnswerCheck(Protocol):
    """Whether a text is a valid JSON answer of an assistant."""

    def __call__(self, text: str, schema: Mapping[str, object] | None) -> str | None:
        """None when it is, else the problem in a few words."""


class Turns:
    """Serves turns. One for a process; all its methods run on one event loop."""

    def __init__(
        self,
        *,
        terms: Terms,
        accounts: Accounts,
        source: CatalogueSource,
        store: QuotaStore,
        line: Line,
        ledger: JournaledLedger,
        sessions: Sessions,
        summaries: Summaries,
        indexing: Indexing,
        index: TurnIndex | None,
        budgets: Mapping[Subject, Mapping[str, int]],
        queues: Mapping[str, Capacity],
        upstreams: Mapping[str, Upstream],
        models: Mapping[str, Model],
        aliases: Mapping[str, Alias],
        health: Mapping[str, Health],
        prices: PriceTable,
        check: AnswerCheck,
        tools: Toolbox,
        knowledge: Knowledge | None,
        tracer: Tracer,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self.terms = terms
        self._upstreams, self._ledger = upstreams, ledger
        self._check, self._tracer = check, tracer
        self.clock, self._new_id = clock, new_id
        self._refused = RefusedChats()
        self._said: set[str] = set()  # what keeps turns from being served, since the last one that was
        ratios, lengths = Ratios(), Lengths()
        self.pulse = Pulse(store, ledger, ratios, clock)
        self.settlements = Settlements(
            terms, store, ledger, upstreams, prices, ratios, lengths, self.pulse, tracer, clock
        )
        self.keeping = Keeping(
            sessions, timedelta(days=terms.retention_days), indexed=index is not None, kept=self._kept
        )
        self.index_round = None if index is None else IndexRound(indexing, index, clock)
        self.outlook = Outlook(terms, store, clock)
        recall = Recall(sessions, self.keeping, ratios, clock, new_id, Relevance(sessions, index, self.outlook))
        self.reception = Reception(
            terms, accounts, source, upstreams, models, aliases, ratios, new_id, self.settlements.doubt, recall,
            Giving(ratios),
        )  # fmt: skip
        self.room = WaitingRoom(line, clock)
        self.admission = Admission(store, ledger)
        self.holds = Holds(
            terms, self.admission, self.room, ledger, prices, lengths, budgets, queues,
            self.settlements, self.pulse, clock, new_id,
        )  # fmt: skip
        self.calls = Calls(
            holds=self.holds,
            room=self.room,
            pulse=self.pulse,
            settlements=self.settlements,
            fallback=Fallback(self.reception, self.settlements, health),
            upstreams=upstreams,
            clock=clock,
            admitted=self._admitted,
        )
        rewriting = Rewriting(self.calls, self.reception)
        self._ground = Ground(knowledge, recall, self.reception, rewriting, self.outlook, tracer, clock, new_id)
        self._loop = ToolLoop(self.calls, self.reception, tools, tracer, clock, new_id)
        self._summing = Summing(summaries, self.calls, self.reception, clock)

    # ── the two ways to be served ────────────────────────────────────────────────────────────────────────

    async def stream(self, request: TurnRequest, sink: Sink) -> None:
        """Serve a turn event by event. A refusal or a fault is told to the sink; nothing is raised but cancellation.
        The caller closes the stream with [DONE]."""
        prepared: Prepared | None = None
        heard = sink
        try:
            async with asyncio.timeout(self.terms.max_turn_seconds) as limit:
                if self._refused.spare(request):
                    await sink.emit(openai_wire.chunk(self._new_id(), request.model, self._created(), {}, "stop"))
                    return
                prepared = await self.prepare(request, streamed=True)
                heard = listening(prepared, sink)
                sink = introduced(prepared, heard, self.terms.show_route)
                sink = cited(prepared, sink, self._language(request))
                wait = WaitAloud(request, sink, self._language(request))
                story = self._stream_checked if prepared.checked else self._loop.relay
                used = await story(prepared, sink, wait, limit)
                if used is not None:
                    await sink.emit(self.calls.disguise(prepared).used(used))
        except Exception as fault:  # noqa: BLE001 - whatever it is, the guest must read a sentence
            refused = self.refusal_of(fault)
            self._report_refusal(request, prepared, refused)
            await sink.refuse(refused, self.sentence(refused, request))
        finally:
            over(heard, self.keeping)

    async def answer(self, request: TurnRequest) -> dict[str, Any]:
        """Serve a turn whole. Raises Refusal; its sentence is `sentence()`'s."""
        prepared: Prepared | None = None
        try:
            async with asyncio.timeout(self.terms.max_turn_seconds) as limit:
                if self._refused.spare(request):
                    return openai_wire.completion(self._new_id(), request.model, self._created(), "", Usage(0, 0))
                prepared = await self.prepare(request, streamed=False)
                wait = Unheard(request)
                if prepared.checked:
                    text, usage = await self._checked_answer(prepared, wait, limit)
                    id, created = prepared.answer_id, self._created()
                    whole = openai_wire.completion(id, request.model, created, text, usage)
                else:
                    whole, _ = await self._loop.whole(prepared, wait, limit)
                if sources := prepared.sources.to_json():
                    whole = {**whole, "sources": sources}
                return self.keeping.told(prepared, whole)
        except Exception as fault:
            refused = self.refusal_of(fault)
            self._report_refusal(request, prepared, refused)
            raise refused from fault

    async def prepare(self, request: TurnRequest, *, streamed: bool) -> Prepared:
        """The turn as it asks for its place, with its memory and its passages. Raises Refusal or StoreDown."""
        return await self._ground.ground(await self.reception.prepare(request, streamed=streamed))

    def _kept(self, prepared: Prepared, recalled: Recalled) -> None:
        """A turn is remembered now."""
        if self.index_round is not None and recalled.memory.relevant:
            self.index_round.begin()
        if recalled.memory.summary and not recalled.session.browser:
            self._summing.begin(prepared, recalled)

    def _admitted(self, request: TurnRequest) -> None:
        self._refused.admitted(request)
        self._said.clear()

    def sentence(self, refused: Refusal, request: TurnRequest | None) -> str:
        """A refusal in the guest's language."""
        stamp = request.stamp if request else None
        zone = zone_of(stamp.zone if stamp else "") or self.terms.zone
        code = self._language(request)
        return sentence(refused, code=code, now=self.clock(), zone=zone, currency=self.terms.currency)

    def _language(self, request: TurnRequest | None) -> str:
        stamp = request.stamp if request else None
        return language(stamp.language if stamp else None, self.terms.language)

    # ── an answer in JSON ────────────────────────────────────────────────────────────────────────

    async def _stream_checked(self, prepared: Prepared, sink: Sink, wait: Wait, limit: asyncio.Timeout) -> Usage | None:
        unstreamed = replace(prepared, streamed=False)
        text, usage = await self._checked_answer(unstreamed, wait, limit)
        disguise = self.calls.disguise(prepared)
        await sink.emit(disguise.said({"role": "assistant", "content": text}, None))
        await sink.emit(disguise.said({}, "stop"))
        tells = prepared.request.tells_usage
        return usage if tells or (tells is None and prepared.request.door == "browser") else None

    async def _checked_answer(self, prepared: Prepared, wait: Wait, limit: asyncio.Timeout) -> tuple[str, Usage]:
        """A valid JSON answer, after one repair at most; the usage of both calls."""
        assert prepared.assistant is not None
        schema, used = prepared.assistant.json_schema, Usage(0, 0)
        for attempt in ("answer", "repair"):
            whole, prepared = await self._loop.whole(prepared, wait, limit)
            text = prompt.text_of((whole["choices"][0].get("message") or {}).get("content"))
            counts = whole["usage"]
            used = Usage(
                used.prompt_tokens + counts["prompt_tokens"], used.completion_tokens + counts["completion_tokens"]
            )
            problem = self._check(text, schema)
            if problem is None:
                return text, used
            if attempt == "answer":
                again = prompt.repair(prepared.body, text, problem)
                repair = prepared.again(body=again, kind="repair")
                await self.calls.settled(prepared)
                prepared = await self.reception.sized(repair, prepared.max_tokens)
        raise ProviderError("bad_json", status=502, detail=problem or "")

    # ── when it does not go well, and at the end of the day ──────────────────────────────────────────────

    def refusal_of(self, fault: Exception) -> Refusal:
        """What the guest is told of a fault; the operator's part of it goes to the log."""
        match fault:
            case ProviderError():
                log.warning("The upstream failed: %s", fault_outline.outline(fault))
                return fault
            case Refusal():
                return fault
            case StoreDown():
                log.log(logging.DEBUG if str(fault) in self._said else logging.ERROR, "Nothing is served: %s", fault)
                self._said.add(str(fault))
                return Unavailable("store_down", retry_after=60)
            case RecursionError():
                return BadRequest("bad_nesting")
            case TimeoutError():
                return ProviderError("took_too_long", status=504, seconds=self.terms.max_turn_seconds)
            case _:
                number = self._new_id()[:8]
                log.error("A turn failed (%s): %s", number, outline(fault))
                return Unavailable("internal", number=number)

    def _report_refusal(self, request: TurnRequest, prepared: Prepared | None, refused: Refusal) -> None:
        if not isinstance(refused, ProviderError):
            self._refused.refused(request)
        # Nobody we know, nothing to record, or already reported with its call (whose status was `error`; an answer
        # in the wrong form was none of the calls' fault).
        reported = isinstance(refused, ProviderError) and refused.key != "bad_json"
        if prepared is not None and prepared.record != "none" and not reported:
            self._tracer.report(of_refusal(prepared, refused, self.terms.currency, self.clock()))

    async def sweep(self) -> int:
        """Charge the holds of calls whose process died; how many."""
        return await self._ledger.sweep(self.clock())

    async def drain(self, seconds: float) -> None:
        """Wait for what is being settled and given back, so long each; what is left the sweep will charge, and the
        leases of the line will free."""
        await self.keeping.drain(seconds)
        told = () if self.index_round is None else (self.index_round.drain(seconds),)
        await asyncio.gather(self._summing.drain(seconds), *told)
        await self.settlements.drain(seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.room.close(), seconds)

    def _created(self) -> int:
        return int(self.clock().timestamp())
