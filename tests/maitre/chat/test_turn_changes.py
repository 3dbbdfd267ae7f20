"""What an operator changes while turns run and wait: plans, assistants, accounts, the house's doors. A call that was
admitted is served and settled as it was admitted; the next one meets the change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from maitre.assistants.catalogue import Catalogue
from maitre.chat.foreign import ForeignTurns
from maitre.chat.message import Guest
from maitre.errors import Told
from maitre.queue.line import Capacity, Ticket
from tests.maitre.chat.kitchen import COACH, FRAN, FREE, PRICES, Kitchen, Plate, Reply, error_of, limited, text_in

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORM = replace(COACH, slug="form", json_answer=True, json_schema=SCHEMA)
CLOSED = "We are back at nine."


def offer(kitchen: Kitchen, **changed: Any) -> None:
    """Another catalogue, as an operator's command makes it."""
    old = kitchen.registry.catalogue
    kitchen.registry.catalogue = replace(old, **{"version": old.version + 1, **changed})


def drop_assistant(kitchen: Kitchen) -> None:
    """The assistant is removed."""
    offer(kitchen, assistants={})


def other_assistant(kitchen: Kitchen) -> None:
    """The assistant gets another model, one that is not there, and a limit."""
    offer(kitchen, assistants={"coach": replace(COACH, model="gone", limits={"tokens_total": 1})})


def drop_plan(kitchen: Kitchen) -> None:
    """The plan is removed; there is no other."""
    offer(kitchen, plans={})


def smaller_plan(kitchen: Kitchen) -> None:
    """The plan allows nothing any more."""
    kitchen.registry.offer(replace(limited(FREE, requests_per_minute=0, tokens_per_day=0), max_answer_tokens=1))


def prepaid_plan(kitchen: Kitchen) -> None:
    """The plan asks for money now, and the account has none."""
    kitchen.registry.offer(replace(FREE, prepaid=True))


def other_plan(kitchen: Kitchen) -> None:
    """The account gets another plan, which has not the assistant."""
    kitchen.registry.offer(replace(FREE, slug="poor", name="Poor"), replace(COACH, plans=("free",)))
    kitchen.registry.plans_of["u1"] = "poor"


def closing(kitchen: Kitchen) -> None:
    """The house closes."""
    offer(kitchen, closed=CLOSED)


def empty(kitchen: Kitchen) -> None:
    """Everything is removed."""
    kitchen.registry.catalogue = Catalogue(kitchen.registry.catalogue.version + 1)


#: What is changed, and what the next turn is told.
CHANGES: dict[str, tuple[Callable[[Kitchen], None], int]] = {
    "assistant-dropped": (drop_assistant, 404),
    "assistant-changed": (other_assistant, 404),
    "plan-dropped": (drop_plan, 404),
    "plan-smaller": (smaller_plan, 429),
    "plan-prepaid": (prepaid_plan, 429),
    "account-moved": (other_plan, 404),
    "house-closed": (closing, 503),
    "all-gone": (empty, 404),
}
change = pytest.mark.parametrize(("change", "status"), CHANGES.values(), ids=CHANGES)


def begin(kitchen: Kitchen, **how: Any) -> tuple[asyncio.Task[None], Plate]:
    """A turn, begun, and what its guest gets."""
    plate = Plate()
    return asyncio.create_task(kitchen.turns.stream(kitchen.request(**how), plate)), plate


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)


def in_line(kitchen: Kitchen) -> int:
    """How many wait."""
    state = kitchen.line._states.get("local")
    return 0 if state is None else len(state.waiting)


@change
async def test_in_the_middle_of_an_answer(kitchen: Kitchen, change: Callable[[Kitchen], None], status: int) -> None:
    """Who is being answered reads on to the end, under the plan that was; the next turn is told."""
    free = asyncio.Event()
    kitchen.model.replies = [Reply(stall=free), Reply()]
    task, plate = begin(kitchen)
    await kitchen.model.working.wait()
    change(kitchen)
    assert error_of(await _read(kitchen))["code"] == status
    free.set()
    await task
    await kitchen.settled()
    assert text_in(plate.events) == "Hello there"
    assert kitchen.rows() == [("turn", "done", True, 7, 2, False)]
    assert [(call.plan, call.assistant) for call in kitchen.books.calls.values()] == [("free", "coach")]


