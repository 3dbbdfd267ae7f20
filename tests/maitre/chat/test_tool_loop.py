"""A turn with tools of the house: one answer to the guest, every model call a row, and nothing without an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from maitre.chat import sse
from maitre.errors import ProviderError
from maitre.providers.provider import Model
from maitre.tools.tool import Behalf, Outcome, Tool
from tests.maitre.chat.kitchen import COACH, FREE, Kitchen, Plate, Reply, error_of, limited, text_in

HELPED = replace(
    COACH, slug="helped", name="Helped", server_tools=("calculator", "crm.find", "gone.tool"), tool_rounds=2
)
FIND = Tool("crm.find", "Finds.", {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]})
CONTENT_SUM = {"prompt_tokens": 14, "completion_tokens": 4, "total_tokens": 18}


def asks(*calls: tuple[str, str], text: Sequence[str] = (), finish: str = "tool_calls") -> Reply:
    """An answer that asks for tools."""
    wanted = [
        {"index": number, "id": f"c{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    return Reply(pieces=text, tool_calls=wanted, finish=finish)


LONG = replace(FREE, max_answer_tokens=10_000, limits={})  # for answers with long arguments
SUM = asks(("calculator", '{"expression": "2+2"}'), text=["Let me see."])
ANSWER = Reply(pieces=["It is ", "4"])


class Finder:
    """The tool `crm.find`; a held one waits."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.held: asyncio.Event | None = None
        self.fault: Exception | None = None
        self.working = asyncio.Event()

    async def __call__(self, arguments: Mapping[str, Any], behalf: Behalf) -> Outcome:
        self.asked.append(arguments)
        self.working.set()
        if self.held is not None:
            await self.held.wait()
        if self.fault is not None:
            raise self.fault
        return Outcome(f"guest {arguments['id']}")


class Inn(Kitchen):
    """A kitchen with an assistant that has tools."""

    def __init__(self, *replies: Reply, **terms: Any) -> None:
        self.finder = Finder()
        super().__init__([(FIND, self.finder)], **terms)
        self.registry.offer(FREE, COACH, HELPED)
        self.model.replies = [*replies]

    async def heard(self, **how: Any) -> Plate:
        """A streamed turn, to its end."""
        plate = Plate()
        await self.turns.stream(self.request("2+2?", model="assistants.helped", **how), plate)
        await self.check_books()
        return plate

    def told(self, call: int) -> list[dict[str, Any]]:
        """What the tools said, as the model read it in a call."""
        return [one for one in self.model.calls[call][1]["messages"] if one["role"] == "tool"]


async def test_a_stream_is_one_answer() -> None:
    """The text of all calls, one finish, one usage; nothing of the tools; each call a row of one turn."""
    inn = Inn(SUM, ANSWER)
    plate = await inn.heard()
    chunks = [sse.payload(event) or {} for event in plate.events]
    assert text_in(plate.events) == "Let me see.\n\nIt is 4"
    assert not [event for event in plate.events if b"tool_calls" in event]
    ends = [one["finish_reason"] for chunk in chunks for one in chunk["choices"] if one["finish_reason"]]
    assert ends == ["stop"]
    assert [chunk["usage"] for chunk in chunks if "usage" in chunk] == [CONTENT_SUM]
    assert chunks[-1]["usage"] == CONTENT_SUM
    assert inn.rows() == [("turn", "done", True, 7, 2, False), ("tool", "done", False, 7, 2, False)]
    assert len({call.turn_id for call in inn.books.calls.values()}) == 1
    assert plate.comments == ["tools calculator"]
    _, first = inn.model.calls[0]
    assert [tool["function"]["name"] for tool in first["tools"]] == ["calculator", "crm_find"]
    _, second = inn.model.calls[1]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][2]["content"] == "Let me see."
    assert second["messages"][3] == {"role": "tool", "tool_call_id": "c0", "content": "4"}


