"""What a guest sees of an upstream's answer: our id and model, what the OpenAI API knows, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maitre.chat import sse
from maitre.chat.disguise import Disguise
from maitre.chat.message import Usage

OURS = {"id": "chatcmpl-t", "created": 5, "model": "assistants.host", "object": "chat.completion.chunk"}
DISGUISE = Disguise("chatcmpl-t", "assistants.host", 5)
STRICT = Disguise("chatcmpl-t", "assistants.host", 5, usage=False)

CHOICE: dict[str, Any] = {"index": 0, "delta": {"content": "hi"}, "finish_reason": None}
COUNTS = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}

#: What upstreams tell of themselves: OpenAI, llama.cpp, vLLM, OpenRouter, Groq, Azure.
OWN = {
    "id": "gen-1",
    "model": "secret/model-9b",
    "created": 1,
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "provider": "Somebody",
    "x_groq": {"id": "req_1"},
    "timings": {"prompt_n": 1},
    "prompt_token_ids": [1],
    "kv_transfer_params": None,
    "prompt_filter_results": [],
}

#: What an upstream says in a choice, and what the guest gets of it; the rest of the choice is CHOICE's.
CHOICES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({}, {}),
    "role": ({"delta": {"role": "assistant", "content": None}}, {"delta": {"role": "assistant", "content": None}}),
    "nothing": ({"delta": {}}, {"delta": {}}),
    "reasoning": ({"delta": {"reasoning_content": "hm"}}, {"delta": {"reasoning_content": "hm"}}),
    "tool-calls": ({"delta": {"tool_calls": [{"id": "c"}]}}, {"delta": {"tool_calls": [{"id": "c"}]}}),
    "unknown-in-the-delta": ({"delta": {"content": "a", "token_id": 9}}, {"delta": {"content": "a"}}),
    "the-end": ({"delta": {}, "finish_reason": "stop"}, {"delta": {}, "finish_reason": "stop"}),
    "native-finish": ({"native_finish_reason": "STOP_SECRET", "stop_reason": 5}, {}),
    "logprobs": ({"logprobs": {"content": [{"logprob": -0.1}]}}, {"logprobs": {"content": [{"logprob": -0.1}]}}),
    "no-logprobs": ({"logprobs": None}, {}),
    "second": ({"index": 1}, {"index": 1}),
    "line-breaks": ({"delta": {"content": "a\n\nb\u2028"}}, {"delta": {"content": "a\n\nb\u2028"}}),
    "half-a-character": ({"delta": {"content": "\ud83d"}}, {"delta": {"content": "\ud83d"}}),
}


@pytest.mark.parametrize(("said", "shown"), CHOICES.values(), ids=CHOICES)
def test_a_chunk_in_disguise(said: dict[str, Any], shown: dict[str, Any]) -> None:
    """Whatever stands around a choice is ours, and in it only what the OpenAI API knows."""
    event = DISGUISE.event({**OWN, "choices": [{**CHOICE, **said}]})
    assert event is not None
    assert json.loads(event[6:]) == {**OURS, "choices": [{**CHOICE, **shown}]}


@pytest.mark.parametrize(
    "chunk",
    [{}, {"choices": []}, {"choices": None}, {"choices": "x"}, {"choices": [5]}, {"type": "ping"}, {"usage": 5}],
    ids=repr,
)
def test_a_chunk_that_says_nothing_is_none(chunk: dict[str, Any]) -> None:
    """Keep-alives, filter results and the like reach nobody."""
    assert DISGUISE.event({**OWN, **chunk}) is None


def test_usage_is_counts_and_no_prices() -> None:
    """What a call costs the house is the house's."""
    told = {**COUNTS, "cost": 0.1, "is_byok": True, "completion_tokens_details": {"reasoning_tokens": 1, "x": "y"}}
    event = DISGUISE.event({**OWN, "choices": [], "usage": told})
    assert event is not None
    details = {"completion_tokens_details": {"reasoning_tokens": 1}}
    assert json.loads(event[6:]) == {**OURS, "choices": [], "usage": {**COUNTS, **details}}


def test_usage_waits_for_the_end_where_it_is_told_once() -> None:
    """The public API tells it in one event at the end, however the upstream does."""
    assert STRICT.event({**OWN, "choices": [], "usage": COUNTS}) is None
    event = STRICT.event({**OWN, "choices": [CHOICE], "usage": COUNTS})
    assert event == DISGUISE.event({"choices": [CHOICE]})
    assert json.loads(STRICT.used(Usage(7, 2))[6:]) == {**OURS, "choices": [], "usage": COUNTS}


def test_our_own_chunks_look_the_same() -> None:
    """A guest cannot tell who made a chunk."""
    assert DISGUISE.said({"content": "hi"}, None) == DISGUISE.event({"choices": [CHOICE]})


def test_a_whole_answer_in_disguise() -> None:
    """The same for an answer that is not streamed."""
    message = {"role": "assistant", "content": "hi", "annotations": [], "secret": 1}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None, "matched_stop": 3}
    shown = {"index": 0, "message": {k: v for k, v in message.items() if k != "secret"}, "finish_reason": "stop"}
    whole = DISGUISE.whole({**OWN, "choices": [choice], "usage": {**COUNTS, "cost": 1}})
    assert whole == {**OURS, "object": "chat.completion", "choices": [shown], "usage": COUNTS}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(st.characters(codec=None), max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
DELTAS = st.dictionaries(st.sampled_from(["content", "role", "tool_calls", "native"]), VALUES, max_size=2) | VALUES
CHOICES_ANY = st.fixed_dictionaries(
    {}, optional={"index": VALUES, "delta": DELTAS, "finish_reason": VALUES, "logprobs": VALUES, "x": VALUES}
)
CHUNKS = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(CHOICES_ANY | VALUES, max_size=2) | VALUES, "usage": VALUES, "model": VALUES}
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(CHUNKS, st.booleans())
def test_the_short_way_is_the_long_way(chunk: dict[str, Any], usage: bool) -> None:
    """The event that is put together from prepared pieces says what one written anew says, whatever the chunk is."""
    disguise = Disguise("chatcmpl-ї", 'models.ї"\\', 5, usage=usage)
    event, shown = disguise.event(chunk), disguise.chunk(chunk)
    assert (None if event is None else sse.payload(event)) == shown
    assert event is None or b"\n" not in event
