"""Turns of our own models: served on the server's loop by the process's engine, without a thread.

A client that leaves ends its turn at once, streamed or whole; the turn settles itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from gateway.answers import Problem, problem_of, send_json, send_problem
from gateway.asgi import Receive, Send
from gateway.event_stream import EventStream
from maitre.app import Engine
from maitre.chat.message import TurnRequest
from maitre.errors import ProviderError, Refusal
from maitre.faults import outline

log = logging.getLogger(__name__)

#: Makes a whole answer.
Work = Coroutine[Any, Any, dict[str, Any]]

LAST_WORD = 0.5  # seconds for telling a client that its answer broke off because the server ends

ENDING = Problem(503, "The server ends; ask again in a few seconds.", {"Retry-After": "5"})

#: What is told of a chat completion.
Shape = Callable[[dict[str, Any]], dict[str, Any]]


class OwnTurns:
    """Serves the turns of one engine, and ends them with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._running: set[asyncio.Task[Any]] = set()

    async def serve(self, request: TurnRequest, receive: Receive, send: Send) -> None:
        """Answer one chat completion, whole or streamed."""
        if request.params.get("stream") is True:
            await self._stream(request, receive, send)
        else:
            await self.whole(request, receive, send)

    async def end(self, seconds: float) -> None:
        """Cancel every turn, and wait for them so long."""
        for turn in self._running:
            turn.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _begin(self, turn: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(turn)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    # ── whole ──

    async def whole(
        self,
        request: TurnRequest,
        receive: Receive,
        send: Send,
        work: Work | None = None,
        shape: Shape = dict,
    ) -> None:
        """Answer with what the work for a request makes, or raises as a Refusal, in a shape of one's own. The work is
        its turn, if no other."""
        turn = asyncio.current_task()
        assert turn is not None
        leaving = asyncio.create_task(left(receive))
        leaving.add_done_callback(lambda done: done.cancelled() or turn.cancel())
        self._running.add(turn)
        try:
            answer = await (self.engine.turns.answer(request) if work is None else work)
        except asyncio.CancelledError:
            if not leaving.done():  # the server ends
                await send_problem(send, ENDING, public=request.strict)
        except Refusal as refused:
            problem = problem_of(refused, self.engine.turns.sentence(refused, request), _model(request))
            await send_problem(send, problem, public=request.strict)
        else:
            leaving.cancel()  # whoever leaves now has the answer on its way
            await send_json(send, shape(answer))
        finally:
            leaving.cancel()
            self._running.discard(turn)

    # ── streamed ──

    async def _stream(self, request: TurnRequest, receive: Receive, send: Send) -> None:
        stream = EventStream(send, model=_model(request))
        turn = self._begin(self._emit(request, stream))
        leaving = asyncio.create_task(left(receive))
        leaving.add_done_callback(lambda done: done.cancelled() or turn.cancel())
        try:
            await stream.write()
        except asyncio.CancelledError:
            if not stream.cut:  # the server ends
                turn.cancel()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stream.write(), LAST_WORD)
        finally:
            leaving.cancel()
            turn.cancel()

    async def _emit(self, request: TurnRequest, stream: EventStream) -> None:
        try:
            await self.engine.turns.stream(request, stream)
        except asyncio.CancelledError:
            self._break_off(request, stream)
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, the guest must read a sentence
            log.error("A turn failed: %s", outline(fault))
            self._break_off(request, stream)
        else:
            stream.end()

    def _break_off(self, request: TurnRequest, stream: EventStream) -> None:
        broke = ProviderError("provider_broke", status=502)
        stream.break_off(broke, self.engine.turns.sentence(broke, request))


def _model(request: TurnRequest) -> str | None:
    return request.model if request.strict else None


async def left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        continue