async def test_a_whole_answer_is_the_same() -> None:
    """Its text is that of all calls, its usage the sum, its tool calls are gone."""
    inn = Inn(SUM, ANSWER)
    whole = await inn.answer("2+2?", model="assistants.helped")
    await inn.check_books()
    (choice,) = whole["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Let me see.\n\nIt is 4"}
    assert (choice["finish_reason"], whole["usage"]) == ("stop", CONTENT_SUM)
    assert [row[0] for row in inn.rows()] == ["turn", "tool"]
    assert inn.told(1)[0]["content"] == "4"


async def test_fragments_of_a_stream_are_put_together() -> None:
    """Two calls whose names and arguments come in pieces, mixed; both tools answer, in their order."""
    inn = Inn(SUM, ANSWER)
    pieces: list[dict[str, Any]] = [
        {"index": 0, "id": "a", "function": {"name": "calculator", "arguments": ""}},
        {"index": 1, "id": "b", "function": {"name": "crm_find"}},
        {"index": 0, "function": {"arguments": '{"expressi'}},
        {"index": 1, "function": {"arguments": '{"id":'}},
        {"index": 0, "function": {"arguments": 'on": "6*7"}'}},
        {"index": 1, "function": {"arguments": " 5}"}},
    ]
    inn.model.replies[0] = Reply(pieces=(), tool_calls=pieces, finish="tool_calls")
    plate = await inn.heard()
    assert text_in(plate.events) == "It is 4"
    assert inn.told(1) == [
        {"role": "tool", "tool_call_id": "a", "content": "42"},
        {"role": "tool", "tool_call_id": "b", "content": "guest 5"},
    ]
    assert plate.comments == ["tools calculator, crm.find"]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_model_that_asks_for_ever_comes_to_an_end(streamed: bool) -> None:
    """After the last round it is asked once more, and must not ask again; what it said all the same is the answer,
    and nothing said is a clear error."""
    silent = asks(("calculator", '{"expression": "1"}'))
    inn = Inn(silent)
    if streamed:
        assert error_of((await inn.heard()).events)["message"].startswith("The model kept asking for its tools")
    else:
        with pytest.raises(ProviderError, match="no_answer"):
            await inn.answer("2+2?", model="assistants.helped")
    await inn.check_books()
    assert [body.get("tool_choice") for _, body in inn.model.calls] == [None, None, "none"]
    assert [row[0] for row in inn.rows()] == ["turn", "tool", "tool"]
    talkative = Inn(SUM)
    if streamed:
        text = text_in((await talkative.heard()).events)
    else:
        text = (await talkative.answer("?", model="assistants.helped"))["choices"][0]["message"]["content"]
    assert text == "Let me see.\n\nLet me see.\n\nLet me see."


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("nobody", "{}", "There is no such tool."),
        ("", "{}", "There is no such tool."),
        ("gone_tool", "{}", "There is no such tool."),
        ("crm.find", '{"id": 1}', "There is no such tool."),  # its name to the model is another
        ("calculator", "", "The arguments do not fit: 'expression' is a required property"),
        ("calculator", "{", "The arguments are no JSON."),
        ("calculator", "[1]", "The arguments are no JSON object."),
        ("calculator", "[" * 50_000, "The arguments are no JSON."),
        ("calculator", '{"expression": 4}', "The arguments do not fit: expression: 4 is not of type 'string'"),
        ("calculator", json.dumps({"expression": "1" * 70_000}), "The arguments are too long."),
        ("calculator", '{"expression": "1/0"}', "A division by zero has no value."),
        ("crm_find", '{"id": "five"}', "The arguments do not fit: id: 'five' is not of type 'integer'"),
    ],
)
async def test_what_a_model_gets_wrong_it_reads(name: str, arguments: str, answer: str) -> None:
    """Garbage is answered in a sentence, what goes back upstream is well formed, and the turn goes on."""
    inn = Inn(asks((name, arguments)), ANSWER)
    inn.registry.offer(LONG, COACH, HELPED)
    assert text_in((await inn.heard()).events) == "It is 4"
    assert inn.told(1)[0]["content"] == answer
    assert not inn.finder.asked
    echoed = inn.model.calls[1][1]["messages"][-2]["tool_calls"][0]["function"]
    assert isinstance(json.loads(echoed["arguments"]), dict)
    assert echoed["name"].replace("_", "").isalnum()


