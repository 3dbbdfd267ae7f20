"""Batches: who shares a write with whom, and who learns what of it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from maitre.billing.batch import Batch
from maitre.errors import StoreDown


class Store:
    """Writes what it is told once its gate is open, or fails."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.written: list[list[int]] = []
        self.fault: Exception | None = None

    async def write(self, items: list[int]) -> list[int]:
        self.written.append(items)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return [10 * item for item in items]


async def begun(batch: Batch[int, int], *items: int) -> list[asyncio.Task[int]]:
    """Tasks that wait for their answers."""
    tasks = [asyncio.create_task(batch.add(item)) for item in items]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_is_the_next_batch() -> None:
    """In order, each with its own answer."""
    store = Store()
    batch = Batch(store.write)
    first, second = await begun(batch, 1, 2), await begun(batch, 3, 4)
    store.gate.set()
    assert [*await asyncio.gather(*first, *second)] == [10, 20, 30, 40]
    assert store.written == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("shares", "batches"), [(True, 1), (False, 2)])
async def test_whose_fault_it_is(shares: bool, batches: int) -> None:
    """Those who wait for the next one are told at once only where that is wanted; who comes later tries again."""
    store = Store()
    batch = Batch(store.write, shares_faults=shares)
    store.fault = StoreDown("It does not answer.")
    tasks = [*await begun(batch, 1), *await begun(batch, 2)]
    store.gate.set()
    assert await asyncio.gather(*tasks, return_exceptions=True) == [store.fault, store.fault]
    assert len(store.written) == batches
    store.fault = None
    assert await batch.add(3) == 30


async def test_one_who_leaves_in_mid_write_learns_it_at_its_end() -> None:
    """What was written must be known to be, so that it can be taken back; the others have their answers."""
    store = Store()
    batch = Batch(store.write)
    leaving, staying = await begun(batch, 1, 2)
    leaving.cancel()
    await asyncio.sleep(0)
    assert not leaving.done()
    store.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await staying == 20
    assert store.written == [[1, 2]]


async def test_one_who_leaves_before_it_is_never_written() -> None:
    """Nothing is done for nobody."""
    store = Store()
    batch = Batch(store.write)
    (first,) = await begun(batch, 1)
    leaving, staying = await begun(batch, 2, 3)
    leaving.cancel()
    await asyncio.wait([leaving])
    store.gate.set()
    assert [*await asyncio.gather(first, staying)] == [10, 30]
    assert store.written == [[1], [3]]


async def test_one_who_leaves_as_the_answer_comes_is_not_kept() -> None:
    """An answer that is there is nobody's any more, whether it is a value or a fault."""
    for fault in (None, StoreDown("It does not answer.")):
        store = Store()
        batch = Batch(store.write)
        store.fault = fault
        leaving, other = await begun(batch, 1, 2)
        store.gate.set()
        other.add_done_callback(partial(_leave, leaving))
        await asyncio.wait([leaving, other], timeout=10)
        assert leaving.done()


def _leave(task: asyncio.Task[int], _: object) -> None:
    task.cancel()
