"""Which stored turns go before a new one. Pure.

The newest whole turns that fit, at most `load`; never one that the client's own messages hold already, and never half
of a tool's question and answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from maitre.chat.prompt import text_of
from maitre.memory.session import SessionTurn

Message = Mapping[str, Any]

#: What is remembered of a message besides its text.
_KEPT = ("name", "tool_calls", "tool_call_id")


def plain(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages as they are remembered: their text, without pictures and files. Those of the system, which belong
    to a request and not to a conversation, are left out."""
    return tuple(
        {"role": one["role"], "content": text_of(one.get("content"))}
        | {name: one[name] for name in _KEPT if one.get(name)}
        for one in messages
        if one["role"] not in ("system", "developer")
    )


def fresh(turns: Sequence[SessionTurn], talk: Sequence[Message]) -> tuple[Message, ...]:
    """What is new in the client's messages: those after the last stored turn that they hold; at least the last one."""
    ends = [_end(turn.messages, talk) for turn in turns]
    return tuple(talk[min(max(ends, default=0), len(talk) - 1) :])


def unheard(turns: Sequence[SessionTurn], talk: Sequence[Message]) -> tuple[SessionTurn, ...]:
    """The stored turns that the client's messages do not hold."""
    return tuple(turn for turn in turns if not _end(turn.messages, talk))


def latest(turns: Sequence[SessionTurn]) -> tuple[SessionTurn, ...]:
    """Of turns that ask the same only the newest: a browser's guest lets an answer be written anew."""
    by_question = {repr(turn.messages[:-1]): turn for turn in turns}
    return tuple(turn for turn in turns if by_question[repr(turn.messages[:-1])] is turn)


def newly_asked(talk: Sequence[Message]) -> tuple[Message, ...]:
    """What is new in a conversation that is sent whole: from the guest's last message on."""
    asked = [place for place, message in enumerate(talk) if message["role"] == "user"]
    return tuple(talk[asked[-1] :] if asked else talk)


def fitting(
    turns: Sequence[SessionTurn], size: Callable[[SessionTurn], int], room: int | None
) -> tuple[SessionTurn, ...]:
    """The newest whole turns that have room together, in order; the newest is last. Sizes and room are in tokens; None
    is room for all."""
    first = len(turns)
    left = room
    while first > 0:
        if left is not None:
            left -= size(turns[first - 1])
            if left < 0:
                break
        first -= 1
    return tuple(turns[first:])


def paired(turns: Sequence[SessionTurn], talk: Sequence[Message]) -> tuple[SessionTurn, ...]:
    """The turns without tool calls that nobody answers, and without answers of tools that nobody asked: an upstream
    refuses either."""
    found: list[SessionTurn] = []
    after = talk[0]["role"] if talk else ""
    for turn in reversed(turns):
        messages = turn.messages
        if messages and messages[-1].get("tool_calls") and after != "tool":
            messages = messages[:-1]
        if messages:
            found.append(replace(turn, messages=messages))
            after = messages[0]["role"]
    while found and found[-1].messages[0]["role"] == "tool":
        found.pop()
    return tuple(reversed(found))


def newest(messages: Sequence[Message], most: int) -> tuple[Message, ...]:
    """The last messages that have no more characters together; none when not even the last two have."""
    sizes = [len(str(one)) for one in messages]
    first = len(messages)
    while first > 0 and sum(sizes[first - 1 :]) <= most:
        first -= 1
    return tuple(messages[first:]) if len(messages) - first >= min(2, len(messages)) else ()


def _end(turn: Sequence[Message], talk: Sequence[Message]) -> int:
    """Where the turn ends in the talk, the last time that it stands there as it is; 0 when it does not."""
    size = len(turn)
    for end in range(len(talk), size - 1, -1):
        if size and tuple(talk[end - size : end]) == tuple(turn):
            return end
    return 0