async def test_a_tool_that_breaks_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The model reads that it failed, the log says why, the guest gets an answer."""
    inn = Inn(asks(("crm_find", '{"id": 5}')), ANSWER)
    inn.finder.fault = RuntimeError("broken")
    assert text_in((await inn.heard()).events) == "It is 4"
    assert inn.told(1)[0]["content"] == "The tool failed."
    assert "The tool crm.find failed" in caplog.text


async def test_no_more_than_eight_tools_at_once() -> None:
    """A model that asks for a hundred gets eight; ids that are missing or doubled are made."""
    calls = [("crm_find", json.dumps({"id": number})) for number in range(100)]
    inn = Inn(asks(*calls), ANSWER)
    inn.registry.offer(LONG, COACH, HELPED)
    for call in inn.model.replies[0].tool_calls:
        call["id"] = "same"  # type: ignore[index]
    await inn.heard()
    assert len(inn.finder.asked) == 8
    assert len({one["tool_call_id"] for one in inn.told(1)}) == 8


async def test_a_browser_reads_a_status_line_while_a_tool_is_used() -> None:
    """In the guest's language, taken away when the model is asked again."""
    inn = Inn(SUM, ANSWER)
    mark = replace(inn.stamp(browser=True, language="uk"), model="assistants.helped")
    plate = await inn.heard(stamp=mark)
    status = [(sse.payload(event) or {})["event"]["data"] for event in plate.events if sse.is_status(event)]
    assert status == [
        {"description": "Використовую calculator…", "done": False},
        {"description": "", "done": True, "hidden": True},
    ]
    assert plate.comments == []


@pytest.mark.parametrize(
    ("record", "words", "reports"), [("full", True, 1), ("metadata", False, 1), ("none", False, 0)]
)
async def test_each_use_of_a_tool_is_traced(record: str, words: bool, reports: int) -> None:
    """Name, sizes and whether it failed; what was said only where it may be recorded."""
    inn = Inn(SUM, ANSWER, record=record)
    await inn.heard(stamp=replace(inn.stamp(), model="assistants.helped"))
    assert len(inn.tracer.tools) == reports
    for report in inn.tracer.tools:
        assert (report.trace_id, report.tool, report.name, report.failed) == ("a" * 32, "calculator", "Helped", False)
        assert (report.arguments_size, report.result_size) == (21, 1)
        assert (report.arguments, report.result) == (('{"expression": "2+2"}', "4") if words else (None, None))


async def test_a_guest_who_leaves_ends_the_tool() -> None:
    """The tool is not waited for, the model not asked again, and what was used is settled."""
    inn = Inn(asks(("crm_find", '{"id": 5}')), ANSWER)
    inn.finder.held = asyncio.Event()
    turn = asyncio.create_task(inn.turns.stream(inn.request(model="assistants.helped"), Plate()))
    await inn.finder.working.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await inn.check_books()
    assert [row[:2] for row in inn.rows()] == [("turn", "done")]


async def test_a_limit_in_the_middle_of_a_turn() -> None:
    """The second call has no room: the guest reads why after the words that are there, and both books agree."""
    inn = Inn(SUM, ANSWER)
    inn.registry.offer(limited(FREE, tokens_per_day=115), COACH, HELPED)
    plate = await inn.heard()
    assert text_in(plate.events[:-1]) == "Let me see."
    assert error_of(plate.events)["code"] == 429
    assert len(inn.model.calls) == 1


async def test_the_whole_turn_is_one_request_of_the_plan() -> None:
    """A plan of one request a minute gets its answer, and the next turn is refused."""
    inn = Inn(SUM, ANSWER)
    inn.registry.offer(limited(FREE, requests_per_minute=1), COACH, HELPED)
    assert text_in((await inn.heard()).events).endswith("It is 4")
    assert error_of((await inn.heard()).events)["code"] == 429