async def _read(kitchen: Kitchen, **how: Any) -> list[bytes]:
    task, plate = begin(kitchen, **how)
    await task
    return plate.events


@change
@pytest.mark.parametrize("lost", [False, True], ids=["kept", "hold-lost"])
async def test_while_waiting_in_the_line(
    kitchen: Kitchen, change: Callable[[Kitchen], None], status: int, lost: bool
) -> None:
    """Who waits was admitted, and is served when it is their turn; also where their hold has to be taken anew."""
    kitchen.queues["local"] = Capacity("local", 1, None, 10, 60.0)
    free = asyncio.Event()
    kitchen.model.replies = [Reply(stall=free), Reply()]
    turns = [begin(kitchen)]
    await kitchen.model.working.wait()
    turns.append(begin(kitchen))
    await until(lambda: in_line(kitchen) == 1)
    change(kitchen)
    assert error_of(await _read(kitchen))["code"] == status
    if lost:
        await kitchen.true_store.unload()
    free.set()
    await asyncio.wait([task for task, _ in turns])
    await kitchen.settled()
    assert [text_in(plate.events) for _, plate in turns] == ["Hello there"] * 2
    assert kitchen.rows() == [("turn", "done", True, 7, 2, False)] * 2


async def test_a_change_between_an_answer_and_its_repair(kitchen: Kitchen) -> None:
    """The repair belongs to the turn that was admitted: it is made though the house has closed meanwhile."""
    kitchen.registry.offer(FORM)
    free = asyncio.Event()
    kitchen.model.replies = [Reply(pieces=["Sure!"], stall=free), Reply(pieces=['{"a": 1}'])]
    task, plate = begin(kitchen, model="assistants.form")
    await kitchen.model.working.wait()
    closing(kitchen)
    free.set()
    await task
    assert text_in(plate.events) == '{"a": 1}'


KINDS: dict[str, dict[str, Any]] = {
    "turn": {},
    "plain-model": {"model": "models.small"},
    "json": {"model": "assistants.form"},
    "task": {"kind": "task"},
    "next-tool-call": {"turn_id": "b" * 32},
}


@pytest.mark.parametrize("how", KINDS.values(), ids=KINDS)
async def test_a_closed_house_admits_nobody(kitchen: Kitchen, how: dict[str, Any]) -> None:
    """Turns, tasks, the next call of a tool loop: all read the operator's sentence, and nothing is asked or counted."""
    kitchen.registry.offer(FORM)
    how = dict(how)
    model = how.pop("model", "assistants.coach")
    stamp = kitchen.stamp(**how) if how else None
    await kitchen.stream(stamp=stamp if "turn_id" in how else None)
    before = list(kitchen.rows())
    closing(kitchen)
    error = error_of(await kitchen.stream(model=model, stamp=stamp))
    assert (error["code"], error["message"]) == (503, CLOSED)
    with pytest.raises(Told):
        await kitchen.answer(model=model, stamp=stamp)
    assert kitchen.rows() == before
    offer(kitchen, closed=None)
    assert kitchen.registry.catalogue.closed is None
    kitchen.model.replies = [Reply(pieces=['{"a": 1}'])]
    assert text_in(await kitchen.stream(model=model, stamp=stamp)) == '{"a": 1}'


async def test_a_closed_house_refuses_foreign_models(kitchen: Kitchen) -> None:
    """The filter says the operator's sentence; a turn of theirs that was admitted before is settled by its outlet."""
    kitchen.balanced = False
    foreign = ForeignTurns(kitchen.turns, kitchen.turns.holds.ledger, PRICES)
    body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}], "metadata": {"message_id": "m"}}
    await foreign.admit(FRAN, body, "")
    closing(kitchen)
    with pytest.raises(Told) as told:
        await foreign.admit(FRAN, body, "")
    assert kitchen.turns.sentence(told.value, None) == CLOSED
    answer = {"role": "assistant", "content": "y", "usage": {"input_tokens": 9, "output_tokens": 2}}
    await foreign.settle("u1", {"model": "gpt", "chat_id": "c", "id": "m", "messages": [answer]})
    assert [row[1] for row in kitchen.rows()] == ["done"]


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

TOO_LONG = "took longer than"


