"""A turn of an assistant whose memory finds older turns that are like what the guest says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from maitre.assistants.assistant import Assistant
from maitre.chat.message import Stamp
from maitre.errors import QuotaExceeded
from maitre.memory.memory import Memory
from tests.maitre.chat.diary import answer, asked, remember, sent
from tests.maitre.chat.kitchen import COACH, FREE, SMALL, Kitchen, limited

FINDING = replace(COACH, memory=Memory(load=2, keep=6, relevant=2))
TALK = ["My cat is called Pixel.", "I run on Mondays.", "My cat eats fish.", "It rains.", "It snows."]


@pytest.fixture
def kitchen(kitchen: Kitchen) -> Kitchen:
    """One whose guest may ask often."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=None), FINDING)
    return kitchen


def told(kitchen: Kitchen) -> str:
    """The system message of the last call."""
    text: str = kitchen.model.calls[-1][1]["messages"][0]["content"]
    return text


async def talk(kitchen: Kitchen, *texts: str) -> None:
    """So many turns, each a minute after the one before."""
    for text in texts or TALK:
        await answer(kitchen, text)
        kitchen.clock.advance(60)


async def index_round(kitchen: Kitchen) -> None:
    """Have the index told what it is to be told."""
    assert kitchen.turns.index_round is not None
    kitchen.turns.index_round.begin()
    await kitchen.settled()


async def found(kitchen: Kitchen, question: str = "What is the name of my cat?") -> list[str]:
    """Those of the texts that the index finds."""
    session = (await kitchen.sessions.read("u1", "s1", 0) or (None,))[0]
    ids = await kitchen.index.find("u1", session, question, 9)
    turns = await kitchen.sessions.those("u1", session, ids)
    return [turn.messages[0]["content"] for turn in turns]


async def test_older_turns_that_are_like_the_message_are_told(kitchen: Kitchen) -> None:
    """In the order of their time and marked as earlier, after the assistant's own words; the newest follow as before,
    and none of them is told twice."""
    await talk(kitchen)
    await answer(kitchen, "What does my cat eat when it snows?")
    first, second = told(kitchen).index("My cat is called Pixel."), told(kitchen).index("My cat eats fish.")
    assert told(kitchen).startswith("You coach.\n\nEarlier turns")
    assert first < second
    assert "[2026-11-21 12:00]\nGuest: My cat is called Pixel.\nYou: Hello there" in told(kitchen)
    assert "snows" not in told(kitchen)
    assert "Mondays" not in told(kitchen)
    assert sent(kitchen) == [
        "It rains.",
        "Hello there",
        "It snows.",
        "Hello there",
        "What does my cat eat when it snows?",
    ]


async def test_without_it_nothing_is_put_into_the_index(kitchen: Kitchen) -> None:
    """Neither asked nor told: it is off by default."""
    remember(kitchen, replace(COACH, memory=Memory(load=2)))
    kitchen.index.down["find"] = kitchen.index.down["put"] = 9
    await talk(kitchen)
    assert kitchen.index.down == {"find": 9, "put": 9}


async def test_a_short_session_pays_no_embedding(kitchen: Kitchen) -> None:
    """As long as nothing is older than the newest turns, nothing is looked for; from then on it is."""
    kitchen.index.down["find"] = 9
    for text in ("one", "two", "three"):
        await answer(kitchen, text)
        await answer(kitchen, text, session="")
    assert kitchen.index.down["find"] == 9
    await answer(kitchen, "four")
    assert kitchen.index.down["find"] == 8


async def test_a_turn_goes_on_when_the_index_is_down(kitchen: Kitchen, caplog: pytest.LogCaptureFixture) -> None:
    """With the newest turns; the answer says that the memory is only a part."""
    await talk(kitchen)
    kitchen.index.down["find"] = 1
    request = asked(kitchen, "Tell me of my cat")
    await kitchen.turns.answer(request)
    await kitchen.settled()
    assert request.notes["X-Memory"] == "partial"
    assert sent(kitchen)[0] == "It rains."
    assert "Pixel" not in told(kitchen)
    assert "goes on without its older turns" in caplog.text
    assert "cat" not in caplog.text


