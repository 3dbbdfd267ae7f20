"""A turn of an assistant whose memory keeps a running summary of its sessions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from maitre.errors import ProviderError
from maitre.memory.memory import Memory
from tests.maitre.chat.diary import answer, asked, remember, sent, stored
from tests.maitre.chat.kitchen import COACH, FREE, SMALL, Kitchen, Reply, limited
from tests.maitre.chat.test_fallback import DOWN, Two

SUMMING = replace(COACH, memory=Memory(load=2, keep=10, summary=True, summary_tokens=50))
SUMMARY = Reply(("They spoke of one.",), usage={"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45})


@pytest.fixture
def kitchen(kitchen: Kitchen) -> Kitchen:
    """One whose guest may ask often."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None), SUMMING)
    return kitchen


async def talk(kitchen: Kitchen, *texts: str) -> None:
    """So many turns, with the summary for those that make one due."""
    for text in texts:
        kitchen.model.replies = [Reply(), SUMMARY]
        await answer(kitchen, text)
        kitchen.clock.advance(60)
    kitchen.model.replies = [Reply()]


async def under_way(kitchen: Kitchen) -> None:
    """Wait until the upstream was called for a summary."""
    await kitchen.turns.keeping.drain(9)
    kitchen.model.working.clear()
    await kitchen.model.working.wait()


def told(kitchen: Kitchen) -> str:
    """The system message of the last call."""
    text: str = kitchen.model.calls[-1][1]["messages"][0]["content"]
    return text


async def kept(kitchen: Kitchen) -> str:
    """The session's summary."""
    found = await kitchen.sessions.read("u1", "s1", 0)
    return "" if found is None else found[0].summary


async def test_what_falls_out_of_the_newest_turns_is_summed_up(kitchen: Kitchen) -> None:
    """By the assistant's own model, after the answer: a row of the kind summary, on the guest's account, in the turn
    that made it due, and no request. From then on it stands before the newest turns."""
    await talk(kitchen, "one", "two")
    assert await kept(kitchen) == ""
    await talk(kitchen, "three")
    assert await kept(kitchen) == "They spoke of one."
    rows = [(row[0], row[1], row[2]) for row in kitchen.rows()]
    assert rows == [("turn", "done", True)] * 3 + [("summary", "done", False)]
    *_, turn, summary = kitchen.books.calls.values()
    assert (summary.turn_id, summary.user_id, summary.model) == (turn.turn_id, "u1", "small")
    body = kitchen.model.calls[-1][1]
    assert body["max_tokens"] == 50
    assert body["model"] == "upstream-small"
    said = body["messages"][1]["content"]
    assert "Guest: one\nYou: Hello there" in said
    assert "Guest: two" in said
    assert "three" not in said
    await answer(kitchen, "four")
    assert told(kitchen).startswith("You coach.\n\nA summary of what was said earlier")
    assert told(kitchen).endswith("They spoke of one.")
    assert sent(kitchen) == ["two", "Hello there", "three", "Hello there", "four"]


async def test_the_next_one_goes_on_from_the_last(kitchen: Kitchen) -> None:
    """Each turn is folded once, into the summary so far; none falls between the summary and the newest turns."""
    await talk(kitchen, "one", "two", "three", "four", "five")
    said = kitchen.model.calls[-1][1]["messages"][1]["content"]
    assert said.startswith("The summary so far:\n\nThey spoke of one.")
    assert "one\n" not in said.partition("What was said since:")[2]
    assert "Guest: three" in said
    assert "Guest: four" in said
    assert [row[0] for row in kitchen.rows()].count("summary") == 2


async def test_without_it_no_call_is_made(kitchen: Kitchen) -> None:
    """It is off by default, and off for the browser's chats, which Open WebUI sends whole."""
    remember(kitchen, replace(COACH, memory=Memory(load=1, browser=True)))
    await talk(kitchen, "one", "two", "three")
    remember(kitchen, replace(COACH, memory=Memory(load=1, browser=True, summary=True)))
    for number in range(4):
        await kitchen.answer("hi", stamp=kitchen.stamp(f"f{number:031x}", browser=True, chat_id="c"))
    assert {row[0] for row in kitchen.rows()} == {"turn"}


