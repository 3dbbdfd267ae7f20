"""A turn of an assistant with tools: the model is asked, its tools are used, it is asked again, a bounded number of
times; then once more, without its tools. Every call is admitted, metered and traced like any other.

The turn's own time bounds all of it. A tool that fails is told to the model, never to the guest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from maitre.chat import prompt
from maitre.chat.calls import Calls
from maitre.chat.message import Usage
from maitre.chat.prepared import Prepared
from maitre.chat.reception import Reception
from maitre.chat.reports import of_tool
from maitre.chat.shown import Sink
from maitre.chat.tool_calls import ToolCall, Wanted, said
from maitre.chat.tool_sink import GAP, ToolSink, plus, usage_of
from maitre.chat.wait import Wait
from maitre.errors import ProviderError
from maitre.knowledge.quoting import quoted
from maitre.tools.tool import Behalf, Outcome, Tool
from maitre.tools.toolbox import Toolbox
from maitre.tracing.trace import Tracer

#: How an answer ends whose tool calls are not whole.
CUT = ("length", "content_filter")


class ToolLoop:
    """Makes a turn's calls: one, or where the assistant has tools as many as they take."""

    def __init__(
        self,
        calls: Calls,
        reception: Reception,
        toolbox: Toolbox,
        tracer: Tracer,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._calls, self._reception, self._toolbox = calls, reception, toolbox
        self._tracer, self._clock, self._new_id = tracer, clock, new_id

    async def relay(self, prepared: Prepared, sink: Sink, wait: Wait, limit: asyncio.Timeout) -> Usage | None:
        """Relay the answer's events, in order; the usage that the guest is still to be told."""
        tools = self._tools(prepared)
        if not tools:
            return (await self._calls.relay(prepared, sink, wait, limit))[0]
        heard = ToolSink(sink)
        used: Usage | None = None
        prepared = await self._equipped(prepared, tools)
        for left in reversed(range(_rounds(prepared) + 1)):
            told, prepared = await self._calls.relay(prepared, heard, wait, limit)
            used = plus(used, told)
            calls = _asked(heard.wanted, heard.finish, len(prepared.said))
            if not calls or not left:
                break
            prepared = await self._again(prepared, "".join(heard.text), calls, tools, wait, last=left == 1)
            heard.next_round()
        if calls and not heard.spoken:
            raise ProviderError("no_answer", status=502)
        await sink.emit(self._calls.disguise(prepared).said({}, _finish(heard.finish)))
        return plus(used, heard.used)

    async def whole(self, prepared: Prepared, wait: Wait, limit: asyncio.Timeout) -> tuple[dict[str, Any], Prepared]:
        """One whole answer, and the turn as the model has it that answered last."""
        tools = self._tools(prepared)
        if not tools:
            return await self._calls.whole(prepared, wait, limit)
        prepared = await self._equipped(prepared, tools)
        texts: list[str] = []
        used: Usage | None = None
        for left in reversed(range(_rounds(prepared) + 1)):
            whole, prepared = await self._calls.whole(prepared, wait, limit)
            used = plus(used, usage_of(whole.get("usage")))
            choice = whole["choices"][0]
            message = choice.get("message") or {}
            text = prompt.text_of(message.get("content"))
            texts += [text] if text else []
            wanted = Wanted()
            wanted.see(message.get("tool_calls"))
            calls = _asked(wanted, str(choice.get("finish_reason") or ""), len(prepared.said))
            if not calls or not left:
                break
            prepared = await self._again(prepared, text, calls, tools, wait, last=left == 1)
        if calls and not texts:
            raise ProviderError("no_answer", status=502)
        message = {name: value for name, value in message.items() if name != "tool_calls"} | {"role": "assistant"}
        finish = _finish(str(choice.get("finish_reason") or ""))
        # What a model says before it uses a tool is no part of an answer in JSON.
        content = GAP.join(texts[-1:] if prepared.checked else texts)
        choice = {**choice, "message": {**message, "content": content}, "finish_reason": finish}
        return {**whole, "choices": [choice], "usage": (used or Usage(0, 0)).to_openai()}, prepared

    def _tools(self, prepared: Prepared) -> Sequence[Tool]:
        assistant = prepared.assistant
        if assistant is None or not assistant.server_tools or prepared.kind == "task" or not prepared.model.tools:
            return ()
        return self._toolbox.tools(assistant.server_tools)

    async def _equipped(self, prepared: Prepared, tools: Sequence[Tool]) -> Prepared:
        """The turn's first call, with its tools."""
        fields = {"tools": [tool.to_openai() for tool in tools]}
        body = prompt.with_tools(prepared.body, fields, ())
        return await self._sized(replace(prepared, tools=fields, body=body))

    async def _again(
        self,
        prepared: Prepared,
        text: str,
        calls: Sequence[ToolCall],
        tools: Sequence[Tool],
        wait: Wait,
        *,
        last: bool,
    ) -> Prepared:
        """The turn's next call: with what the tools answered, the last time without leave to ask them again."""
        outcomes = await self._used(prepared, calls, {tool.function: tool for tool in tools}, wait)
        more = said(text, calls, [outcome.text for outcome in outcomes])
        # The tools stay described: some servers take no conversation about tools that they do not know.
        fields = {**prepared.tools, "tool_choice": "none"} if last else prepared.tools
        body = prompt.with_tools(prepared.body, fields, more)
        await self._calls.settled(prepared)
        return await self._sized(prepared.again(tools=fields, said=(*prepared.said, *more), body=body))

    async def _used(
        self, prepared: Prepared, calls: Sequence[ToolCall], tools: Mapping[str, Tool], wait: Wait
    ) -> Sequence[Outcome]:
        """What each of the tools says, all used at once."""
        names = [tools[call.function].name for call in calls if call.function in tools]
        async with wait.audible():
            if names:
                await wait.using(list(dict.fromkeys(names)))
            return await asyncio.gather(*(self._use(prepared, call, tools.get(call.function)) for call in calls))

    async def _use(self, prepared: Prepared, call: ToolCall, tool: Tool | None) -> Outcome:
        began = self._clock()
        outcome = await self._toolbox.use(tool, call.arguments, _behalf(prepared))
        if outcome.passages:
            numbered = prepared.sources.find(outcome.passages)
            outcome = replace(outcome, text=quoted(outcome.passages, numbered, self._new_id()[-12:]))
        if prepared.record != "none":
            self._tracer.report(of_tool(prepared, tool, call.arguments, outcome, began, self._clock()))
        return outcome

    async def _sized(self, prepared: Prepared) -> Prepared:
        return await self._reception.sized(prepared, prompt.wanted_tokens(prepared.assistant, prepared.request.params))


def _behalf(prepared: Prepared) -> Behalf:
    return Behalf(prepared.reader, prepared.assistant.knowledge if prepared.assistant else None)


def _rounds(prepared: Prepared) -> int:
    return prepared.assistant.tool_rounds if prepared.assistant is not None else 0


def _asked(wanted: Wanted, finish: str, round: int) -> list[ToolCall]:
    return [] if finish in CUT else wanted.calls(round)


def _finish(reason: str) -> str:
    return "stop" if reason in ("", "tool_calls", "function_call") else reason
