"""What a provider says that a call used: believed where it can be so, else counted by us and marked estimated."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from maitre.chat import sse
from tests.maitre.chat.kitchen import FREE, Kitchen, Reply, limited, text_in

Usages = Sequence[Any]

#: What stands as `usage` in the chunks of a stream of ten words, one by one and then at its end; what the row says:
#: prompt, completion, estimated. Ours is: a prompt of 10, an answer of 12.
OURS = (10, 12, True)
TOLD: dict[str, tuple[Usages, Any, tuple[int, int, bool]]] = {
    "as-it-should-be": ((), (7, 10), (7, 10, False)),
    "none": ((), None, OURS),
    "negative-prompt": ((), (-7, 10), OURS),
    "negative-completion": ((), (7, -10), OURS),
    "true": ((), (True, 10), OURS),
    "false": ((), (7, False), OURS),
    "fraction": ((), (7.5, 10), OURS),
    "whole-fraction": ((), (7.0, 10.0), OURS),
    "text": ((), ("7", "10"), OURS),
    "not-a-number": ((), (float("nan"), 10), OURS),
    "infinite": ((), (7, float("inf")), OURS),
    "null": ((), (None, None), OURS),
    "lists": ((), ([7], {"a": 10}), OURS),
    "only-the-prompt": ((), {"prompt_tokens": 7}, OURS),
    "only-the-answer": ((), {"completion_tokens": 10}, OURS),
    "only-the-total": ((), {"total_tokens": 17}, OURS),
    "a-list": ((), [7, 10], OURS),
    "a-number": ((), 17, OURS),
    "empty": ((), {}, OURS),
    "nothing-written": ((), (7, 0), (7, 12, True)),
    "nothing-read": ((), (0, 10), (10, 12, True)),
    "nothing-at-all": ((), (0, 0), OURS),
    "absurd-prompt": ((), (10**7, 10), OURS),
    "absurd-answer": ((), (7, 10**30), OURS),
    "beyond-a-row": ((), (7, 2**63), OURS),
    "cumulative": ([(7, n) for n in range(1, 11)], None, (7, 10, False)),
    "cumulative-and-at-the-end": ([(7, n) for n in range(1, 11)], (7, 10), (7, 10, False)),
    "in-every-chunk-the-same": ([(7, 10)] * 10, (7, 10), (7, 10, False)),
    "in-every-chunk-its-own": ([(7, 1)] * 10, None, (7, 12, True)),
    "in-every-chunk-nothing": ([(0, 0)] * 10, (0, 0), OURS),
    "decreasing": ([(7, n) for n in range(20, 10, -1)], (7, 1), (7, 20, False)),
    "decreasing-below-zero": ([(7, 10)] * 10, (-1, -1), (7, 10, False)),
    "first-sound-then-odd": ([(7, 10)] * 10, ("7", None), (7, 10, False)),
    "first-odd-then-sound": ([(-1, True)] * 10, (7, 10), (7, 10, False)),
    "only-before-the-answer": ([(7, 0)], None, (7, 12, True)),
    "only-in-the-middle": ([None] * 4 + [(7, 5)], None, (7, 12, True)),
}  # fmt: skip

#: Those that a whole answer can bring.
WHOLE = {name: (last, row) for name, (inside, last, row) in TOLD.items() if not inside}


def usage_of(told: Any) -> Any:
    """The `usage` of a chunk: a pair is its two counts."""
    return dict(zip(("prompt_tokens", "completion_tokens"), told, strict=True)) if isinstance(told, tuple) else told


def event(value: Mapping[str, Any]) -> bytes:
    """An event of the upstream's; NaN and Infinity stand in it as Python and some servers write them."""
    return b"data: " + json.dumps(value).encode()


def words(inside: Usages, last: Any, count: int = 10) -> list[bytes]:
    """A stream of so many words of 10 bytes, with these usages in its chunks and at its end."""
    chunks = []
    for number in range(count):
        chunk: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "x" * 10}, "finish_reason": None}]}
        if number < len(inside) and inside[number] is not None:
            chunk["usage"] = usage_of(inside[number])
        chunks.append(event(chunk))
    ending: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    chunks.append(event(ending))
    return [*chunks, event({"choices": [], "usage": usage_of(last)})] if last is not None else chunks


@pytest.fixture(autouse=True)
def twelve(kitchen: Kitchen) -> None:
    """The house's own tokenizer counts a prompt of 10 and an answer of 12, whatever they are."""
    kitchen.model.text_size = 12


@pytest.mark.parametrize(("inside", "last", "row"), TOLD.values(), ids=TOLD)
async def test_a_stream_is_charged_what_can_be_so(
    kitchen: Kitchen, inside: Usages, last: Any, row: tuple[int, int, bool]
) -> None:
    """Whatever a provider says, the row has two sound counts, and the windows say what the row says."""
    kitchen.model.replies = [Reply(raw=words(inside, last))]
    assert len(text_in(await kitchen.stream())) == 100
    assert kitchen.rows() == [("turn", "done", True, *row)]
    await kitchen.check_books()


@pytest.mark.parametrize(("last", "row"), WHOLE.values(), ids=WHOLE)
async def test_a_whole_answer_is_charged_the_same(kitchen: Kitchen, last: Any, row: tuple[int, int, bool]) -> None:
    """An answer that is not streamed goes by the same rules, and the client gets the numbers of the row."""

    class Odd(Reply):
        def whole(self) -> dict[str, Any]:
            answer = super().whole()
            return answer if last is None else {**answer, "usage": usage_of(last)}

    kitchen.model.replies = [Odd(pieces=["x" * 100], usage=None)]
    answer = await kitchen.answer()
    assert kitchen.rows() == [("turn", "done", True, *row)]
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == row[:2]
    await kitchen.check_books()


