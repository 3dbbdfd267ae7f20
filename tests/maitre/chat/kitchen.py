"""A house in memory for the turn engine: twins of the stores, a scripted upstream, a clock that stands still."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from maitre.assistants.answer_jsonschema import problem
from maitre.assistants.assistant import Assistant
from maitre.billing.journals_memory import MemoryJournals
from maitre.billing.ledger_journaled import JournaledLedger
from maitre.billing.ledger_memory import MemoryLedger
from maitre.billing.price import Price, PriceTable
from maitre.chat import sse
from maitre.chat.embedding import Embeddings
from maitre.chat.message import Guest, Stamp, TurnRequest
from maitre.chat.openai_wire import error_chunk
from maitre.chat.terms import Terms
from maitre.chat.turn import Turns
from maitre.errors import KnowledgeDown, Refusal
from maitre.knowledge.knowledge_memory import MemoryKnowledge
from maitre.memory.indexing_memory import MemoryIndexing
from maitre.memory.sessions_memory import MemorySessions
from maitre.memory.summaries_memory import MemorySummaries
from maitre.memory.turn_index_memory import MemoryTurnIndex
from maitre.providers.alias import Alias
from maitre.providers.health import Health
from maitre.providers.provider import Model
from maitre.providers.upstream import Upstream
from maitre.queue.line import Capacity
from maitre.queue.memory_line import MemoryLine
from maitre.quota.memory_store import MemoryQuotaStore
from maitre.quota.plan import Plan
from maitre.quota.subject import Subject
from maitre.tools import arguments_jsonschema, search
from maitre.tools.searching import Searching
from maitre.tools.tool import Tool
from maitre.tools.toolbox import Toolbox, Use
from tests.maitre.chat.pantry import Clock, Heard, Registry, Shaky

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@dataclass
class Reply:
    """What the upstream does with one call. `stall`: it waits for that event after its pieces."""

    pieces: Sequence[str] = ("Hello", " there")
    usage: Mapping[str, Any] | None = field(default_factory=lambda: dict(USAGE))
    finish: str | None = "stop"
    fault: Exception | None = None  # raised after the pieces
    stall: asyncio.Event | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    raw: Sequence[bytes] | None = None  # these events, and nothing of the above

    def events(self) -> list[bytes]:
        """The events before a stall or a fault."""
        if self.raw is not None:
            return list(self.raw)
        deltas: list[dict[str, Any]] = [{"content": piece} for piece in self.pieces]
        deltas += [{"tool_calls": [call]} for call in self.tool_calls]
        return [_event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas]

    def ending(self) -> list[bytes]:
        """The events after them."""
        if self.raw is not None:
            return []
        ends: list[bytes] = []
        if self.finish:
            ends.append(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]}))
        return ends + ([_event({"choices": [], "usage": dict(self.usage)})] if self.usage is not None else [])

    def whole(self) -> dict[str, Any]:
        """The same, not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.pieces)}
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        answer: dict[str, Any] = {"choices": [{"index": 0, "message": message, "finish_reason": self.finish}]}
        return answer | ({"usage": dict(self.usage)} if self.usage is not None else {})


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode("ascii")


class ScriptedModel:
    """An Upstream that does what its replies say, one for each call, the last one for ever."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [Reply()]
        self.calls: list[tuple[str, dict[str, Any]]] = []  # request id, body
        self.working = asyncio.Event()  # set when a call has given its pieces
        self.closed = 0  # streams that have ended, one way or another
        self.prompt_size: int | None = 10  # what the tokenizer says; None: there is none
        self.text_size: int | None = None

    def _next(self, request_id: str, body: Mapping[str, Any]) -> Reply:
        self.calls.append((request_id, dict(body)))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        reply = self._next(request_id, body)
        try:
            for event in reply.events():
                yield event
            await self._pause(reply)
            for event in reply.ending():
                yield event
        finally:
            self.closed += 1

    async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        reply = self._next(request_id, body)
        await self._pause(reply)
        return reply.whole()

    async def embed(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        reply = self._next(request_id, body)
        await self._pause(reply)
        data = [{"index": place, "embedding": [float(place), 0.5]} for place in range(len(body["input"]))]
        answer: dict[str, Any] = {"object": "list", "model": "secret", "data": data}
        return answer | ({"usage": dict(reply.usage)} if reply.usage is not None else {})

    async def _pause(self, reply: Reply) -> None:
        self.working.set()
        if reply.stall is not None:
            await reply.stall.wait()
        if reply.fault is not None:
            raise reply.fault

    async def count_prompt(self, body: Mapping[str, Any]) -> int | None:
        return self.prompt_size

    async def count_text(self, model: str, text: str) -> int | None:
        return self.text_size

    async def close(self) -> None:
        return


FREE = Plan(
    "free",
    "Free",
    0,
    "USD",
    {"requests_per_minute": 5, "tokens_per_day": 10_000},
    max_answer_tokens=100,
    models=("small",),
)
PRICES = PriceTable("v1", "USD", {"small": Price(Decimal(1), Decimal(2))})
COACH = Assistant("coach", "Coach", "small", "You coach.")
SMALL = Model("small", "Small model", "local", "upstream-small")
FRAN = Guest("u1", "fran@x.io", "Fran")
FRANS = Subject("account", "u1")


class Plate:
    """The sink of a turn: keeps what the guest gets; a refusal is an error event."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.comments: list[str] = []

    async def emit(self, event: bytes) -> None:
        self.events.append(event)

    async def refuse(self, refused: Refusal, text: str) -> None:
        await self.emit(error_chunk(refused, text))

    async def comment(self, text: str) -> None:
        self.comments.append(text)


