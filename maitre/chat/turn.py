"""A turn, from a guest's message to a settled answer: the one story that every door tells.

    1 who       the account by its signed user id, its plan, the current catalogue
    2 which     the assistant or plain model, and whether the plan has it
    3 prompt    the assistant's prompt, the messages, the allowed parameters; its size in tokens
    4 admit     every window at once, all or nothing; then the hold is written into the ledger, durably
    5 complete  the upstream is called; its events go to the guest as they come
    6 settle    exactly once, always, off the guest's path: usage from the upstream, else counted and so marked
    7 trace     bounded, never fatal

(A queue stands between 4 and 5 in a busy house; memory and knowledge come before 3.)

Cancelling the task of a turn (Stop, a reader who left) ends the upstream call; what was relayed is settled.
Everything here sees Protocols only; `maitre.app` decides what stands behind them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from maitre.accounts.account import Account
from maitre.assistants.assistant import Assistant
from maitre.assistants.catalogue import Catalogue
from maitre.billing.ledger import Ledger
from maitre.billing.price import PriceTable
from maitre.billing.row import Call, Settlement, Words
from maitre.chat import openai_wire, prompt, sse
from maitre.chat.message import Guest, TurnRequest, Usage
from maitre.chat.sentences import language, sentence
from maitre.chat.terms import Terms, strictest
from maitre.errors import BadRequest, ProviderError, QuotaExceeded, Refusal, StoreDown, Told, Unavailable, UnknownModel
from maitre.providers.provider import Model
from maitre.providers.size import Ratios, weigh
from maitre.providers.upstream import Upstream
from maitre.quota.admission import admit
from maitre.quota.plan import Plan
from maitre.quota.reservation import Denied, ask, refusal
from maitre.quota.store import QuotaStore
from maitre.quota.window import periods
from maitre.tracing.trace import Report, Tracer

log = logging.getLogger(__name__)

#: A request larger than this is refused before anything is counted. UTF-8 bytes of text.
LARGEST_PROMPT = 8 * 1024 * 1024

#: No tokenizer gives fewer tokens than one for this many bytes; so much text surely does not fit.
FEWEST_TOKENS_PER_BYTE = 1 / 16

#: An answer must have room for this many tokens, or the conversation counts as too long.
SHORTEST_ANSWER = 16

#: Characters of an input or an output that a trace keeps.
TRACED = 32_000

#: Sends one event to the guest. Waits while the guest's buffer is full.
Emit = Callable[[bytes], Awaitable[None]]


class Accounts(Protocol):
    """Who guests are."""

    async def arrive(self, user_id: str, email: str, name: str) -> tuple[Account, int]:
        """The guest's account, made if new, and the catalogue's current version."""


class CatalogueSource(Protocol):
    """Where plans and assistants are."""

    async def read(self) -> Catalogue:
        """All of them, of one version."""


class AnswerCheck(Protocol):
    """Whether a text is a valid JSON answer of an assistant."""

    def __call__(self, text: str, schema: Mapping[str, object] | None) -> str | None:
        """None when it is, else the problem in a few words."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is understood and priced, but not yet admitted."""

    request: TurnRequest
    account: Account
    plan: Plan
    assistant: Assistant | None
    model: Model
    body: dict[str, Any]
    kind: str  # turn | task | repair
    turn_id: str
    weight: int  # UTF-8 bytes of text in the prompt
    prompt_tokens: int
    max_tokens: int
    record: str

    @property
    def name(self) -> str:
        """What the guest calls it."""
        return self.assistant.name if self.assistant else self.model.name

    @property
    def checked(self) -> bool:
        """Whether the answer is held until it is valid JSON."""
        return self.assistant is not None and self.assistant.json_answer and self.kind != "task"


