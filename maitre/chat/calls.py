"""One upstream call of a turn: a place taken, the upstream asked, its answer relayed or read whole, the call settled.

A call that fails before the guest was shown anything may be made again of another model (`chat/fallback.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from maitre.chat import embedding_wire, openai_wire, sse
from maitre.chat.disguise import Disguise
from maitre.chat.fallback import SETTLED, Fallback
from maitre.chat.holds import Holds, Place
from maitre.chat.message import TurnRequest, Usage
from maitre.chat.prepared import Prepared
from maitre.chat.pulse import Pulse
from maitre.chat.settlements import Settlements
from maitre.chat.shown import Shown, Sink
from maitre.chat.wait import Wait
from maitre.errors import ProviderError, Refusal
from maitre.providers.upstream import Upstream
from maitre.providers.upstream_error import in_answer
from maitre.queue.line import Spent
from maitre.queue.room import WaitingRoom

log = logging.getLogger(__name__)
T = TypeVar("T")


class Calls:
    """Makes the upstream calls of turns."""

    def __init__(
        self,
        *,
        holds: Holds,
        room: WaitingRoom,
        pulse: Pulse,
        settlements: Settlements,
        fallback: Fallback,
        upstreams: Mapping[str, Upstream],
        clock: Callable[[], datetime],
        admitted: Callable[[TurnRequest], None],
    ) -> None:
        self._holds, self._room, self._pulse, self._settlements = holds, room, pulse, settlements
        self._fallback, self._upstreams, self._clock, self._admitted = fallback, upstreams, clock, admitted

    async def relay(
        self, prepared: Prepared, sink: Sink, wait: Wait, limit: asyncio.Timeout
    ) -> tuple[Usage | None, Prepared]:
        """Relay the upstream's events, in order and in disguise; the usage that the guest is still to be told, and the
        turn as the model has it that answered."""
        shown = Shown(sink, self._fallback.possible(prepared))
        return await self._answered(
            prepared, lambda course: self._relay(course, shown, wait, limit), lambda: shown.anything
        )

    async def whole(self, prepared: Prepared, wait: Wait, limit: asyncio.Timeout) -> tuple[dict[str, Any], Prepared]:
        """One whole answer, and the turn as the model has it that answered."""
        return await self._answered(prepared, lambda course: self._whole(course, wait, limit), lambda: False)

    async def settled(self, prepared: Prepared) -> None:
        """Wait a little until what the turn's calls so far held is given back: its next one may need the room."""
        await self._settlements.ended(prepared.turn_id, SETTLED)

    async def embed(
        self, prepared: Prepared, body: Mapping[str, Any], wait: Wait, limit: asyncio.Timeout
    ) -> tuple[list[Any], Usage]:
        """Embeddings, and their usage. No other model is asked instead: its vectors would mean something else."""
        place = await self._admit(prepared, wait)
        call = place.call
        async with self._called(prepared, place, limit) as answer:
            made = await self._upstreams[call.provider].embed(body, call.request_id)
            answer.usage, answer.began = embedding_wire.usage_of(made), True
            vectors = embedding_wire.vectors(made, len(body["input"]))
        return vectors, await self._settlements.count(prepared, call, answer)

    async def _answered(
        self, prepared: Prepared, call: Callable[[Prepared], Awaitable[T]], shown: Callable[[], bool]
    ) -> tuple[T, Prepared]:
        """The answer of the first model that gives one. The turn's next call begins with that model."""
        asked = await self._fallback.first(prepared) if prepared.others else prepared
        while True:
            try:
                answer = await call(asked)
                return answer, replace(asked, kind=prepared.kind, repeated=prepared.repeated, tries=1)
            except Refusal as fault:
                instead = None if shown() else await self._fallback.instead(asked, fault)
                if instead is None:
                    raise
                asked = instead

    async def _admit(self, prepared: Prepared, wait: Wait) -> Place:
        try:
            async with wait.audible():
                place = await self._holds.take(prepared, wait.told, wait.over)
        except Exception:
            await wait.over()  # a refusal stands alone
            raise
        self._admitted(prepared.request)
        return place

    @asynccontextmanager
    async def _called(
        self, prepared: Prepared, place: Place, limit: asyncio.Timeout
    ) -> AsyncIterator[openai_wire.Answer]:
        """One upstream call. However the block ends, the place is free at once and the call is settled once, off the
        guest's path."""
        call = place.call
        time = asyncio.get_running_loop().time  # a duration; the house's clock may be set meanwhile
        began = time()
        answer = openai_wire.Answer(call.at)
        self._pulse.call(call, answer)
        status = "error"
        try:
            yield answer
            status = "done"
        except asyncio.CancelledError:
            answer.began = True
            if limit.expired():
                answer.error = "it took too long"
            else:
                status = "stopped"
            raise
        except ProviderError as fault:
            answer.error = answer.error or fault.detail or fault.cause
            answer.began = answer.began or fault.accepted
            raise
        except Refusal:
            raise  # of the request itself, with a status of 400
        except Exception:
            answer.began = True  # nobody knows how far it went
            raise
        finally:
            if place.seat is not None:
                spent = None
                if status == "done":
                    told = answer.usage if answer.usage_is_whole else None
                    tokens = told.completion_tokens if told else self._pulse.relayed(call, answer)
                    spent = Spent(call.model, tokens, time() - began, call.held_prompt)
                self._settlements.later(self._room.leave(place.seat, spent), call.turn_id)
            self._settlements.later(self._settlements.settle(prepared, call, answer, status), call.turn_id)

    async def _relay(self, prepared: Prepared, sink: Shown, wait: Wait, limit: asyncio.Timeout) -> Usage | None:
        sink.forget()
        place = await self._admit(prepared, wait)
        _give(prepared)
        call = place.call
        disguise = self.disguise(prepared)
        async with self._called(prepared, place, limit) as answer:
            async with aclosing(self._upstreams[call.provider].stream(place.body, call.request_id)) as events:
                async for event in events:
                    chunk = sse.payload(event)
                    if chunk is None:
                        continue
                    answer.see(chunk, self._clock)
                    if answer.error is not None:
                        fault = in_answer(answer.error or "", answer.deltas > 0)
                        await events.athrow(fault)  # what watches over the upstream hears of it, too
                        raise fault
                    if sink.keeping and (answer.began or answer.finish_reason is not None):
                        await sink.show()
                    shown = disguise.event(chunk)
                    if shown is not None:
                        await sink.emit(shown)
                    if answer.longer_than(call.held_completion):
                        # The upstream passes over the largest answer that it was given.
                        answer.finish_reason = "length"
                        await sink.emit(disguise.said({}, "length"))
                        break
            if answer.finish_reason is None:
                raise ProviderError("provider_broke", status=502, cause="the stream ended without a finish_reason")
        tells = prepared.request.tells_usage
        if tells or (tells is None and prepared.request.door == "browser" and not answer.usage_is_whole):
            return await self._settlements.count(prepared, call, answer)
        return None

    async def _whole(self, prepared: Prepared, wait: Wait, limit: asyncio.Timeout) -> dict[str, Any]:
        place = await self._admit(prepared, wait)
        _give(prepared)
        call = place.call
        async with self._called(prepared, place, limit) as answer:
            whole = await self._upstreams[call.provider].complete(place.body, call.request_id)
            answer.see(whole, self._clock)
            answer.first_token_at = None  # a whole answer does not tell when it began
            if answer.error is not None or not whole.get("choices"):
                raise in_answer(answer.error or "", answer.deltas > 0)
        if not answer.usage_is_whole:
            whole["usage"] = (await self._settlements.count(prepared, call, answer)).to_openai()
        return self.disguise(prepared).whole(whole)

    def disguise(self, prepared: Prepared) -> Disguise:
        """What the guest sees of the turn's answer."""
        request = prepared.request
        created = int(self._clock().timestamp())
        # Of an assistant with knowledge the sources are the house's to tell.
        sourced = prepared.assistant is not None and prepared.assistant.knowledge is not None
        usage = request.tells_usage is None
        return Disguise(prepared.answer_id, request.model, created, usage=usage, annotations=not sourced)


def _give(prepared: Prepared) -> None:
    """The guest may be told what the call that is made now was given."""
    if prepared.grounded is not None:
        prepared.sources.give(prepared.grounded.taken)
