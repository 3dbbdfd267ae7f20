"""The running summary of a session: its older turns folded into it by the assistant's own model, after the guest has
the answer.

Each is a metered call of the guest's, in the turn that made it worth while: a row of the kind `summary`, no request,
and none of the guest's `concurrency`. Where a limit has no room for it, or anything fails, the summary stays as it is
and is made later: the turns stay where they are until they are in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from maitre.chat.calls import Calls
from maitre.chat.prepared import Prepared
from maitre.chat.prompt import text_of
from maitre.chat.recalled import Recalled
from maitre.chat.reception import Reception
from maitre.chat.text import clean
from maitre.chat.wait import Unheard
from maitre.errors import BadRequest, Refusal, StoreDown
from maitre.faults import outline
from maitre.memory.summaries import Fold, Summaries
from maitre.memory.telling import to_fold

log = logging.getLogger(__name__)

#: Nobody else makes the summary for MINE; whoever makes it gives up after PATIENCE; what failed rests for REST.
MINE, PATIENCE, REST = timedelta(seconds=180), 150.0, timedelta(seconds=60)

#: Characters of turns that are folded at once; fewer where the model's context is small.
MOST, LEAST = 24_000, 200

#: Characters of a token at most, of a summary.
LONGEST_TOKEN = 8


class Summing:
    """Makes summaries. One for a process, used on one event loop."""

    def __init__(self, summaries: Summaries, calls: Calls, reception: Reception, clock: Callable[[], datetime]) -> None:
        self._summaries, self._calls, self._reception, self._clock = summaries, calls, reception, clock
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}  # by account and session

    def begin(self, prepared: Prepared, recalled: Recalled) -> None:
        """A turn was kept: sum up its session if that is due, and nobody is at it."""
        key = prepared.account.user_id, recalled.session.id
        if key not in self._running:
            task = self._running[key] = asyncio.create_task(self._sum_up(prepared, recalled))
            task.add_done_callback(lambda done: self._over(key, done))

    async def _sum_up(self, prepared: Prepared, recalled: Recalled) -> None:
        now, load = self._clock(), recalled.memory.load
        try:
            fold = await self._summaries.begin(prepared.account.user_id, recalled.session.id, load, now, now + MINE)
            if fold is None or not fold.turns:
                return
            try:
                async with asyncio.timeout(PATIENCE) as limit:
                    summary, count = await self._made(prepared, fold, recalled.memory.summary_tokens, limit)
            except (Refusal, TimeoutError) as fault:
                log.info("A session is summed up later: %s", str(fault) or "it takes too long")
                await self._summaries.put_off(fold, self._clock() + REST)
            else:
                await self._summaries.end(fold, summary, count)
        except StoreDown as down:
            log.info("A session is summed up later: %s", down)

    async def _made(self, prepared: Prepared, fold: Fold, tokens: int, limit: asyncio.Timeout) -> tuple[str, int]:
        """The new summary, and how many of the turns are in it. Raises Refusal, StoreDown."""
        asked, count = await self._asked(prepared, fold, tokens)
        whole, _ = await self._calls.whole(asked, Unheard(asked.request), limit)
        text = clean(text_of((whole["choices"][0].get("message") or {}).get("content"))).strip()
        if not text:
            raise BadRequest("empty_message")
        return text[: tokens * LONGEST_TOKEN], count

    async def _asked(self, prepared: Prepared, fold: Fold, tokens: int) -> tuple[Prepared, int]:
        """The call, with as many of the turns as the model has room for. Raises BadRequest when there is room for
        none."""
        turns, characters = [turn for _, _, turn in fold.turns], MOST
        while True:
            body, count = to_fold(prepared.model.upstream, fold.summary, turns, characters, tokens)
            call = Prepared(
                request=replace(prepared.request, notes={}),  # what it waits for is no news of the turn's
                account=prepared.account,
                plan=prepared.plan,
                assistant=prepared.assistant,
                model=prepared.model,
                body=dict(body),
                kind="summary",
                turn_id=prepared.turn_id,
                weight=0,
                extra=0,
                prompt_tokens=0,
                max_tokens=0,
                record=prepared.record,
                streamed=False,
                others=prepared.others,
                variant=prepared.variant,
            )
            try:
                sized = await self._reception.sized(call, tokens)
                if sized.max_tokens >= min(tokens, prepared.plan.max_answer_tokens) or characters <= LEAST:
                    return sized, count
            except BadRequest:
                if characters <= LEAST:
                    raise
            characters //= 2

    def _over(self, key: tuple[str, str], done: asyncio.Task[None]) -> None:
        del self._running[key]
        if not done.cancelled() and (fault := done.exception()) is not None:
            log.error("A session could not be summed up: %s", outline(fault))

    async def drain(self, seconds: float) -> None:
        """Wait for what is being summed up, so long; the rest is ended, and made when its session goes on."""
        if not (tasks := set(self._running.values())):
            return
        _, left = await asyncio.wait(tasks, timeout=seconds)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=seconds)