async def test_tool_calls_that_were_cut_are_not_used() -> None:
    """An answer that ended at its largest size may have half an argument."""
    inn = Inn(asks(("crm_find", '{"id": 5'), text=["So"], finish="length"))
    plate = await inn.heard()
    assert text_in(plate.events) == "So"
    assert b'"finish_reason":"length"' in plate.events[-2]
    assert not inn.finder.asked


@pytest.mark.parametrize("broken", [Reply(pieces=["Half"], fault=ProviderError("provider_broke", status=502)), None])
async def test_an_upstream_that_breaks_in_a_later_call(broken: Reply | None) -> None:
    """The guest keeps the words and reads the error; every call is settled."""
    inn = Inn(SUM, broken or Reply(pieces=(), fault=ProviderError("provider_down", status=503)))
    plate = await inn.heard()
    assert text_in(plate.events[:-1]) == "Let me see." + ("\n\nHalf" if broken else "")
    assert error_of(plate.events)["code"] in (502, 503)
    assert [row[1] for row in inn.rows()] == ["done", "error"]


async def test_another_model_hears_the_whole_loop() -> None:
    """A call that falls back to another model takes the tools and what they said along."""
    inn = Inn(SUM, Reply(pieces=(), fault=ProviderError("provider_down", status=503)), ANSWER)
    other = Model("other", "Other", "local", "upstream-other")
    prepare = inn.turns.reception.prepare

    async def with_others(request: Any, *, streamed: bool) -> Any:
        return replace(await prepare(request, streamed=streamed), others=(other,))

    inn.turns.reception.prepare = with_others  # type: ignore[method-assign]
    assert text_in((await inn.heard()).events) == "Let me see.\n\nIt is 4"
    down, instead = (body for _, body in inn.model.calls[1:])
    assert instead["model"] == "upstream-other"
    assert instead["messages"] == down["messages"]
    assert instead["tools"] == down["tools"]


async def test_a_task_has_no_tools() -> None:
    """A title needs none, and an assistant without tools pays nothing for those that have."""
    inn = Inn(ANSWER)
    await inn.stream(model="assistants.helped", stamp=replace(inn.stamp(kind="task"), model="assistants.helped"))
    await inn.stream()
    assert not [body for _, body in inn.model.calls if "tools" in body]


async def test_a_clients_own_tools_do_not_reach_the_model() -> None:
    """What the house would have to answer, the house has offered."""
    inn = Inn(ANSWER)
    theirs = [{"type": "function", "function": {"name": "rm"}}]
    await inn.heard(tools=theirs, tool_choice="required")
    _, body = inn.model.calls[0]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["calculator", "crm_find"]
    assert "tool_choice" not in body


async def test_what_is_said_before_a_tool_is_no_part_of_an_answer_in_json() -> None:
    """Else no such answer was ever valid, and each was paid for twice."""
    inn = Inn(SUM, Reply(pieces=['{"sum": 4}']))
    inn.registry.offer(replace(HELPED, json_answer=True))
    answer = await inn.answer("2+2?", model="assistants.helped")
    assert answer["choices"][0]["message"]["content"] == '{"sum": 4}'
    assert len(inn.model.calls) == 2
    await inn.check_books()


@pytest.mark.parametrize("how", ["stream", "answer", "repair"])
async def test_a_turn_is_not_in_its_own_way(how: str) -> None:
    """The next call of a turn waits until the one before is settled: what that held is room again."""
    inn = Inn(SUM, ANSWER) if how != "repair" else Inn(Reply(pieces=["no"]), Reply(pieces=["{}"]))
    inn.registry.offer(limited(FREE, tokens_per_day=125), replace(HELPED, json_answer=how == "repair"))
    settle = inn.books.settle

    async def slowly(*values: Any) -> bool:
        for _ in range(50):
            await asyncio.sleep(0)
        return await settle(*values)

    inn.books.settle = slowly  # type: ignore[method-assign, assignment]
    if how == "stream":
        plate = await inn.heard()
        assert text_in(plate.events) == "Let me see.\n\nIt is 4"
    else:
        await inn.answer("2+2?", model="assistants.helped")
    assert len(inn.model.calls) == 2
    await inn.check_books()