async def test_a_guest_does_not_wait_for_it(kitchen: Kitchen) -> None:
    """The answer is there, and the next one, while a summary is still being written: it takes no place of the guest's
    calls at once. Only one is made at a time."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, concurrency=1), SUMMING)
    await talk(kitchen, "one", "two")
    stall = asyncio.Event()
    kitchen.model.replies = [Reply(), replace(SUMMARY, stall=stall), Reply()]
    await kitchen.turns.answer(asked(kitchen, "three"))
    await under_way(kitchen)
    for text in ("four", "five", "six"):
        assert (await kitchen.turns.answer(asked(kitchen, text)))["choices"]
        await kitchen.turns.keeping.drain(9)
        await kitchen.turns.settlements.drain(9)
    stall.set()
    await kitchen.settled()
    assert [row[0] for row in kitchen.rows()].count("summary") == 1
    assert await kept(kitchen) == "They spoke of one."


async def test_a_limit_that_is_full_leaves_it_for_later(kitchen: Kitchen, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is told to the guest, no row is left, and no turn is lost: the next one makes it, after a rest."""
    await talk(kitchen, "one", "two")
    used = sum(row[3] + row[4] for row in kitchen.rows())
    # Room for the answer, and then for nothing.
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, tokens_per_day=used + 115), SUMMING)
    kitchen.model.replies = [Reply(usage={"prompt_tokens": 10, "completion_tokens": 90, "total_tokens": 100})]
    assert (await answer(kitchen, "three"))["choices"]
    assert [row[0] for row in kitchen.rows()] == ["turn"] * 3
    assert await kept(kitchen) == ""
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    kitchen.registry.offer(limited(FREE, requests_per_minute=None), SUMMING)
    kitchen.clock.advance(30)
    await talk(kitchen, "four")
    assert await kept(kitchen) == ""
    kitchen.clock.advance(60)
    await talk(kitchen, "five")
    assert await kept(kitchen) == "They spoke of one."
    said = kitchen.model.calls[-1][1]["messages"][1]["content"]
    assert all(f"Guest: {text}" in said for text in ("one", "two", "three"))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(fault=ProviderError("provider_down", status=503)), id="the upstream is down"),
        pytest.param(Reply(pieces=()), id="it says nothing"),
    ],
)
async def test_one_that_fails_changes_nothing(kitchen: Kitchen, reply: Reply) -> None:
    """The session keeps the summary that it has."""
    await talk(kitchen, "one", "two", "three")
    kitchen.model.replies = [Reply(), Reply(), reply]
    await answer(kitchen, "four")
    await answer(kitchen, "five")
    assert await kept(kitchen) == "They spoke of one."
    assert [row[0] for row in kitchen.rows()].count("summary") == 2


async def test_a_session_that_is_deleted_meanwhile_gets_none(kitchen: Kitchen) -> None:
    """Neither it nor one that was made anew under its name."""
    await talk(kitchen, "one", "two")
    stall = asyncio.Event()
    kitchen.model.replies = [Reply(), replace(SUMMARY, stall=stall), Reply()]
    await kitchen.turns.answer(asked(kitchen, "three"))
    await under_way(kitchen)
    await kitchen.sessions.drop("u1", "s1")
    kitchen.clock.advance(1)
    await kitchen.turns.answer(asked(kitchen, "anew"))
    stall.set()
    await kitchen.settled()
    assert await stored(kitchen) == [["anew", "Hello there"]]
    assert await kept(kitchen) == ""


async def test_words_are_forgotten_with_their_retention(kitchen: Kitchen) -> None:
    """A summary lives no longer than the oldest turn that is in it; it begins anew with the turns that are left."""
    await talk(kitchen, "one", "two")
    kitchen.clock.advance(86_400)
    await talk(kitchen, "three")
    await kitchen.sessions.forget(kitchen.clock() + timedelta(days=28))
    assert await kept(kitchen) == "They spoke of one."
    await kitchen.sessions.forget(kitchen.clock() + timedelta(days=29, hours=1))
    assert await kept(kitchen) == ""
    assert await stored(kitchen) == [["three", "Hello there"]]


@pytest.mark.parametrize("how", ["metadata", "store"])
async def test_words_that_are_not_kept_are_in_no_summary(kitchen: Kitchen, how: str) -> None:
    """A turn that may leave nothing makes none, and is in none."""
    await talk(kitchen, "one", "two")
    more: dict[str, Any] = {"store": False} if how == "store" else {}
    if how == "metadata":
        remember(kitchen, replace(SUMMING, record="metadata"))
    await answer(kitchen, "secret", **more)
    remember(kitchen, SUMMING)
    assert "summary" not in {row[0] for row in kitchen.rows()}
    await talk(kitchen, "three")
    assert "secret" not in str(kitchen.model.calls[-1][1]["messages"])


async def test_long_turns_are_folded_as_far_as_the_model_reads(kitchen: Kitchen) -> None:
    """As many at a time as have room beside the summary; the rest is for the next one."""
    await talk(kitchen, "one " * 60, "two")

    async def count(body: Any) -> int:
        return sum(len(str(message["content"])) for message in body["messages"]) // 4

    kitchen.model.count_prompt = count  # type: ignore[method-assign]
    kitchen.models["small"] = replace(SMALL, context=225)
    await talk(kitchen, "three")
    said = kitchen.model.calls[-1][1]["messages"][1]["content"]
    assert "one one" in said
    assert "two" not in said
    await talk(kitchen, "four")
    said = kitchen.model.calls[-1][1]["messages"][1]["content"]
    assert said.startswith("The summary so far:\n\nThey spoke of one.")
    assert "two" in said


async def test_a_house_that_closes_ends_it(kitchen: Kitchen) -> None:
    """Its call is settled like any that was stopped, and the session can be summed up again."""
    await talk(kitchen, "one", "two")
    kitchen.model.replies = [Reply(), replace(SUMMARY, stall=asyncio.Event()), Reply()]
    await kitchen.turns.answer(asked(kitchen, "three"))
    await under_way(kitchen)
    await kitchen.turns.drain(0.01)
    await kitchen.settled()
    assert [row[:2] for row in kitchen.rows()][-1] == ("summary", "stopped")
    kitchen.clock.advance(200)
    await talk(kitchen, "four")
    assert await kept(kitchen) == "They spoke of one."


async def test_the_next_model_sums_up_as_briefly() -> None:
    """Whoever is asked instead of a model that fails may write no more than a summary."""
    two = Two()
    two.registry.offer(replace(SUMMING, model="best"))
    await talk(two, "one", "two")
    two.model.replies = [Reply(), Reply(pieces=(), fault=DOWN)]
    two.next.replies = [SUMMARY]
    await answer(two, "three")
    assert [body["max_tokens"] for _, body in two.next.calls] == [50]
    assert await kept(two) == "They spoke of one."