async def test_a_browser_is_told_what_the_row_says(kitchen: Kitchen) -> None:
    """After usage that cannot be so, a browser's chat gets ours: the last one that it reads."""
    kitchen.model.replies = [Reply(raw=words((), (7, 10**30)))]
    last = sse.payload((await kitchen.stream(stamp=kitchen.stamp(browser=True)))[-1]) or {}
    assert last["usage"] == {"prompt_tokens": 10, "completion_tokens": 12, "total_tokens": 22}


# ── more than was asked for ──────────────────────────────────────────────────────────────────────────────────


class Endless(Reply):
    """A stream of so many deltas, made as they are read."""

    def __init__(self, count: int, content: str) -> None:
        super().__init__()
        self.count, self.content, self.read = count, content, 0

    async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        """The deltas, the end, and the usage."""
        delta = event({"choices": [{"index": 0, "delta": {"content": self.content}, "finish_reason": None}]})
        for self.read in range(1, self.count + 1):  # noqa: B020 - how far it was read
            yield delta
        for last in words((), (10, self.count), 0):
            yield last


async def test_a_model_that_writes_a_million_tokens_is_cut_at_the_clamp(kitchen: Kitchen) -> None:
    """An upstream that ignores max_tokens is left soon after; the guest's answer ends as one that was cut, and is
    charged what was held."""
    endless = Endless(1_000_000, "word ")
    kitchen.model.stream = endless.stream  # type: ignore[method-assign]
    kitchen.model.calls = [("0" * 31 + "1", {})]
    kitchen.model.text_size = None
    events = await kitchen.stream()
    assert endless.read == 321  # of 5 bytes, when no token has more than 16
    assert [(sse.payload(one) or {})["choices"][0]["finish_reason"] for one in events[-2:]] == [None, "length"]
    assert kitchen.rows() == [("turn", "done", True, 10, 100, True)]


async def test_one_that_writes_next_to_nothing_in_each_delta_is_cut_too(kitchen: Kitchen) -> None:
    """Eight deltas for each token that was allowed are more than any server makes."""
    endless = Endless(1_000_000, "x")
    kitchen.model.stream = endless.stream  # type: ignore[method-assign]
    kitchen.model.calls = [("0" * 31 + "1", {})]
    kitchen.model.text_size = None
    await kitchen.stream()
    assert endless.read == 801
    assert kitchen.rows() == [("turn", "done", True, 10, 100, True)]


@pytest.mark.parametrize(("usage", "row"), [((7, 30), (7, 30, False)), (None, (10, 30, True))], ids=["told", "counted"])
async def test_an_upstream_that_streams_by_characters_is_not_cut(
    kitchen: Kitchen, usage: Any, row: tuple[int, int, bool]
) -> None:
    """More deltas than tokens were allowed are no more tokens: the answer arrives whole, charged by its tokens."""
    kitchen.model.text_size = 30
    kitchen.model.replies = [Reply(pieces=list("x" * 120), usage=usage_of(usage))]
    events = await kitchen.stream()
    assert len(text_in(events)) == 120
    assert kitchen.rows() == [("turn", "done", True, *row)]
    await kitchen.check_books()


async def test_large_deltas_do_not_pass_the_clamp_either(kitchen: Kitchen) -> None:
    """What a delta holds is looked at, too: no token is longer than sixteen bytes."""
    endless = Endless(1_000_000, "word " * 1000)
    kitchen.model.stream = endless.stream  # type: ignore[method-assign]
    kitchen.model.calls = [("0" * 31 + "1", {})]
    kitchen.model.text_size = None
    await kitchen.stream()
    assert endless.read == 1
    assert kitchen.rows() == [("turn", "done", True, 10, 100, True)]


async def test_a_whole_answer_of_a_million_tokens_closes_the_window(kitchen: Kitchen) -> None:
    """One that is not streamed cannot be cut in time: the guest gets it, and pays what the upstream counted."""
    kitchen.model.replies = [
        Reply(pieces=["word " * 1_000_000], usage={"prompt_tokens": 10, "completion_tokens": 1_000_000})
    ]
    answer = await kitchen.answer()
    assert len(answer["choices"][0]["message"]["content"]) == 5_000_000
    assert kitchen.rows() == [("turn", "done", True, 10, 1_000_000, False)]
    assert len(next(iter(kitchen.books.words.values())).output) == 256 * 1024


async def test_a_million_tokens_that_are_allowed_arrive(kitchen: Kitchen) -> None:
    """A plan may allow an answer as long as that: every event arrives, what is kept of it is bounded."""
    kitchen.registry.offer(replace(limited(FREE, tokens_per_day=None), max_answer_tokens=1_000_000))
    endless, got = Endless(1_000_000, "word "), 0

    class Counted:
        async def emit(self, event: bytes) -> None:
            nonlocal got
            got += 1

    kitchen.model.stream = endless.stream  # type: ignore[method-assign]
    kitchen.model.calls = [("0" * 31 + "1", {})]
    await kitchen.turns.stream(kitchen.request(), Counted())  # type: ignore[arg-type]
    await kitchen.settled()
    assert got == 1_000_002
    assert kitchen.rows() == [("turn", "done", True, 10, 1_000_000, False)]
    assert len(next(iter(kitchen.books.words.values())).output) == 256 * 1024
