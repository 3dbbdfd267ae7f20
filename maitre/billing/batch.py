"""Writes and reads in batches: one at a time; what is asked for meanwhile, or in the same tick, goes into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: asyncio.Future[Answer]
    settled: asyncio.Future[None] | None = None  # for one who was cancelled meanwhile


class Batch(Generic[Item, Answer]):
    """`write` gets up to `most` items and answers each, in order, with a value or with an error of its own; an error
    that it raises is everybody's. With `shares_faults` it is also of those who wait for the next one: a store that
    hangs then keeps nobody waiting twice."""

    def __init__(
        self,
        write: Callable[[list[Item]], Awaitable[Sequence[Answer | Exception]]],
        most: int = 500,
        *,
        shares_faults: bool = False,
    ) -> None:
        self._write, self._most, self._shares_faults = write, most, shares_faults
        self._waiting: list[_Waiting[Item, Answer]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Answer:
        """The answer for this item. Who is cancelled learns it when the item is either written or never will be."""
        loop = asyncio.get_running_loop()
        mine: _Waiting[Item, Answer] = _Waiting(item, loop.create_future())
        self._waiting.append(mine)
        if self._writing is None:
            self._writing = loop.create_task(self._write_all())
        try:
            return await mine.answer
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.answer.cancelled():
                mine.answer.exception()  # it came just now, and nobody else will look at it
            elif self._writing is not None:
                mine.settled = loop.create_future()
                await mine.settled
            raise

    async def _write_all(self) -> None:
        batch: list[_Waiting[Item, Answer]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                answers: Sequence[Answer | Exception]
                try:
                    answers = await self._write([one.item for one in batch])
                except Exception as fault:  # noqa: BLE001 - it is handed to all who wait
                    if self._shares_faults:
                        batch, self._waiting = [*batch, *self._waiting], []
                    answers = [fault] * len(batch)
                for one, answer in zip(batch, answers, strict=True):
                    _give(one, answer)
        finally:
            self._writing = None
            for one in (*batch, *self._waiting):
                one.answer.cancel()  # only when the loop itself ends; an answer that was given stays
                _settle(one)


def _give(one: _Waiting[Item, Answer], answer: Answer | Exception) -> None:
    if one.answer.done():  # who waited was cancelled
        _settle(one)
    elif isinstance(answer, Exception):
        one.answer.set_exception(answer)
    else:
        one.answer.set_result(answer)


def _settle(one: _Waiting[Item, Answer]) -> None:
    if one.settled is not None and not one.settled.done():
        one.settled.set_result(None)