class Turns:
    """Serves turns. One for a process; all its methods run on one event loop."""

    def __init__(
        self,
        *,
        terms: Terms,
        accounts: Accounts,
        source: CatalogueSource,
        store: QuotaStore,
        ledger: Ledger,
        upstreams: Mapping[str, Upstream],
        models: Mapping[str, Model],
        prices: PriceTable,
        check: AnswerCheck,
        tracer: Tracer,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self.terms = terms
        self.catalogue = Catalogue()
        self._accounts, self._source = accounts, source
        self._store, self._ledger = store, ledger
        self._upstreams, self._models, self._prices = upstreams, models, prices
        self._check, self._tracer = check, tracer
        self._clock, self._new_id = clock, new_id
        self._ratios = Ratios()
        self._background: set[asyncio.Task[None]] = set()

    # ── the two ways to be served ────────────────────────────────────────────────────────────────────────

    async def stream(self, request: TurnRequest, emit: Emit) -> None:
        """Serve a turn event by event. A refusal or a fault becomes an error event; nothing is raised but
        cancellation. The caller closes the stream with [DONE]."""
        prepared: Prepared | None = None
        try:
            async with asyncio.timeout(self.terms.max_turn_seconds):
                prepared = await self._prepare(request)
                if prepared.checked:
                    await self._stream_checked(prepared, emit)
                else:
                    await self._stream_relayed(prepared, emit)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the guest must read a sentence
            refused = self.refusal_of(fault)
            self._report_refusal(request, prepared, refused)
            await emit(openai_wire.error_chunk(refused, self.sentence(refused, request)))

    async def answer(self, request: TurnRequest) -> dict[str, Any]:
        """Serve a turn whole. Raises Refusal; its sentence is `sentence()`'s."""
        prepared: Prepared | None = None
        try:
            async with asyncio.timeout(self.terms.max_turn_seconds):
                prepared = await self._prepare(request)
                if prepared.checked:
                    text, usage, id = await self._checked_answer(prepared)
                    return openai_wire.completion(id, request.model, self._created(), text, usage)
                call, body = await self._admit(prepared)
                return await self._complete(prepared, call, body)
        except Exception as fault:
            refused = self.refusal_of(fault)
            self._report_refusal(request, prepared, refused)
            raise refused from fault

    def sentence(self, refused: Refusal, request: TurnRequest | None) -> str:
        """A refusal in the guest's language."""
        known = request.stamp.language if request and request.stamp else None
        code = language(known, self.terms.language)
        return sentence(refused, code=code, now=self._clock(), zone=self.terms.zone)

    # ── 1–3 who, which, prompt ───────────────────────────────────────────────────────────────────────────

    async def _prepare(self, request: TurnRequest) -> Prepared:
        guest, stamp = request.guest, request.stamp
        if stamp is not None and stamp.refusal:
            raise Told(stamp.refusal, stamp.refusal_status)
        account, plan = await self.arrive(guest)
        assistant, model = self._which(request.model, plan)
        kind = stamp.kind if stamp else "turn"
        body = prompt.build(assistant, model, request.messages, request.params, kind=kind)
        prepared = Prepared(
            request=request,
            account=account,
            plan=plan,
            assistant=assistant,
            model=model,
            body=body,
            kind=kind,
            turn_id=stamp.turn_id if stamp else self._new_id(),
            weight=0,
            prompt_tokens=0,
            max_tokens=0,
            record=strictest(self.terms.record, plan.record, assistant.record if assistant else "full"),
        )
        return await self._sized(prepared, prompt.wanted_tokens(assistant, request.params))

    async def arrive(self, guest: Guest) -> tuple[Account, Plan]:
        """The guest's account and plan, under the current catalogue. Raises UnknownModel without a plan."""
        account, version = await self._accounts.arrive(guest.user_id, guest.email, guest.name)
        if version != self.catalogue.version:
            await self.refresh()
        plans = self.catalogue.plans
        plan = plans.get(account.plan or "") or plans.get(self.terms.default_plan or "")
        if plan is None:
            raise UnknownModel("no_plan")
        return account, plan

    async def refresh(self) -> None:
        """Read the catalogue again."""
        self.catalogue = await self._source.read()

    def _which(self, public: str, plan: Plan) -> tuple[Assistant | None, Model]:
        door, _, name = public.partition(".")
        if door == "assistants" and (assistant := self.catalogue.assistants.get(name)) and assistant.enabled:
            model = self._models.get(assistant.model)
            if model is not None and assistant.open_to(plan.slug):
                return assistant, model
            if model is not None:
                raise UnknownModel("not_in_plan", model=assistant.name, plan=plan.name)
        elif door == "models" and (model := self._models.get(name)):
            if name in plan.models:
                return None, model
            raise UnknownModel("not_in_plan", model=model.name, plan=plan.name)
        raise UnknownModel("unknown_model", model=public)

    async def _sized(self, prepared: Prepared, wanted: int | None) -> Prepared:
        """The prompt's size, and the largest answer: what was wanted, capped by the plan and the context."""
        weight, extra = weigh(prepared.body)
        context = prepared.model.context
        too_long = BadRequest("too_long")
        if weight > LARGEST_PROMPT or (context and weight * FEWEST_TOKENS_PER_BYTE > context):
            raise too_long
        upstream = self._upstreams[prepared.model.provider]
        tokens = await upstream.count_prompt(prepared.body)
        if tokens is None:
            tokens = self._ratios.tokens(prepared.model.id, weight) + extra
        cap = min(prepared.plan.max_answer_tokens, wanted or prepared.plan.max_answer_tokens)
        if prepared.kind == "task":
            cap = min(cap, self.terms.task_max_tokens)
        if context:
            if context - tokens < SHORTEST_ANSWER:
                raise too_long
            cap = min(cap, context - tokens)
        return replace(prepared, weight=weight, prompt_tokens=tokens, max_tokens=cap)

    # ── 4 admit ──────────────────────────────────────────────────────────────────────────────────────────

    async def _admit(self, prepared: Prepared) -> tuple[Call, dict[str, Any]]:
        """Hold the call's tokens and write its row. Raises QuotaExceeded or StoreDown; then nothing is held."""
        taking = asyncio.create_task(self._hold(prepared))
        try:
            call = await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The guest left while the hold was being taken: it is given back as soon as it is there.
            self._later(self._give_back_when_taken(taking))
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
            ttl=self.terms.hold_ttl,
            zone=self.terms.zone,
        )
        verdict = await admit(self._store, self._ledger, asked)
        if isinstance(verdict, Denied):
            raise refusal(prepared.plan, asked, verdict)
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
            currency=self.terms.currency,
        )
        try:
            await self._ledger.open(call)
        except Exception:
            # The row may be there all the same, if only the confirmation was lost.
            self._later(self._give_back(call))
            raise
        return call

    async def _give_back_when_taken(self, taking: asyncio.Task[Call]) -> None:
        try:
            call = await taking
        except (Refusal, StoreDown):
            return
        await self._give_back(call)

    async def _give_back(self, call: Call) -> None:
        """Undo a hold whose upstream call was never made."""
        requests = periods(call.at, self.terms.zone).fields("requests")
        await self._until_done(call.expires_at, lambda: self._ledger.withdraw(call.request_id))
        await self._until_done(
            call.expires_at, lambda: self._store.release(call.user_id, call.request_id, call.turn_id, requests)
        )

    # ── 5 complete ───────────────────────────────────────────────────────────────────────────────────────

    async def _stream_relayed(self, prepared: Prepared, emit: Emit) -> None:
        """Relay the upstream's events unchanged, in order."""
        call, body = await self._admit(prepared)
        answer = openai_wire.Answer(call.at)
        status = "error"
        try:
            async for event in self._upstreams[call.provider].stream(body, call.request_id):
                chunk = sse.payload(event)
                if chunk is not None:
                    answer.see(chunk, self._clock())
                    if answer.error is not None:
                        raise _failed_in_stream(answer)
                await emit(event)
            if answer.finish_reason is None:
                raise ProviderError("provider_broke", status=502, detail="the stream ended without a finish_reason")
            status = "done"
        except asyncio.CancelledError:
            status = "stopped"
            raise
        except ProviderError as fault:
            answer.error = answer.error or fault.detail
            raise
        finally:
            self._later(self._settle(prepared, call, answer, status))
        if answer.usage is None and prepared.request.door == "browser":
            usage = await self._count(prepared, call, answer)
            await emit(openai_wire.usage_chunk(call.request_id, prepared.request.model, self._created(), usage))

    async def _complete(self, prepared: Prepared, call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
        """One whole answer."""
        answer = openai_wire.Answer(call.at)
        status = "error"
        try:
            whole = await self._upstreams[call.provider].complete(body, call.request_id)
            answer.see(whole, self._clock())
            answer.first_token_at = None  # a whole answer does not tell when it began
            status = "done"
        except asyncio.CancelledError:
            status = "stopped"
            raise
        except ProviderError as fault:
            answer.error = answer.error or fault.detail
            raise
        finally:
            self._later(self._settle(prepared, call, answer, status))
        if answer.usage is None:
            whole["usage"] = (await self._count(prepared, call, answer)).to_openai()
        return whole

    async def _stream_checked(self, prepared: Prepared, emit: Emit) -> None:
        text, usage, id = await self._checked_answer(prepared)
        model, created = prepared.request.model, self._created()
        await emit(openai_wire.chunk(id, model, created, {"role": "assistant", "content": text}, None))
        await emit(openai_wire.chunk(id, model, created, {}, "stop"))
        if prepared.request.door == "browser":
            await emit(openai_wire.usage_chunk(id, model, created, usage))

    async def _checked_answer(self, prepared: Prepared) -> tuple[str, Usage, str]:
        """A valid JSON answer, after one repair at most; the usage of both calls; the first call's id."""
        assert prepared.assistant is not None
        used = Usage(0, 0)
        first_id = ""
        for attempt in ("answer", "repair"):
            call, body = await self._admit(prepared)
            first_id = first_id or call.request_id
            whole = await self._complete(prepared, call, body)
            text = prompt.text_of((whole["choices"][0].get("message") or {}).get("content"))
            counts = whole["usage"]
            used = Usage(
                used.prompt_tokens + counts["prompt_tokens"], used.completion_tokens + counts["completion_tokens"]
            )
            problem = self._check(text, prepared.assistant.json_schema)
            if problem is None:
                return text, used, first_id
            if attempt == "answer":
                again = prompt.repair(prepared.body, text, problem)
                prepared = await self._sized(replace(prepared, body=again, kind="repair"), prepared.max_tokens)
        raise ProviderError("bad_json", status=502, detail=problem or "")

    # ── 6 settle ─────────────────────────────────────────────────────────────────────────────────────────

    async def _count(self, prepared: Prepared, call: Call, answer: openai_wire.Answer) -> Usage:
        """The upstream's usage, else ours: the prompt as it was held, the answer counted."""
        if answer.usage is not None:
            return answer.usage
        if answer.size == 0:
            return Usage(call.held_prompt, 0, estimated=True)
        upstream = self._upstreams[call.provider]
        tokens = await upstream.count_text(prepared.model.upstream, answer.written)
        if tokens is None or answer.size > openai_wire.KEPT:
            tokens = self._ratios.tokens(call.model, answer.size)
        # The clamp sent upstream bounds what the model wrote, whatever our estimate says.
        return Usage(call.held_prompt, min(tokens, call.held_completion), estimated=True)

    async def _settle(self, prepared: Prepared, call: Call, answer: openai_wire.Answer, status: str) -> None:
        ended = self._clock()
        if status == "error" and answer.deltas == 0 and answer.usage is None:
            usage = Usage(0, 0)  # refused by the upstream, or never reached it: nothing was generated
        else:
            usage = await self._count(prepared, call, answer)
        if not usage.estimated and usage.prompt_tokens:
            self._ratios.learn(call.model, prepared.weight, usage.prompt_tokens)
        cost = self._prices.cost(call.model, usage.prompt_tokens, usage.completion_tokens)
        first = answer.first_token_at
        settlement = Settlement(
            request_id=call.request_id,
            ended_at=ended,
            first_token_ms=None if first is None else int((first - call.at).total_seconds() * 1000),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            estimated=usage.estimated,
            cost=cost,
            price_version=self._prices.version,
            status=status,
        )
        spoken = json.dumps(prepared.body["messages"], ensure_ascii=False)
        words = None
        if prepared.record == "full":
            delete_at = ended + timedelta(days=self.terms.retention_days)
            words = Words(spoken[: openai_wire.KEPT], answer.written, delete_at)
        tokens = dict.fromkeys(
            periods(call.at, self.terms.zone).fields("tokens"), usage.prompt_tokens + usage.completion_tokens
        )
        await self._until_done(call.expires_at, lambda: self._ledger.settle(settlement, words))
        await self._until_done(call.expires_at, lambda: self._store.settle(call.user_id, call.request_id, tokens))
        self._report(prepared, call, settlement, answer, spoken)

    async def _until_done(self, deadline: datetime, step: Callable[[], Awaitable[object]]) -> None:
        """Repeat an idempotent step while its store is down. Past the hold's expiry the sweep charges the hold."""
        pause = 0.1
        while True:
            try:
                await step()
                return
            except StoreDown as down:
                if self._clock() >= deadline:
                    log.error("A call could not be settled in time; the sweep will charge its hold: %s", down)
                    return
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Off the guest's path, and safe from the cancellation of the guest's own task."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("Settling a call failed.", exc_info=fault)

    async def sweep(self) -> int:
        """Charge the holds of calls whose process died; how many."""
        return await self._ledger.sweep(self._clock())

    async def drain(self, seconds: float) -> None:
        """Wait for what is being settled, so long; what is left the sweep will charge."""
        if self._background:
            await asyncio.wait(self._background, timeout=seconds)

    # ── 7 trace ──────────────────────────────────────────────────────────────────────────────────────────

    def _report(
        self, prepared: Prepared, call: Call, settled: Settlement, answer: openai_wire.Answer, spoken: str
    ) -> None:
        if prepared.record == "none":
            return
        full = prepared.record == "full"
        parameters = {name: value for name, value in prepared.body.items() if isinstance(value, str | int | float)}
        messages: Any = prepared.body["messages"] if len(spoken) <= TRACED else spoken[:TRACED]
        self._tracer.report(
            Report(
                trace_id=call.trace_id,
                request_id=call.request_id,
                name=prepared.name,
                kind=call.kind,
                door=call.door,
                user_id=call.user_id,
                email=prepared.account.email,
                session_id=call.chat_id,
                plan=call.plan,
                assistant=call.assistant,
                provider=call.provider,
                model=call.model,
                verdict="admitted",
                status=settled.status,
                started=call.at,
                ended=settled.ended_at,
                first_token_at=answer.first_token_at,
                parameters={**parameters, "max_tokens": call.held_completion},
                input=messages if full else None,
                output=answer.written[:TRACED] if full else None,
                prompt_tokens=settled.prompt_tokens,
                completion_tokens=settled.completion_tokens,
                estimated=settled.estimated,
                cost=Decimal(settled.cost) / Decimal(10**9),
                currency=call.currency,
                problem=(answer.error or "the upstream failed") if settled.status == "error" else "",
            )
        )

    def _report_refusal(self, request: TurnRequest, prepared: Prepared | None, refused: Refusal) -> None:
        if prepared is None or prepared.record == "none" or isinstance(refused, ProviderError):
            return  # nobody we know, nothing to record, or already reported with its call
        now = self._clock()
        self._tracer.report(
            Report(
                trace_id=prepared.turn_id,
                request_id="",
                name=prepared.name,
                kind=prepared.kind,
                door=request.door,
                user_id=prepared.account.user_id,
                email=prepared.account.email,
                session_id=request.stamp.chat_id if request.stamp else "",
                plan=prepared.plan.slug,
                assistant=prepared.assistant.slug if prepared.assistant else "",
                provider="",
                model="",
                verdict=f"refused: {refused.key}",
                status="refused" if isinstance(refused, QuotaExceeded) else "error",
                started=now,
                ended=now,
                first_token_at=None,
                parameters={},
                input=None,
                output=None,
                prompt_tokens=0,
                completion_tokens=0,
                estimated=False,
                cost=Decimal(0),
                currency=self.terms.currency,
                problem=refused.key,
            )
        )

    def refusal_of(self, fault: Exception) -> Refusal:
        """What the guest is told of a fault; the operator's part of it goes to the log."""
        match fault:
            case ProviderError():
                log.warning("The upstream failed: %s %s", fault.key, fault.detail)
                return fault
            case Refusal():
                return fault
            case StoreDown():
                log.error("Nothing is served: %s", fault)
                return Unavailable("store_down", retry_after=60)
            case TimeoutError():
                return ProviderError("took_too_long", status=504, seconds=self.terms.max_turn_seconds)
            case _:
                number = self._new_id()[:8]
                log.error("A turn failed (%s).", number, exc_info=fault)
                return Unavailable("internal", number=number)

    def _created(self) -> int:
        return int(self._clock().timestamp())


def _failed_in_stream(answer: openai_wire.Answer) -> ProviderError:
    """An error event of the upstream: before the first token it is an answer, after it the answer broke off."""
    if answer.deltas:
        return ProviderError("provider_broke", status=502, detail=answer.error or "")
    return ProviderError("provider_error", status=502, detail=answer.error or "", upstream_status="502")
