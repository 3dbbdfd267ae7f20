"""A turn of an assistant with a memory: what goes before it, what is kept of it, and when not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from maitre.assistants.assistant import Assistant
from maitre.chat import sse
from maitre.chat.message import Guest
from maitre.errors import BadRequest, ProviderError
from maitre.memory.memory import Memory
from tests.maitre.chat.diary import REMEMBERING, answer, asked, remember, sent, stored
from tests.maitre.chat.kitchen import COACH, FREE, SMALL, Kitchen, Plate, Reply, error_of, text_in


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_session_goes_on(kitchen: Kitchen, streamed: bool) -> None:
    """The turns so far stand between the assistant's prompt and the new message; the row names the session."""
    remember(kitchen)
    await answer(kitchen, "I am Fran.")
    if streamed:
        plate = Plate()
        await kitchen.turns.stream(asked(kitchen, "Who am I?"), plate)
        await kitchen.settled()
        told = [sse.payload(event) or {} for event in plate.events]
        assert [chunk.get("session_id") for chunk in told] == ["s1"] + [None] * (len(told) - 1)
        assert text_in(plate.events) == "Hello there"
    else:
        assert (await answer(kitchen, "Who am I?"))["session_id"] == "s1"
    assert sent(kitchen) == ["I am Fran.", "Hello there", "Who am I?"]
    assert kitchen.model.calls[-1][1]["messages"][0]["content"] == "You coach."
    assert await stored(kitchen) == [["I am Fran.", "Hello there"], ["Who am I?", "Hello there"]]
    assert {call.chat_id for call in kitchen.books.calls.values()} == {"s1"}


async def test_a_session_is_made_for_who_has_none(kitchen: Kitchen) -> None:
    """Its id is told in body and header, nothing is asked of the store for it, and it goes on."""
    remember(kitchen)
    kitchen.sessions.down["read"] = 9
    request = asked(kitchen, "I am Fran.", session="")
    whole = await kitchen.turns.answer(request)
    assert request.notes == {"X-Session-Id": whole["session_id"]}
    kitchen.sessions.down["read"] = 0
    await answer(kitchen, "Who am I?", session=whole["session_id"])
    assert sent(kitchen)[0] == "I am Fran."


async def test_accounts_do_not_meet(kitchen: Kitchen) -> None:
    """Equal ids of two accounts are two sessions: nothing is read there, and nothing written."""
    remember(kitchen)
    await answer(kitchen, "I am Fran.")
    await answer(kitchen, "Who am I?", guest=Guest("u2", "petro@x.io", "Petro"))
    assert sent(kitchen) == ["Who am I?"]
    assert await stored(kitchen) == [["I am Fran.", "Hello there"]]
    assert await stored(kitchen, user="u2") == [["Who am I?", "Hello there"]]
    kitchen.balanced = False  # two accounts' books


@pytest.mark.parametrize(
    ("assistant", "how"),
    [
        pytest.param(COACH, {}, id="no memory"),
        pytest.param(REMEMBERING, {"store": False}, id="store: false"),
        pytest.param(replace(REMEMBERING, record="metadata"), {}, id="words are not kept"),
        pytest.param(REMEMBERING, {"model": "models.small"}, id="a plain model"),
    ],
)
async def test_a_turn_that_stands_alone_says_so(kitchen: Kitchen, assistant: Assistant, how: dict[str, Any]) -> None:
    """Nothing is read, nothing kept, no id told; the client's own id still groups the rows."""
    remember(kitchen, assistant)
    kitchen.sessions.down["read"] = kitchen.sessions.down["keep"] = 9
    request = asked(kitchen, **how)
    whole = await kitchen.turns.answer(request)
    await kitchen.settled()
    assert request.notes == {"X-Memory": "off"}
    assert "session_id" not in whole
    assert kitchen.sessions.down == {"read": 9, "keep": 9}
    assert {call.chat_id for call in kitchen.books.calls.values()} == {"s1"}


