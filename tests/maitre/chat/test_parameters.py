"""What a client of the public API may say beside its messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maitre.chat.embedding_wire import EMBEDDING
from maitre.chat.parameters import CHAT, mistake

HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

FINE: dict[str, list[Any]] = {
    "stream": [True, False],
    "stream_options": [{}, {"include_usage": True}],
    "n": [1],
    "max_tokens": [1, 100_000],
    "max_completion_tokens": [1],
    "temperature": [0, 1.5, 2],
    "top_p": [0, 0.5, 1],
    "presence_penalty": [-2, 2.0],
    "frequency_penalty": [-2, 2.0],
    "stop": ["a", ["a", "b"], []],
    "seed": [0, -5, 2**62],
    "logprobs": [True],
    "top_logprobs": [0, 20],
    "logit_bias": [{}, {"5": -100}],
    "reasoning_effort": ["low", "minimal"],
    "response_format": [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    ],
    "tools": [[], [{"type": "function", "function": {"name": "look"}}]],
    "tool_choice": ["auto", "none", "required", {"type": "function", "function": {"name": "look"}}],
    "parallel_tool_calls": [False],
    "user": ["me"],
    "metadata": [{}],
    "store": [False, True],
    "something_new": [5],
}
WRONG: dict[str, list[Any]] = {
    "model": [5, ["m"]],
    "messages": ["hi", {}, [], ["hi"], [None], 5],
    "stream": ["yes", 1],
    "stream_options": [True, []],
    "n": [0, 2, "1", 1.0, True],
    "max_tokens": [0, -1, "5", 1.5, True, 2**64],
    "max_completion_tokens": [0],
    "temperature": [-0.1, 2.1, "1", True, float("nan"), float("inf")],
    "top_p": [1.1, []],
    "presence_penalty": [3],
    "frequency_penalty": ["-1"],
    "stop": [5, [5], {"a": 1}],
    "seed": ["a", 1.5, 2**70],
    "logprobs": [5, "true"],
    "top_logprobs": [21, -1, True],
    "logit_bias": [[], 5],
    "reasoning_effort": ["huge", 5, ["low"]],
    "response_format": [
        "json",
        {},
        {"type": "xml"},
        {"type": ["text"]},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {}},
    ],
    "tools": ["look", [5], [{}], [{"type": "function"}], [{"function": {"name": ""}}]],
    "tool_choice": ["look", 5, ["auto"]],
    "parallel_tool_calls": ["no"],
    "functions": [[]],
    "function_call": ["auto"],
    "user": [5],
    "metadata": ["a"],
    "store": [1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FINE.items() for value in values])
def test_what_the_api_knows_is_taken(name: str, value: Any) -> None:
    """And so is null, and what nobody knows."""
    assert mistake(CHAT, ("model", "messages"), {**HELLO, name: value}) is None
    assert mistake(CHAT, ("model", "messages"), {**HELLO, name: None}) is None


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_cannot_be_is_named(name: str, value: Any) -> None:
    """The first mistake has the parameter's name and a sentence."""
    wrong = mistake(CHAT, ("model", "messages"), {**HELLO, name: value})
    assert wrong is not None
    assert wrong[0] == name
    assert f"“{name}”" in wrong[1]


@pytest.mark.parametrize("name", HELLO)
@pytest.mark.parametrize("nothing", [None, "", "absent"])
def test_what_is_needed_may_not_be_missing(name: str, nothing: Any) -> None:
    """A model, and messages."""
    body = {**HELLO, name: nothing}
    if nothing == "absent":
        del body[name]
    assert mistake(CHAT, ("model", "messages"), body) == (name, f"“{name}” is missing.")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "function"]), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CHAT, *EMBEDDING, "odd"]), VALUES))
def test_no_body_is_a_fault_of_ours(body: dict[str, Any]) -> None:
    """Whatever stands in it, the answer is a sentence or none."""
    for table in (CHAT, EMBEDDING):
        wrong = mistake(table, ("model",), body)
        assert wrong is None or wrong[0] in table