async def test_a_turn_that_waits_too_long_for_its_turn() -> None:
    """The house's limit is on the whole turn: who still waits then is told, leaves the line, and has nothing held."""
    short = Kitchen(max_turn_seconds=0.2)
    short.queues["local"] = Capacity("local", 1, None, 10, 60.0)
    seat = await short.turns.room.seat(short.queues["local"], _ticket("u2"), _deaf)
    assert TOO_LONG in error_of(await short.stream())["message"]
    assert (short.model.calls, short.books.calls, in_line(short), await short.held()) == ([], {}, 0, 0)
    await short.turns.room.leave(seat, None)
    assert text_in(await short.stream()) == "Hello there"
    await short.check_books()


def _ticket(user: str) -> Ticket:
    return Ticket("hog", user, 1, "small", 10, 5, 5)


async def _deaf(_: object) -> None:
    return


@pytest.mark.parametrize(
    ("pieces", "json", "rows"),
    [
        pytest.param((), False, [("turn", "error", True, 10, 0, True)], id="before-the-first-token"),
        pytest.param(("Hello",), False, [("turn", "error", True, 10, 3, True)], id="in-the-middle"),
        pytest.param(
            ("Sure!",),
            True,
            [("turn", "done", True, 7, 2, False), ("repair", "error", False, 10, 0, True)],
            id="repair",
        ),
    ],
)
async def test_a_turn_that_takes_too_long(pieces: tuple[str, ...], json: bool, rows: list[Any]) -> None:
    """Wherever the limit is reached: a sentence, the upstream is let go, what it did is charged as estimated."""
    short = Kitchen(max_turn_seconds=0.2)
    short.registry.offer(FORM)
    hang = Reply(pieces=() if json else pieces, usage=None, stall=asyncio.Event())
    short.model.replies = [*([Reply(pieces=pieces)] if json else []), hang, Reply()]
    events = await short.stream(model="assistants.form" if json else "assistants.coach")
    assert TOO_LONG in error_of(events)["message"]
    assert short.rows() == rows
    await short.check_books()


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
async def test_an_upstream_that_never_answers_does_not_keep_the_only_seat(streamed: bool) -> None:
    """A provider that accepts a call and says nothing holds its seat no longer than a turn may last; who waits is
    then served."""
    short = Kitchen(max_turn_seconds=0.5)
    short.queues["local"] = Capacity("local", 1, None, 10, 60.0)
    short.model.replies = [Reply(pieces=(), usage=None, stall=asyncio.Event()), Reply()]
    first = asyncio.create_task(short.stream() if streamed else short.answer())
    await short.model.working.wait()
    seat = await short.turns.room.seat(short.queues["local"], _ticket("u2"), _deaf)
    await asyncio.gather(first, return_exceptions=True)
    await short.turns.room.leave(seat, None)
    assert text_in(await short.stream()) == "Hello there"
    assert [row[1] for row in short.rows()] == ["error", "done"]
    await short.check_books()


async def test_a_thousand_requests_of_one_guest(kitchen: Kitchen) -> None:
    """As many as may wait do, the others are refused at once and hold nothing; somebody else is served in between."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, tokens_per_day=None))
    kitchen.queues["local"] = Capacity("local", 1, None, 4, 60.0)
    free = asyncio.Event()
    kitchen.model.replies = [Reply(stall=free), Reply()]
    flood = [begin(kitchen) for _ in range(1000)]
    await until(lambda: sum(task.done() for task, _ in flood) == 995)
    await kitchen.turns.settlements.drain(10)
    assert len(kitchen.turns.pulse._holds) == 5
    live = await kitchen.held()
    assert live == 5 * 110
    other, plate = begin(kitchen, guest=Guest("u2", "", ""))
    await until(lambda: in_line(kitchen) == 5)
    free.set()
    await asyncio.wait([other, *(task for task, _ in flood)])
    await kitchen.settled()
    assert text_in(plate.events) == "Hello there"
    assert [call.user_id for call in kitchen.books.calls.values()].index("u2") <= 2, "weights are equal"
    refused = [error_of(plate.events)["code"] for _, plate in flood if text_in(plate.events) == ""]
    assert refused == [429] * 995
    assert [row[1] for row in kitchen.rows()] == ["done"] * 6
    kitchen.balanced = False  # two guests
    assert (await kitchen.held(), kitchen.turns.pulse._holds, in_line(kitchen)) == (0, set(), 0)