@pytest.mark.parametrize(("house", "plan"), [("none", "full"), ("full", "metadata")])
async def test_house_and_plan_must_allow_words_too(house: str, plan: str) -> None:
    """The strictest decides."""
    kitchen = Kitchen(record=house)
    kitchen.registry.offer(replace(FREE, record=plan), REMEMBERING)
    request = asked(kitchen)
    await kitchen.turns.answer(request)
    await kitchen.check_books()
    assert request.notes == {"X-Memory": "off"}
    assert await stored(kitchen) == []


async def test_without_a_memory_a_turn_costs_nothing(kitchen: Kitchen) -> None:
    """An assistant without one is told nothing and asks the store nothing, whatever the door; so is a door that knows
    no sessions."""
    kitchen.sessions.down["read"] = kitchen.sessions.down["keep"] = kitchen.sessions.down["elsewhere"] = 9
    quiet = asked(kitchen, session="")
    await kitchen.turns.answer(quiet)
    remember(kitchen)
    other = kitchen.request()
    await kitchen.turns.answer(other)
    await kitchen.settled()
    assert quiet.notes == other.notes == {}
    assert set(kitchen.sessions.down.values()) == {9}


async def test_a_turn_goes_on_when_the_memory_is_down(kitchen: Kitchen, caplog: pytest.LogCaptureFixture) -> None:
    """The answer and the trace say so; the turn is kept all the same when the store is back."""
    remember(kitchen)
    await answer(kitchen, "I am Fran.")
    kitchen.sessions.down["read"] = 1
    request = asked(kitchen, "Who am I?")
    assert (await kitchen.turns.answer(request))["session_id"] == "s1"
    await kitchen.settled()
    assert request.notes == {"X-Memory": "unavailable", "X-Session-Id": "s1"}
    assert sent(kitchen) == ["Who am I?"]
    assert [report.parameters["memory"] for report in kitchen.tracer.reports] == [0, "unavailable"]
    assert len(await stored(kitchen)) == 2
    assert "without its memory" in caplog.text


