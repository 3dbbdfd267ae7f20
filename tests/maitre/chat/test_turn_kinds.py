"""The turn's kinds of calls: tool loops, background tasks, JSON answers and their repair, one-shots, records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maitre.chat import sse
from maitre.errors import BadRequest, ProviderError, QuotaExceeded
from tests.maitre.chat.kitchen import COACH, FRANS, FREE, SMALL, USAGE, Kitchen, Reply, error_of, limited, text_in

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORM = replace(COACH, slug="form", json_answer=True, json_schema=SCHEMA)
GOOD, BAD = Reply(pieces=['{"a":', " 1}"]), Reply(pieces=["Sure!"])
CALL = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
TOOL_TALK = [
    {"role": "user", "content": "Use the tool"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "42", "tool_call_id": "1"},
]


def kinds(kitchen: Kitchen) -> list[tuple[str, bool]]:
    """Kind and counted of every row."""
    return [(call.kind, call.counted) for call in kitchen.books.calls.values()]


async def test_a_tool_loop_is_one_request(kitchen: Kitchen) -> None:
    """Calls with the same signed turn id are one request of the minute, rows of kind tool, and count in tokens."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1), replace(COACH, tools=True))
    kitchen.model.replies = [Reply(pieces=(), tool_calls=[CALL], finish="tool_calls"), Reply()]
    stamp = kitchen.stamp()
    await kitchen.stream(messages=TOOL_TALK[:1], stamp=stamp)
    assert text_in(await kitchen.stream(messages=TOOL_TALK, stamp=stamp)) == "Hello there"
    assert kinds(kitchen) == [("turn", True), ("tool", False)]
    live = await kitchen.true_store.live(FRANS, kitchen.clock())
    assert live is not None
    assert live.fields["tokens:total"] == 2 * 9
    assert error_of(await kitchen.stream(stamp=kitchen.stamp("b" * 32)))["code"] == 429


async def test_a_loop_without_an_end_becomes_requests(kitchen: Kitchen) -> None:
    """After thirty calls every further one is a request, so that one turn id is no free pass."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=3, tokens_per_day=None))
    for _ in range(32):
        await kitchen.stream(stamp=kitchen.stamp())
    assert error_of(await kitchen.stream(stamp=kitchen.stamp()))["code"] == 429
    assert kinds(kitchen) == [("turn", True)] + [("tool", False)] * 29 + [("turn", True)] * 2


async def test_without_a_stamp_every_call_is_a_request(kitchen: Kitchen) -> None:
    """Whatever a client says of itself, the bare pass-through has no tool loops and no tasks."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=2))
    for _ in range(2):
        await kitchen.stream(turn_id="a" * 32, kind="task", metadata={"task": "title_generation"})
    assert error_of(await kitchen.stream())["code"] == 429
    assert kinds(kitchen) == [("turn", True)] * 2
    assert {call.door for call in kitchen.books.calls.values()} == {"openai"}


async def test_four_tasks_go_with_a_request_and_the_fifth_is_one(kitchen: Kitchen) -> None:
    """Titles, tags and follow-ups are spared the request windows, four for each request; their tokens count."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=2))
    await kitchen.stream(stamp=kitchen.stamp("1" * 32))
    for number in range(2, 7):
        await kitchen.stream(stamp=kitchen.stamp(str(number) * 32, kind="task", task="title_generation"))
    assert kinds(kitchen) == [("turn", True)] + [("task", False)] * 4 + [("task", True)]
    assert error_of(await kitchen.stream(stamp=kitchen.stamp("7" * 32)))["code"] == 429
    live = await kitchen.true_store.live(FRANS, kitchen.clock())
    assert live is not None
    assert live.fields["tokens:total"] == 6 * 9


async def test_tasks_alone_do_not_earn_more_tasks(kitchen: Kitchen) -> None:
    """Whoever only sends tasks (any text goes, through moa) gets four beyond the plan's requests, not fivefold."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=2))
    served = 0
    for number in range(20):
        served += text_in(await kitchen.stream(stamp=kitchen.stamp(f"{number:032x}", kind="task"))) != ""
    assert served <= 4 + 2


