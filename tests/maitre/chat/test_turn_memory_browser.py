"""An assistant that remembers in the browser, too: from one chat to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from maitre.chat.message import TurnRequest
from maitre.memory.memory import Memory
from tests.maitre.chat.diary import remember, sent, stored
from tests.maitre.chat.kitchen import COACH, Kitchen, Plate, Reply

BROWSING = replace(COACH, memory=Memory(browser=True))


def browsed(kitchen: Kitchen, chat: str, texts: Sequence[str], turn: str = "a", **more: Any) -> TurnRequest:
    """A turn of the browser, which sends the whole chat."""
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    stamp = kitchen.stamp(turn * 32, chat_id=chat, browser=True, **more)
    return kitchen.request(messages=messages, stamp=stamp)


async def chat(kitchen: Kitchen, id: str, *texts: str, **more: Any) -> None:
    """Serve a turn of the browser."""
    await kitchen.turns.stream(browsed(kitchen, id, texts, **more), Plate())
    await kitchen.settled()
    kitchen.clock.advance(1)


async def test_the_browser_remembers_from_chat_to_chat(kitchen: Kitchen) -> None:
    """A chat has the other chats' newest turns before it, with each of its turns, and never its own twice."""
    remember(kitchen, BROWSING)
    await chat(kitchen, "c1", "I am Fran.", turn="a")
    await chat(kitchen, "c1", "I am Fran.", "Hello there", "I run.", turn="b")
    assert sent(kitchen) == ["I am Fran.", "Hello there", "I run."]
    await chat(kitchen, "c2", "Who am I?", turn="c")
    assert sent(kitchen) == ["I am Fran.", "Hello there", "I run.", "Hello there", "Who am I?"]
    await chat(kitchen, "c2", "Who am I?", "Hello there", "Sure?", turn="d")
    others = ["I am Fran.", "Hello there", "I run.", "Hello there"]
    assert sent(kitchen) == [*others, "Who am I?", "Hello there", "Sure?"]
    assert await stored(kitchen, "chat:coach:c2") == [["Who am I?", "Hello there"], ["Sure?", "Hello there"]]


async def test_a_copied_chat_is_not_put_before_itself(kitchen: Kitchen) -> None:
    """Turns that stand in the chat are not recalled from the chat that it was copied from."""
    remember(kitchen, BROWSING)
    await chat(kitchen, "c1", "I am Fran.")
    await chat(kitchen, "c2", "I am Fran.", "Hello there", "Who am I?", turn="b")
    assert sent(kitchen) == ["I am Fran.", "Hello there", "Who am I?"]


async def test_temporary_chats_and_tasks_have_no_memory(kitchen: Kitchen) -> None:
    """They neither see nor leave anything; nor does an assistant whose memory is for the API only."""
    remember(kitchen, BROWSING)
    await chat(kitchen, "local:1", "secret", turn="b")
    await chat(kitchen, "c2", "title?", turn="c", kind="task")
    assert await kitchen.sessions.of("u1", 9, None, None) == []
    await chat(kitchen, "c1", "I am Fran.")
    await chat(kitchen, "local:1", "Who am I?", turn="d")
    assert sent(kitchen) == ["Who am I?"]
    remember(kitchen)
    await chat(kitchen, "c3", "Who am I?", turn="e")
    assert sent(kitchen) == ["Who am I?"]
    assert len(await kitchen.sessions.of("u1", 9, None, None)) == 1


async def test_a_tool_loop_of_the_browser_is_one_turn(kitchen: Kitchen) -> None:
    """All its calls carry one stamp; what is kept grows with them."""
    remember(kitchen, replace(BROWSING, tools=True))
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    kitchen.model.replies = [Reply(pieces=(), tool_calls=[{"index": 0, **call}], finish="tool_calls"), Reply()]
    stamp = kitchen.stamp(chat_id="c1", browser=True)
    talk: list[dict[str, Any]] = [{"role": "user", "content": "2+2?"}]
    await kitchen.turns.stream(kitchen.request(messages=talk, stamp=stamp), Plate())
    talk += [{"role": "assistant", "content": "", "tool_calls": [call]}]
    talk += [{"role": "tool", "content": "4", "tool_call_id": "c1"}]
    await kitchen.turns.stream(kitchen.request(messages=talk, stamp=stamp), Plate())
    await kitchen.settled()
    assert await stored(kitchen, "chat:coach:c1") == [["2+2?", "", "4", "Hello there"]]


async def test_an_answer_that_is_written_anew_counts_once(kitchen: Kitchen) -> None:
    """Of two turns that ask the same the newer one is recalled."""
    remember(kitchen, BROWSING)
    kitchen.model.replies = [Reply(pieces=["one"]), Reply(pieces=["two"]), Reply()]
    await chat(kitchen, "c1", "I am Fran.", turn="a")
    await chat(kitchen, "c1", "I am Fran.", turn="b")
    await chat(kitchen, "c2", "Who am I?", turn="c")
    assert sent(kitchen) == ["I am Fran.", "two", "Who am I?"]
