"""The soak's verdict finds what is wrong: one that always agrees would be of no use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.verdict import judge
from tests.soak.watch import Look, growth
from tests.upstream import Call

ROW: dict[str, Any] = {
    "request_id": "r1",
    "turn_id": "r1",
    "model": "scripted",
    "kind": "turn",
    "status": "done",
    "estimated": False,
    "prompt_tokens": 5,
    "completion_tokens": 3,
    "held_prompt": 9,
    "held_completion": 10,
    "relayed": None,
}
ESTIMATED = {"estimated": True, "status": "stopped", "prompt_tokens": 9}


def call(**fields: Any) -> Call:
    """The upstream's side of the row."""
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    known: dict[str, Any] = {"number": 1, "request_id": "r1", "at": 0.0, "body": {}, "headers": {}, "stream": True}
    return Call(**{**known, "usage": usage, "usage_sent": True, "ended": "completed", **fields})


def test_books_that_agree_are_fine() -> None:
    """A row as the upstream counted it, and one that is estimated between what was read and the hold."""
    assert judge([ROW], [call()], {"r1": 3}) == []
    assert judge([{**ROW, **ESTIMATED, "relayed": 2}], [call(ended="client gone")], {"r1": 3}) == []


@pytest.mark.parametrize(
    ("row", "calls", "heard", "what"),
    [
        ({}, [call(), call()], 0, "was called 2 times"),
        ({"request_id": "other"}, [call()], 0, "has no row"),
        ({}, [], 0, "was never called"),
        ({"status": "open"}, [call()], 0, "is open"),
        ({"status": "lost"}, [call()], 0, "is lost"),
        ({}, [call(ended="open")], 0, "goes on at the upstream"),
        ({"completion_tokens": 4}, [call()], 0, "and the upstream"),
        ({"prompt_tokens": 0, "completion_tokens": 0}, [call()], 0, "is charged nothing"),
        ({"estimated": True, "prompt_tokens": 9}, [call()], 0, "though usage arrived"),
        ({"estimated": True, "status": "stopped"}, [call()], 0, "is charged a prompt"),
        ({**ESTIMATED, "completion_tokens": 11}, [call()], 0, "and held 10"),
        ({**ESTIMATED, "relayed": 4}, [call()], 0, "were checkpointed"),
        ({}, [call(ended="cut")], 0, "broke off"),
        ({}, [call()], 4, "its client read 4"),
    ],
)
def test_what_is_wrong_is_told(row: dict[str, Any], calls: list[Call], heard: int, what: str) -> None:
    """Each in a sentence of its own."""
    assert any(what in sentence for sentence in judge([{**ROW, **row}], calls, {"r1": heard} if heard else {}))


def test_growth_is_from_the_first_fifth_to_the_end() -> None:
    """What a process takes while it warms up does not count, nor does one look."""
    looks = [Look(at, (50 if at < 20 else 999 if at == 25 else 100 + (at >= 90) * 7), {}, {}) for at in range(100)]
    assert growth(looks, 100.0) == (100, 107)