async def test_a_task_meets_the_token_windows(kitchen: Kitchen) -> None:
    """A task is not free: without tokens there is no title."""
    kitchen.registry.offer(limited(FREE, tokens_per_day=39))
    error = error_of(await kitchen.stream(stamp=kitchen.stamp(kind="task")))
    assert error["code"] == 429
    assert kitchen.model.calls == []


async def test_a_valid_json_answer_is_sent_in_one_piece(kitchen: Kitchen) -> None:
    """The answer is held until it is whole and valid; a browser gets usage after it."""
    kitchen.registry.offer(FORM)
    kitchen.model.replies = [GOOD]
    events = [
        sse.payload(event) or {}
        for event in await kitchen.stream(model="assistants.form", stamp=kitchen.stamp(browser=True))
    ]
    assert [event["choices"][0]["delta"].get("content") for event in events[:2]] == ['{"a": 1}', None]
    assert events[1]["choices"][0]["finish_reason"] == "stop"
    assert events[2]["usage"] == USAGE
    assert kitchen.model.calls[0][1]["response_format"]["json_schema"]["schema"] == SCHEMA
    assert kinds(kitchen) == [("turn", True)]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_bad_json_answer_is_repaired_once(kitchen: Kitchen, streamed: bool) -> None:
    """The second call is a repair, no further request; the guest sees the good answer and the sum of both usages."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1), FORM)
    kitchen.model.replies = [BAD, GOOD]
    if streamed:
        assert text_in(await kitchen.stream(model="assistants.form")) == '{"a": 1}'
    else:
        whole = await kitchen.answer(model="assistants.form")
        assert whole["choices"][0]["message"]["content"] == '{"a": 1}'
        assert whole["usage"] == {"prompt_tokens": 14, "completion_tokens": 4, "total_tokens": 18}
    assert kinds(kitchen) == [("turn", True), ("repair", False)]
    asked_again = kitchen.model.calls[1][1]["messages"][-2:]
    assert asked_again[0] == {"role": "assistant", "content": "Sure!"}
    assert "it is not JSON" in asked_again[1]["content"]
    assert len({call.turn_id for call in kitchen.books.calls.values()}) == 1


async def test_a_json_answer_that_stays_bad_is_a_clear_error(kitchen: Kitchen) -> None:
    """After one repair the guest reads a sentence; both calls are settled and paid for."""
    kitchen.registry.offer(FORM)
    kitchen.model.replies = [BAD]
    assert "right form" in error_of(await kitchen.stream(model="assistants.form"))["message"]
    with pytest.raises(ProviderError, match="bad_json"):
        await kitchen.answer(model="assistants.form")
    assert [row[:3] for row in kitchen.rows()] == [("turn", "done", True), ("repair", "done", False)] * 2
    told = [(report.status, report.problem) for report in kitchen.tracer.reports if report.problem]
    assert told == [("error", "bad_json")] * 2  # the calls went well; the turns did not


async def test_a_repair_meets_the_token_windows(kitchen: Kitchen) -> None:
    """Without tokens for a second attempt there is none; the first call is settled."""
    kitchen.registry.offer(limited(FREE, tokens_per_day=115), FORM)
    kitchen.model.replies = [BAD]
    with pytest.raises(QuotaExceeded):
        await kitchen.answer(model="assistants.form")
    assert kinds(kitchen) == [("turn", True)]


@pytest.mark.parametrize(
    "whole",
    [
        {"choices": [{"message": {"content": None}}], "usage": USAGE},
        {"choices": [{"message": None}], "usage": {"prompt_tokens": -1, "completion_tokens": 2}},
        {"choices": [{}]},
        {"choices": ["odd"]},
        {"choices": [{"message": {"role": "assistant", "content": "", "tool_calls": [CALL]}}]},
    ],
)
async def test_an_odd_answer_is_no_json_and_no_crash(kitchen: Kitchen, whole: dict[str, Any]) -> None:
    """Whatever the upstream sends, the guest reads a sentence and the books balance."""
    kitchen.registry.offer(FORM)

    class Odd(Reply):
        def whole(self) -> dict[str, Any]:
            return dict(whole)

    kitchen.model.replies = [Odd()]
    assert error_of(await kitchen.stream(model="assistants.form"))["message"].endswith(".")


async def test_a_title_for_a_json_assistant_is_plain_text(kitchen: Kitchen) -> None:
    """A background task is not held to the schema."""
    kitchen.registry.offer(FORM)
    assert text_in(await kitchen.stream(model="assistants.form", stamp=kitchen.stamp(kind="task"))) == "Hello there"
    assert "response_format" not in kitchen.model.calls[0][1]


async def test_a_one_shot_hears_only_the_last_message(kitchen: Kitchen) -> None:
    """In a long chat too, the model gets the prompt and the last message."""
    kitchen.registry.offer(replace(COACH, type="one-shot"))
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "A"}, {"role": "user", "content": "b"}]
    await kitchen.stream(messages=talk)
    assert [message["content"] for message in kitchen.model.calls[0][1]["messages"]] == ["You coach.", "b"]


@pytest.mark.parametrize(
    ("house", "plan", "assistant", "words", "reports"),
    [
        ("full", "full", "full", True, 1),
        ("metadata", "full", "full", False, 1),
        ("full", "metadata", "full", False, 1),
        ("full", "full", "metadata", False, 1),
        ("full", "full", "none", False, 0),
        ("none", "full", "full", False, 0),
        ("full", "none", "metadata", False, 0),
    ],
)
async def test_the_strictest_record_holds(house: str, plan: str, assistant: str, words: bool, reports: int) -> None:
    """House, plan and assistant can each keep words, or every trace, out of the books; the ledger row stays."""
    kitchen = Kitchen(record=house)
    kitchen.registry.offer(replace(FREE, record=plan), replace(COACH, record=assistant))
    await kitchen.stream("secret words", stop=["secret stop"])
    assert len(kitchen.books.words) == int(words)
    assert len(kitchen.tracer.reports) == reports
    told = repr(kitchen.tracer.reports)
    assert ("secret words" in told) == ("Hello there" in told) == words
    assert len(kitchen.rows()) == 1
    await kitchen.check_books()


async def test_no_words_in_the_parameters_either() -> None:
    """Where only metadata may be recorded, a text parameter of the guest's is not metadata."""
    kitchen = Kitchen(record="metadata")
    await kitchen.stream(stop="secret words")
    assert "secret words" not in repr(kitchen.tracer.reports)