async def test_a_memory_that_hangs_is_not_waited_for(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time the turn goes on."""
    monkeypatch.setattr("maitre.chat.recall.PATIENCE", 0.01)
    remember(kitchen)
    kitchen.sessions.slow["read"] = asyncio.Event()
    request = asked(kitchen)
    await kitchen.turns.answer(request)
    assert request.notes["X-Memory"] == "unavailable"


async def test_what_cannot_be_kept_is_forgotten(kitchen: Kitchen, caplog: pytest.LogCaptureFixture) -> None:
    """The guest has the answer; the log has the turn, and no word of it."""
    remember(kitchen)
    kitchen.sessions.down["keep"] = 1
    assert (await answer(kitchen, "secret words"))["choices"]
    assert await stored(kitchen) == []
    assert "is not remembered" in caplog.text
    assert "secret words" not in caplog.text


async def test_a_client_that_asks_at_once_finds_its_last_turn(kitchen: Kitchen) -> None:
    """What is still being kept is waited for, and turns of one session keep their order."""
    remember(kitchen)
    kitchen.sessions.slow["keep"] = asyncio.Event()
    await kitchen.turns.answer(asked(kitchen, "I am Fran."))
    second = asyncio.create_task(kitchen.turns.answer(asked(kitchen, "Who am I?")))
    await kitchen.sessions.waiting.wait()
    kitchen.sessions.slow["keep"].set()
    await second
    await kitchen.settled()
    assert sent(kitchen) == ["I am Fran.", "Hello there", "Who am I?"]
    assert [turn[0] for turn in await stored(kitchen)] == ["I am Fran.", "Who am I?"]


async def test_turns_at_the_same_time_are_all_kept(kitchen: Kitchen) -> None:
    """None is lost."""
    remember(kitchen)
    texts = [f"text {number}" for number in range(5)]
    await asyncio.gather(*(kitchen.turns.answer(asked(kitchen, text)) for text in texts))
    await kitchen.settled()
    assert sorted(turn[0] for turn in await stored(kitchen)) == texts


async def test_a_session_of_another_assistant_is_refused(kitchen: Kitchen) -> None:
    """Before anything is asked of the upstream; the session stays as it was."""
    remember(kitchen)
    kitchen.registry.offer(replace(REMEMBERING, slug="other"))
    await answer(kitchen, "I am Fran.")
    with pytest.raises(BadRequest, match="other_assistant"):
        await answer(kitchen, "Hello", model="assistants.other")
    assert await stored(kitchen) == [["I am Fran.", "Hello there"]]


@pytest.mark.parametrize(("context", "count"), [(None, 4), (182, 4), (181, 3), (146, 2), (128, 1), (127, 0), (30, 0)])
async def test_the_newest_turns_that_fit_go_upstream(kitchen: Kitchen, context: int | None, count: int) -> None:
    """Beside a prompt of 10 tokens and the largest answer of 100; a turn is estimated at 18, and a context that is full
    without them has none."""
    remember(kitchen)
    for number in range(4):
        await answer(kitchen, f"{number}")
    kitchen.models["small"] = replace(SMALL, context=context)
    await answer(kitchen, "now")
    assert sent(kitchen)[::2] == [f"{number}" for number in range(4 - count, 4)] + ["now"]
    assert kitchen.model.calls[-1][1]["max_tokens"] == min(100, (context or 1000) - 10)


async def test_a_memory_leaves_room_for_tools(kitchen: Kitchen) -> None:
    """Of what is free half is for what the house's tools will say."""
    remember(kitchen)
    for number in range(4):
        await answer(kitchen, f"{number}")
    remember(kitchen, replace(REMEMBERING, server_tools=("calculator",)))
    kitchen.models["small"] = replace(SMALL, context=182)
    await answer(kitchen, "now")
    assert sent(kitchen)[::2][-2:] == ["3", "now"]
    assert len(sent(kitchen)) == 5


async def test_a_tokenizer_that_counts_more_has_the_last_word(kitchen: Kitchen) -> None:
    """The estimate may be too low: the oldest turns are left out until the answer has its room."""
    remember(kitchen)
    for number in range(4):
        await answer(kitchen, f"{number}")
    kitchen.models["small"] = replace(SMALL, context=200)

    async def count(body: Any) -> int:
        return 20 * len(body["messages"])

    kitchen.model.count_prompt = count  # type: ignore[method-assign]
    await answer(kitchen, "now")
    assert sent(kitchen) == ["3", "Hello there", "now"]
    assert kitchen.model.calls[-1][1]["max_tokens"] == 100


async def test_only_so_many_turns_are_loaded_and_kept(kitchen: Kitchen) -> None:
    """As the assistant's memory says."""
    remember(kitchen, replace(COACH, memory=Memory(load=2, keep=3)))
    for number in range(5):
        await answer(kitchen, f"{number}")
    assert sent(kitchen)[::2] == ["2", "3", "4"]
    assert [turn[0] for turn in await stored(kitchen)] == ["2", "3", "4"]


async def test_a_client_that_sends_its_history_has_it_once(kitchen: Kitchen) -> None:
    """What it sends goes upstream as it is, and only what is new is kept."""
    remember(kitchen)
    await answer(kitchen, "one")
    history = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "Hello there"}]
    await answer(kitchen, messages=[*history, {"role": "user", "content": "two"}])
    assert sent(kitchen) == ["one", "Hello there", "two"]
    assert await stored(kitchen) == [["one", "Hello there"], ["two", "Hello there"]]


