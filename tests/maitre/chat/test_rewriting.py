"""A question rewritten from the conversation: one small call, a row of kind task in the same turn, never shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from maitre.errors import ProviderError, QuotaExceeded
from maitre.memory.memory import Memory
from tests.maitre.chat.kitchen import FREE, Kitchen, Plate, Reply, limited, text_in
from tests.maitre.chat.library import KEYS, READING, asked, furnish, system

TALK = [
    {"role": "user", "content": "Tell me of the bar."},
    {"role": "assistant", "content": "It is a fine one."},
    {"role": "user", "content": "And where do they hang?"},
]
REWRITTEN = Reply(pieces=['"Where do the keys ', 'of the bar hang?"\n'])


def sought(kitchen: Kitchen) -> list[str | None]:
    """What was looked for."""
    return [report.arguments for report in kitchen.tracer.tools]


@pytest.mark.parametrize("streamed", [True, False])
async def test_the_question_is_asked_in_words_of_its_own(kitchen: Kitchen, streamed: bool) -> None:
    """The upstream's small answer is looked for, and nothing of it reaches the guest; both calls are rows of the turn,
    and one request."""
    furnish(kitchen, rewrite=True)
    kitchen.model.replies = [REWRITTEN, Reply()]
    if streamed:
        assert text_in(await kitchen.stream(**asked(messages=TALK))) == "Hello there"
    else:
        whole = await kitchen.answer(**asked(messages=TALK))
        assert whole["choices"][0]["message"]["content"] == "Hello there"
        assert whole["usage"]["total_tokens"] == 9
    assert sought(kitchen) == ["Where do the keys of the bar hang?"]
    assert KEYS.text in system(kitchen)
    (_, small), (_, turn) = kitchen.model.calls
    assert small["max_tokens"] == 30  # the house's task_max_tokens, below 128
    assert "stream" not in small
    assert "And where do they hang?" in small["messages"][1]["content"]
    assert [one["content"] for one in turn["messages"][1:]] == [one["content"] for one in TALK]
    assert [row[:3] for row in kitchen.rows()] == [("task", "done", False), ("turn", "done", True)]
    assert len({call.turn_id for call in kitchen.books.calls.values()}) == 1


async def test_a_first_message_needs_no_rewriting(kitchen: Kitchen) -> None:
    """There is nothing around it."""
    furnish(kitchen, rewrite=True)
    await kitchen.answer(**asked())
    assert len(kitchen.model.calls) == 1
    assert KEYS.text in system(kitchen)


async def test_a_session_is_a_conversation_too(kitchen: Kitchen) -> None:
    """A client sends only what is new: what was said before is the memory's."""
    furnish(kitchen, rewrite=True)
    kitchen.registry.offer(replace(READING, memory=Memory(), knowledge=replace(READING.knowledge, rewrite=True)))  # type: ignore[type-var]
    for text in ("Tell me of the bar.", "Where do they hang?"):
        await kitchen.turns.answer(replace(kitchen.request(**asked(text)), session_id="s1"))
        await kitchen.settled()
    first, small, _ = (body for _, body in kitchen.model.calls)
    assert first["messages"][-1]["content"] == "Tell me of the bar."
    assert (
        "Guest: Tell me of the bar.\n\nAssistant: Hello there\n\nGuest: Where do they hang?"
        in (small["messages"][1]["content"])
    )


@pytest.mark.parametrize(
    "small", [Reply(pieces=()), Reply(pieces=(), fault=ProviderError("provider_down", status=503)), None]
)
async def test_without_a_rewritten_question_it_is_asked_as_it_is(kitchen: Kitchen, small: Reply | None) -> None:
    """An empty, failed or late answer costs no more than its half of the deadline."""
    furnish(kitchen, rewrite=True, deadline_seconds=3 if small else 0.1)
    kitchen.model.replies = [small or Reply(stall=asyncio.Event()), Reply()]
    talk = [*TALK[:2], {"role": "user", "content": "And the keys of the bar?"}]
    whole = await kitchen.answer(**asked(messages=talk))
    assert sought(kitchen) == ["And the keys of the bar?"]
    assert len(whole["sources"]) == 1
    assert [row[0] for row in kitchen.rows()] == ["task", "turn"]


async def test_who_is_refused_pays_for_no_rewriting(kitchen: Kitchen) -> None:
    """A window that is full is known before."""
    furnish(kitchen, rewrite=True)
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    await kitchen.answer(model="models.small")
    with pytest.raises(QuotaExceeded):
        await kitchen.answer(**asked(messages=TALK))
    assert len(kitchen.model.calls) == 1


async def test_a_plan_of_one_call_at_a_time_is_enough(kitchen: Kitchen) -> None:
    """What rewriting held is given back before the turn asks for its own."""
    furnish(kitchen, rewrite=True)
    kitchen.registry.offer(limited(FREE, concurrency=1, tokens_per_day=150))
    kitchen.model.replies = [REWRITTEN, Reply()]
    assert (await kitchen.answer(**asked(messages=TALK)))["sources"]


async def test_a_guest_who_leaves_meanwhile_ends_it(kitchen: Kitchen) -> None:
    """The small call is settled as any that is stopped."""
    furnish(kitchen, rewrite=True)
    kitchen.model.replies = [Reply(stall=asyncio.Event())]
    request: Any = kitchen.request(**asked(messages=TALK))
    turn = asyncio.create_task(kitchen.turns.stream(request, Plate()))
    await kitchen.model.working.wait()
    turn.cancel()
    await asyncio.wait({turn})
    await kitchen.settled()
    assert [row[:2] for row in kitchen.rows()] == [("task", "stopped")]