async def test_words_are_kept_as_long_as_the_house_says() -> None:
    """Input and output are kept until the retention ends, and not a control character with them."""
    kitchen = Kitchen(retention_days=7)
    kitchen.model.replies = [Reply(pieces=["a\x00b", "\ud800c"])]
    await kitchen.stream("Hi\x00")
    (words,) = kitchen.books.words.values()
    assert (words.output, "Hi" in words.input, "\x00" in words.input) == ("abc", True, False)
    assert (words.delete_at - kitchen.clock()).days == 7
    await kitchen.check_books()


async def test_a_report_tells_the_whole_turn(kitchen: Kitchen) -> None:
    """Name, door, plan, session, verdict, times, usage and cost, as the trace shows them."""
    await kitchen.stream(stamp=kitchen.stamp(chat_id="c1", browser=True), stop=["x"])
    (report,) = kitchen.tracer.reports
    assert (report.trace_id, report.name, report.door, report.plan) == ("a" * 32, "Coach", "browser", "free")
    assert (report.user_id, report.email, report.session_id) == ("u1", "fran@x.io", "c1")
    assert (report.verdict, report.status, report.problem, report.kind) == ("admitted", "done", "", "turn")
    assert (report.prompt_tokens, report.completion_tokens, str(report.cost)) == (7, 2, "0.000011")
    assert report.parameters["max_tokens"] == 100