async def test_an_index_that_hangs_costs_no_more_than_a_second(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same deadline as the newest turns'; nobody waits for the search afterwards."""
    await talk(kitchen)
    monkeypatch.setattr("maitre.chat.recall.PATIENCE", 0.05)
    kitchen.index.slow["find"] = asyncio.Event()
    request = asked(kitchen, "Tell me of my cat")
    await kitchen.turns.answer(request)
    await kitchen.settled()
    assert request.notes["X-Memory"] == "partial"
    assert sent(kitchen)[0] == "It rains."


async def test_a_memory_that_is_down_is_told_as_such(kitchen: Kitchen) -> None:
    """Without the newest turns no older ones are told either."""
    await talk(kitchen)
    kitchen.sessions.down["read"] = 1
    request = asked(kitchen, "Tell me of my cat")
    await kitchen.turns.answer(request)
    await kitchen.settled()
    assert request.notes["X-Memory"] == "unavailable"
    assert sent(kitchen) == ["Tell me of my cat"]
    assert told(kitchen) == "You coach."


async def test_what_could_not_be_told_to_the_index_is_told_later(kitchen: Kitchen) -> None:
    """A turn that is kept while the index is down is found as soon as that hears of it."""
    kitchen.index.down["put"] = 3
    await talk(kitchen, "My cat is called Pixel.")
    assert await found(kitchen) == []
    kitchen.index.down["put"] = 0
    kitchen.clock.advance(120)
    await index_round(kitchen)
    assert await found(kitchen) == ["My cat is called Pixel."]


@pytest.mark.parametrize("how", ["drop", "retention", "keep"])
async def test_what_is_deleted_is_forgotten_by_the_index(kitchen: Kitchen, how: str) -> None:
    """A session's end, its retention, a turn beyond `keep`: when the index was down then, it is told until it hears."""
    await talk(kitchen, *TALK, "My cat sleeps.")
    session = (await kitchen.sessions.read("u1", "s1", 0) or (None,))[0]
    before = await kitchen.index.find("u1", session, "cat Mondays", 9)
    assert len(before) == 4
    kitchen.index.down["forget"] = 2
    if how == "drop":
        await kitchen.sessions.drop("u1", "s1")
    elif how == "retention":
        await kitchen.sessions.forget(kitchen.clock() + timedelta(days=31))
    else:
        await talk(kitchen, "six", "seven", "eight")
    for _ in range(4):
        await index_round(kitchen)
        kitchen.clock.advance(120)
    left = await kitchen.index.find("u1", session, "cat Mondays", 9)
    assert len(left) == (0 if how != "keep" else 1)
    kitchen.index.down["forget"] = 1
    await index_round(kitchen)
    assert kitchen.index.down["forget"] == 1  # there is nothing left to forget


async def test_a_turn_deleted_while_it_is_told_is_forgotten_all_the_same(kitchen: Kitchen) -> None:
    """The index hears of it after it was told to forget it, and is told once more."""
    kitchen.index.slow["put"] = asyncio.Event()
    await kitchen.turns.answer(asked(kitchen, "My cat is called Pixel."))
    await kitchen.turns.keeping.drain(9)
    await kitchen.index.waiting.wait()
    session = (await kitchen.sessions.read("u1", "s1", 0) or (None,))[0]
    await kitchen.sessions.drop("u1", "s1")
    kitchen.index.slow["put"].set()
    await kitchen.settled()
    for _ in range(3):
        await index_round(kitchen)
        kitchen.clock.advance(150)
    assert await kitchen.index.find("u1", session, "cat", 9) == []


async def test_what_the_index_still_has_is_not_told(kitchen: Kitchen) -> None:
    """The words are read where they are kept: a turn that is gone there is gone, whatever the index finds."""
    await talk(kitchen)
    kitchen.index.down["forget"] = 99
    await talk(kitchen, "three", "four", "five")
    await answer(kitchen, "What is the name of my cat?")
    assert "Pixel" not in told(kitchen)


@pytest.mark.parametrize(
    ("assistant", "how"),
    [
        pytest.param(replace(FINDING, record="metadata"), {}, id="words are not kept"),
        pytest.param(FINDING, {"store": False}, id="store: false"),
    ],
)
async def test_words_that_are_not_kept_are_not_indexed(
    kitchen: Kitchen, assistant: Assistant, how: dict[str, bool]
) -> None:
    """`record` and `store` hold for the index, too; nor is it asked then."""
    remember(kitchen, assistant)
    kitchen.index.down["find"] = kitchen.index.down["put"] = 9
    await answer(kitchen, "My cat is called Pixel.", **how)
    assert kitchen.index.down == {"find": 9, "put": 9}


async def test_it_takes_at_most_half_of_the_room(kitchen: Kitchen) -> None:
    """An older turn that is longer than that is left out, a shorter one is told, and the newest turns keep the rest."""
    await talk(kitchen, "My cat " + "purrs " * 60, "My cat sleeps.", "It rains.", "It snows.")
    kitchen.models["small"] = replace(SMALL, context=500)
    await answer(kitchen, "Tell me of my cat")
    assert "sleeps" in told(kitchen)
    assert "purrs" not in told(kitchen)
    assert sent(kitchen)[::2] == ["It rains.", "It snows.", "Tell me of my cat"]
    kitchen.models["small"] = replace(SMALL, context=130)
    await answer(kitchen, "Tell me of my cat")
    assert told(kitchen) == "You coach."
    assert kitchen.model.calls[-1][1]["max_tokens"] == 100


async def test_another_model_gets_it_anew(kitchen: Kitchen) -> None:
    """What the first one was told is taken back before the next one's share is chosen."""
    await talk(kitchen)
    prepared = await kitchen.turns.prepare(asked(kitchen, "Tell me of my cat"), streamed=False)
    assert "Pixel" in prepared.body["messages"][0]["content"]
    for context, text in ((None, "Pixel"), (112, "")):
        other = replace(SMALL, id="other", context=context)
        course = await kitchen.turns.reception.for_the_next(replace(prepared, others=(other,)))
        first = course.body["messages"][0]["content"]
        assert text in first
        assert first.count("Earlier turns") == bool(text)


async def test_the_browsers_other_chats_are_looked_through(kitchen: Kitchen) -> None:
    """Where the assistant remembers there: not the chat that asks, which Open WebUI sends itself."""
    remember(kitchen, replace(COACH, memory=Memory(load=1, relevant=2, browser=True)))

    def stamp(number: int, chat: str) -> Stamp:
        return kitchen.stamp(f"{number:032x}", browser=True, chat_id=chat)

    for number, (chat, text) in enumerate([("a", TALK[0]), ("b", TALK[1]), ("c", TALK[2]), ("d", TALK[3])]):
        await kitchen.answer(text, stamp=stamp(number, chat))
        kitchen.clock.advance(60)
    await kitchen.answer("Tell me of my cat", stamp=stamp(9, "a"))
    assert "fish" in told(kitchen)
    assert "Pixel" not in told(kitchen)
    assert sent(kitchen) == ["It rains.", "Hello there", "Tell me of my cat"]


async def test_a_turn_that_will_be_refused_costs_no_embedding(kitchen: Kitchen) -> None:
    """A window that is full is known before anything is looked for."""
    await talk(kitchen)
    kitchen.registry.offer(limited(FREE, requests_per_minute=None, requests_per_day=len(TALK)))
    kitchen.index.down["find"] = 9
    with pytest.raises(QuotaExceeded):
        await kitchen.turns.answer(asked(kitchen, "My cat?"))
    assert kitchen.index.down["find"] == 9
