"""Embeddings on the wire: what may be asked, how large it is, and what of an answer is one."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from maitre.chat.embedding_wire import EMBEDDING, body, inputs, shown, size, usage_of, vectors
from maitre.chat.message import Usage
from maitre.chat.parameters import mistake
from maitre.errors import ProviderError

#: The `input` of a request, the inputs in it, and the bytes and other tokens that they are; None: it is refused.
ASKED: dict[str, tuple[Any, list[Any] | None, tuple[int, int]]] = {
    "text": ("їжак", ["їжак"], (8, 2)),
    "texts": (["ab", "c"], ["ab", "c"], (3, 4)),
    "tokens": ([5, 6, 7], [[5, 6, 7]], (0, 5)),
    "lists-of-tokens": ([[5], [6, 7]], [[5], [6, 7]], (0, 7)),
    "most": (["a"] * 2048, ["a"] * 2048, (2048, 4096)),
    "too-many": (["a"] * 2049, None, (0, 0)),
    "empty-text": ("", None, (0, 0)),
    "nothing": ([], None, (0, 0)),
    "an-empty-one": (["a", ""], None, (0, 0)),
    "mixed": (["a", 5], None, (0, 0)),
    "negative": ([-1], None, (0, 0)),
    "true": ([True], None, (0, 0)),
    "number": (5, None, (0, 0)),
    "object": ({"text": "a"}, None, (0, 0)),
    "null": (None, None, (0, 0)),
}


@pytest.mark.parametrize(("asked", "texts", "sized"), ASKED.values(), ids=ASKED)
def test_what_may_be_embedded(asked: Any, texts: list[Any] | None, sized: tuple[int, int]) -> None:
    """A text or tokens, or a list of them; anything else is named in a sentence."""
    params = {"model": "m", "input": asked}
    wrong = mistake(EMBEDDING, ("model", "input"), params)
    assert (wrong is None) == (texts is not None), wrong
    if texts is None:
        assert wrong is not None
        assert wrong[0] == "input"
    else:
        assert inputs(params) == texts
        assert size(texts) == sized


def test_what_goes_upstream() -> None:
    """Texts, the model as its provider calls it, and the two parameters of the API; nothing else."""
    params = {"model": "m", "input": "a", "dimensions": 8, "encoding_format": None, "user": "u", "x": 1}
    assert body(params, "up", ["a"]) == {"model": "up", "input": ["a"], "dimensions": 8}


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 5, "total_tokens": 5}, 5),
        ({"total_tokens": 5}, 5),
        ({"prompt_tokens": -5}, None),
        ({}, None),
        (None, None),
    ],
    ids=repr,
)
def test_the_usage_of_an_answer(usage: Any, counted: int | None) -> None:
    """A prompt that can be, and no answer."""
    assert usage_of({"usage": usage}) == (None if counted is None else Usage(counted, 0))


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [{"embedding": [1.0]}],
        [{"embedding": [1.0]}, {"embedding": []}],
        [{"embedding": [1.0]}, {"embedding": 5}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}],
        [{"embedding": [1.0]}, "x"],
    ],
    ids=repr,
)
def test_an_answer_without_the_embeddings_is_broken(data: Any) -> None:
    """Each input has one, or the upstream is at fault."""
    with pytest.raises(ProviderError):
        vectors({"data": data}, 2)


def test_embeddings_stand_in_the_order_of_their_inputs() -> None:
    """Whatever the order of the upstream."""
    data = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    assert vectors({"data": data}, 2) == [[1.0], [2.0]]


PACKED = base64.b64encode(struct.pack("<2f", 0.5, -1.0)).decode()


@pytest.mark.parametrize("made", [[0.5, -1.0], PACKED], ids=["numbers", "packed"])
@pytest.mark.parametrize(
    ("form", "told"), [("base64", PACKED), ("float", [0.5, -1.0]), (None, [0.5, -1.0])], ids=["base64", "float", "none"]
)
def test_the_guest_gets_the_form_that_was_asked_for(made: Any, form: str | None, told: Any) -> None:
    """Whichever the upstream sends."""
    assert shown([made], "models.m", Usage(3, 0), form) == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": told}],
        "model": "models.m",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


@pytest.mark.parametrize(
    ("made", "form"), [(["x"], "base64"), ([10**400], "base64"), ("=", "float"), ("AAA=", "float")], ids=repr
)
def test_an_embedding_of_something_else_is_broken(made: Any, form: str) -> None:
    """What cannot be numbers is the upstream's fault."""
    with pytest.raises(ProviderError):
        shown([made], "models.m", Usage(3, 0), form)