async def test_a_refusal_is_reported_too(kitchen: Kitchen) -> None:
    """The book says who was refused, and why."""
    kitchen.registry.offer(limited(FREE, tokens_per_day=1))
    await kitchen.stream(stamp=kitchen.stamp())
    (report,) = kitchen.tracer.reports
    assert (report.verdict, report.status, report.problem) == ("refused: tokens_day", "refused", "tokens_day")


@pytest.mark.parametrize("model", ["assistants.coach", "assistants.form"])
async def test_tasks_rest_while_the_chats_last_turn_was_refused(kitchen: Kitchen, model: str) -> None:
    """A refused turn needs no title; once a turn of the chat is served again, so are its tasks."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1), FORM)
    kitchen.model.replies = [GOOD]
    title = kitchen.stamp("f" * 32, kind="task", chat_id="c1")
    await kitchen.stream(model=model, stamp=kitchen.stamp("1" * 32, chat_id="c1"))
    assert error_of(await kitchen.stream(model=model, stamp=kitchen.stamp("2" * 32, chat_id="c1")))["code"] == 429
    assert text_in(await kitchen.stream(model=model, stamp=title)) == ""
    assert (await kitchen.answer(model=model, stamp=title))["choices"][0]["message"]["content"] == ""
    assert len(kitchen.model.calls) == 1
    kitchen.clock.advance(61)
    await kitchen.stream(model=model, stamp=kitchen.stamp("3" * 32, chat_id="c1"))
    assert text_in(await kitchen.stream(model=model, stamp=kitchen.stamp("4" * 32, kind="task", chat_id="c1")))
    assert text_in(await kitchen.stream(stamp=kitchen.stamp("5" * 32, kind="task", chat_id="c2")))


async def test_a_task_without_a_stamp_rests_too(kitchen: Kitchen) -> None:
    """The gateway knows of a task and its chat from headers; after a refusal it is not asked, before it is clamped."""
    kitchen.registry.offer(limited(FREE, requests_per_minute=1))
    title = replace(kitchen.request(), kind="task", chat_id="c1")
    await kitchen.stream(stamp=kitchen.stamp("1" * 32, chat_id="c1"))
    await kitchen.turns.answer(title)
    assert error_of(await kitchen.stream(stamp=kitchen.stamp("2" * 32, chat_id="c1")))["code"] == 429
    spared = await kitchen.turns.answer(title)
    await kitchen.settled()
    assert spared["choices"][0]["message"]["content"] == ""
    assert kinds(kitchen) == [("turn", True), ("task", False)]
    assert [replace(title, chat_id=chat).door for chat in ("c1", "")] == ["browser", "api"]


@pytest.mark.parametrize("model", ["models.small", "assistants.coach", "assistants.helper"])
async def test_an_api_client_hears_where_its_tools_are_not_taken(kitchen: Kitchen, model: str) -> None:
    """Open WebUI's are left out, as before; an API client's would be missed."""
    helper = replace(COACH, slug="helper", tools=True)
    kitchen.registry.offer(replace(FREE, models=("small",)), COACH, helper)
    kitchen.models["small"] = replace(SMALL, tools=model == "assistants.coach")
    request = kitchen.request(model=model, tools=[{"type": "function", "function": {"name": "look"}}])
    with pytest.raises(BadRequest, match="no_tools"):
        await kitchen.turns.answer(replace(request, public=True))
    await kitchen.turns.answer(request)
    await kitchen.settled()
    assert "tools" not in kitchen.model.calls[0][1]
    assert len(kitchen.model.calls) == 1