def limited(plan: Plan, **limits: int | None) -> Plan:
    """The plan with other limits; None takes one away."""
    changed = {**plan.limits, **limits}
    return replace(plan, limits={name: limit for name, limit in changed.items() if limit is not None})


class Kitchen:
    """The turn engine with everything around it. Ask it; then look at the books."""

    def __init__(self, tools: Iterable[tuple[Tool, Use]] = (), **terms: Any) -> None:
        self.clock, self.model, self.tracer, self.registry = Clock(), ScriptedModel(), Heard(), Registry()
        self.cooks = [self.model]  # every upstream there is
        self.registry.offer(FREE, COACH)
        self.true_store, self.books = MemoryQuotaStore(), MemoryLedger(PRICES)
        self.store, self.ledger = Shaky(self.true_store), Shaky(self.books)
        self.line, self.journals = MemoryLine(), MemoryJournals()
        self.library = MemoryKnowledge()
        self.knowledge = Shaky(self.library)
        true_sessions = MemorySessions()
        self.sessions = Shaky(true_sessions)
        self.summaries, self.indexing = Shaky(MemorySummaries(true_sessions)), MemoryIndexing(true_sessions)
        self.index = Shaky(MemoryTurnIndex(), KnowledgeDown)
        self.budgets: dict[Subject, Mapping[str, int]] = {}
        self.queues: dict[str, Capacity] = {}
        self.models = {"small": SMALL}
        self.aliases: dict[str, Alias] = {}
        self.upstreams: dict[str, Upstream] = {"local": self.model}
        self.health: dict[str, Health] = {}
        self.balanced = True  # False: a test that ends with something open, on purpose
        known = Terms(ZoneInfo("UTC"), "en", "USD", "free", 30, 600, "full", 30, {})
        numbers = itertools.count(1)
        self.turns = Turns(
            terms=replace(known, **terms),
            accounts=self.registry,
            source=self.registry,
            store=self.store,
            line=self.line,
            ledger=JournaledLedger(self.ledger, self.journals, self.true_store.unload),
            sessions=self.sessions,
            summaries=self.summaries,
            indexing=self.indexing,
            index=self.index,
            budgets=self.budgets,
            queues=self.queues,
            upstreams=self.upstreams,
            health=self.health,
            models=self.models,
            aliases=self.aliases,
            prices=PRICES,
            check=problem,
            tools=Toolbox(arguments_jsonschema.problem, [(search.TOOL, Searching(self.knowledge)), *tools]),
            knowledge=self.knowledge,
            tracer=self.tracer,
            clock=self.clock,
            new_id=lambda: f"{next(numbers):032x}",
        )

        self.embeddings = Embeddings(self.turns, self.models, self.aliases, rag=None)

    def request(
        self,
        content: Any = "Hello",
        *,
        model: str = "assistants.coach",
        stamp: Stamp | None = None,
        guest: Guest = FRAN,
        messages: Sequence[Mapping[str, Any]] | None = None,
        **params: Any,
    ) -> TurnRequest:
        """A guest's request; `params` are the client's parameters."""
        return TurnRequest(guest, model, messages or [{"role": "user", "content": content}], params, stamp)

    def stamp(self, turn_id: str = "a" * 32, **fields: Any) -> Stamp:
        """A stamp as our inlet makes it."""
        return Stamp("u1", "assistants.coach", turn_id, int(self.clock().timestamp()) + 100, **fields)

    async def stream(self, content: Any = "Hello", **how: Any) -> list[bytes]:
        """Ask for a stream; the events that the guest got."""
        plate = Plate()
        await self.turns.stream(self.request(content, **how), plate)
        await self.settled()
        return plate.events

    async def answer(self, content: Any = "Hello", **how: Any) -> dict[str, Any]:
        """Ask for a whole answer."""
        try:
            return await self.turns.answer(self.request(content, **how))
        finally:
            await self.settled()

    async def settled(self) -> None:
        """Wait until nothing is being settled any more."""
        await self.turns.drain(10)

    def rows(self) -> list[tuple[str, str, bool, int, int, bool]]:
        """The ledger: kind, status, counted, prompt, completion, estimated, in order."""
        ends = self.books.settled
        return [
            (
                call.kind,
                ends[id].status,
                call.counted,
                ends[id].prompt_tokens,
                ends[id].completion_tokens,
                ends[id].estimated,
            )
            for id, call in self.books.calls.items()
        ]

    async def held(self) -> int:
        """Tokens that are held in the live store."""
        live = await self.true_store.live(FRANS, self.clock())
        return 0 if live is None else live.held["tokens"]

    async def check_books(self) -> None:
        """Every upstream call is exactly one settled row, every row a call, and no hold is left; live windows and
        ledger agree."""
        await self.settled()
        await self.turns.settlements.resolve_doubts()
        called = [request_id for cook in self.cooks for request_id, _ in cook.calls]
        assert len(called) == len(set(called))
        assert set(called) == set(self.books.calls) == set(self.books.settled)
        assert await self.held() == 0
        live = await self.true_store.live(FRANS, self.clock())
        if live is not None:
            used = sum(end.prompt_tokens + end.completion_tokens for end in self.books.settled.values())
            assert live.fields.get("tokens:total", 0) == used
            assert live.fields.get("requests:total", 0) == sum(call.counted for call in self.books.calls.values())


def error_of(events: Sequence[bytes]) -> dict[str, Any]:
    """The error that a stream ended with."""
    last = sse.payload(events[-1])
    assert last is not None
    assert "error" in last, events
    error: dict[str, Any] = last["error"]
    return error


def text_in(events: Sequence[bytes]) -> str:
    """The text of a stream's deltas."""
    chunks = [sse.payload(event) or {} for event in events]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))