async def test_a_tool_call_is_remembered_until_its_answer_comes(kitchen: Kitchen) -> None:
    """A client sends only the tool's answer; whoever never answers the call leaves it out of the next prompt."""
    remember(kitchen, replace(REMEMBERING, tools=True))
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    kitchen.model.replies = [Reply(pieces=(), tool_calls=[call], finish="tool_calls"), Reply()]
    await answer(kitchen, "2+2?", tools=[{"type": "function", "function": {"name": "add"}}])
    await answer(kitchen, messages=[{"role": "tool", "content": "4", "tool_call_id": "c1"}])
    roles = [message["role"] for message in kitchen.model.calls[-1][1]["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]
    assert kitchen.model.calls[-1][1]["messages"][2]["tool_calls"][0]["id"] == "c1"
    await answer(kitchen, "3+3?", session="s2")
    kitchen.model.replies = [Reply(pieces=(), tool_calls=[call], finish="tool_calls"), Reply()]
    await answer(kitchen, "4+4?", session="s2")
    await answer(kitchen, "Never mind.", session="s2")
    assert sent(kitchen) == ["3+3?", "Hello there", "4+4?", "Never mind."]


async def test_a_stopped_answer_is_kept_as_far_as_it_was_relayed(kitchen: Kitchen) -> None:
    """The guest has read it; one of whom nothing came is not kept."""
    remember(kitchen)
    for pieces in (("Hel",), ()):
        kitchen.model.working.clear()
        kitchen.model.replies = [Reply(pieces=pieces, stall=asyncio.Event())]
        turn = asyncio.create_task(kitchen.turns.stream(asked(kitchen, "Hello"), Plate()))
        await kitchen.model.working.wait()
        turn.cancel()
        await asyncio.wait({turn})
    await kitchen.settled()
    assert await stored(kitchen) == [["Hello", "Hel"]]


async def test_a_turn_that_failed_is_not_kept(kitchen: Kitchen) -> None:
    """Neither one that broke off in the middle, nor one that was refused."""
    remember(kitchen)
    kitchen.model.replies = [Reply(fault=ProviderError("provider_down", status=503))]
    plate = Plate()
    await kitchen.turns.stream(asked(kitchen), plate)
    await kitchen.settled()
    assert error_of(plate.events)["code"] == 503
    assert await stored(kitchen) == []


async def test_a_json_answer_is_kept_and_may_still_be_mended(kitchen: Kitchen) -> None:
    """The memory leaves room for a second attempt."""
    remember(kitchen, replace(REMEMBERING, json_answer=True), context=1000)
    kitchen.model.replies = [Reply(pieces=["{}"]), Reply(pieces=["no"]), Reply(pieces=["[1]"])]
    await answer(kitchen, "one")
    whole = await answer(kitchen, "two")
    assert (whole["choices"][0]["message"]["content"], whole["session_id"]) == ("[1]", "s1")
    assert await stored(kitchen) == [["one", "{}"], ["two", "[1]"]]


async def test_another_model_gets_the_session_too(kitchen: Kitchen) -> None:
    """As much of it as fits there."""
    remember(kitchen)
    await answer(kitchen, "one")
    prepared = await kitchen.turns.prepare(asked(kitchen, "two"), streamed=False)
    for context, count in ((None, 3), (112, 1)):
        other = replace(SMALL, id="other", context=context)
        course = await kitchen.turns.reception.for_the_next(replace(prepared, others=(other,)))
        assert len(course.body["messages"]) == 1 + count


async def test_a_session_that_is_deleted_during_a_turn_stays_deleted(kitchen: Kitchen) -> None:
    """What its guest wanted forgotten is not made again by an answer that was still being written."""
    remember(kitchen)
    await answer(kitchen, "I am Fran.")
    stall = asyncio.Event()
    kitchen.model.working.clear()
    kitchen.model.replies = [Reply(stall=stall)]
    turn = asyncio.create_task(answer(kitchen, "Who am I?"))
    await kitchen.model.working.wait()
    assert await kitchen.sessions.drop("u1", "s1")
    stall.set()
    await turn
    assert await kitchen.sessions.read("u1", "s1", 1) is None


async def test_two_turns_of_one_session_are_both_kept(kitchen: Kitchen) -> None:
    """In the order in which they ended; each with its own call and row."""
    remember(kitchen)
    stall = asyncio.Event()
    kitchen.model.replies = [Reply(("late",), stall=stall), Reply(("soon",))]
    first = asyncio.create_task(answer(kitchen, "one"))
    await kitchen.model.working.wait()
    await kitchen.turns.answer(asked(kitchen, "two"))
    stall.set()
    await first
    assert await stored(kitchen) == [["two", "soon"], ["one", "late"]]
    assert [row[:2] for row in kitchen.rows()] == [("turn", "done")] * 2
