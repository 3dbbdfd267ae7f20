"""An upstream that lies, stammers and breaks: the guest reads of it, and the row is settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.answers import DONE, error_in, script
from tests.engine.hall import Hall
from tests.engine.servers import BOTH

pytestmark = BOTH

#: Scripts whose stream must end with an error event, and words of it.
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "cut-before": ({"cut_after": -1}, "broke off"),
    "cut-at-once": ({"cut_after": 0}, "broke off"),
    "cut-later": ({"n": 50, "cut_after": 20}, "broke off"),
    "error-first": ({"error_after": 0, "error": "out of memory"}, "code"),
    "error-later": ({"n": 9, "error_after": 5, "error": "out of memory"}, ""),
    "error-object": ({"raw": ['data: {"error": {"message": "boom"}}\n\n']}, ""),
    "error-text": ({"raw": ['data: {"error": "boom"}\n\n']}, ""),
    "status-400": ({"status": 400}, "400"),
    "status-401": ({"status": 401}, "401"),
    "status-429": ({"status": 429}, "429"),
    "status-500": ({"status": 500}, "500"),
    "choices-5": ({"raw": ['data: {"choices": 5}\n\n']}, ""),
    "choices-null": ({"raw": ['data: {"choices": [null]}\n\n']}, ""),
    "delta-text": ({"raw": ['data: {"choices": [{"delta": "x"}]}\n\n']}, ""),
    "tool-null": ({"raw": ['data: {"choices": [{"delta": {"tool_calls": [null]}}]}\n\n']}, ""),
    "deep": ({"raw": ["data: " + "[" * 100_000 + "\n\n"]}, ""),
}
#: Events that are not a chat's, but harm nobody: the answer goes on, and its tokens are counted.
ODD = {
    "html": "<html><body>502 Bad Gateway</body></html>\n\n",
    "no-json": "data: hello\n\n",
    "list": "data: [1, 2]\n\n",
    "two-lines": 'data: {"a":\ndata: 1}\n\n',
    "named": 'event: ping\ndata: {"choices": []}\n\n',
    "bad-usage": 'data: {"choices": [], "usage": {"prompt_tokens": "x", "completion_tokens": -1}}\n\n',
}
#: Events that a strict store may choke on.
POISON = [
    pytest.param({"nul": True}, id="nul"),
    pytest.param({"raw": ['data: {"choices":[{"delta":{"content":"\\ud800"}}]}\n\n']}, id="lone-surrogate"),
    pytest.param(
        {
            "raw": ['data: {"choices":[],"usage":{"prompt_tokens":' + str(10**30) + ',"completion_tokens":3}}\n\n'],
            "usage": False,
        },
        id="huge-usage",
    ),
]


@pytest.mark.parametrize(("broken", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_stream_ends_with_a_sentence(
    hall: Hall, eventually: Callable[..., Any], broken: dict[str, Any], says: str
) -> None:
    """No fault in a stream is silent: an error event and one [DONE], or an error instead of a stream; one settled row,
    nothing held."""
    guest = hall.guest()
    answer = hall.raw(guest, script(**broken))
    told = error_in(answer)
    assert says in told["message"]
    assert answer.events.count(DONE) == (1 if answer.status == 200 else 0)
    (row,) = eventually(lambda: hall.settled(guest))
    assert row["status"] == "error"
    eventually(lambda: hall.agrees(guest))


def test_what_the_upstream_says_of_itself_stays_here(hall: Hall) -> None:
    """An upstream's own error text, which may hold a key or an address, is for the log and not for the guest; what it
    quotes of the guest's words is for neither."""
    log = hall.fresh_log()
    told = [
        error_in(hall.raw(hall.guest(), script(error_after=0, error="key sk-123 at 10.0.0.7")))["message"],
        hall.chat(hall.guest(), script(status=500, error="key sk-123 at 10.0.0.7")).text,
    ]
    assert [text for text in told if "sk-123" in text] == []
    assert "sk-123" not in log(), "the guest said it: it stands in the script"
    assert hall.chat(hall.guest(), script(status=500)).status_code == 500
    assert "The upstream failed: provider_error" in log()


@pytest.mark.parametrize("event", ODD.values(), ids=ODD)
def test_odd_events_do_not_end_an_answer(hall: Hall, eventually: Callable[..., Any], event: str) -> None:
    """What is no chat event passes or is left out; the answer after it is whole and counted."""
    guest = hall.guest()
    answer = hall.raw(guest, script(raw=[event], n=3))
    assert answer.events[-1] == DONE
    assert b"word2" in answer.body
    assert b'"error"' not in answer.body
    (row,) = eventually(lambda: hall.settled(guest))
    assert (row["status"], row["completion_tokens"], row["estimated"]) == ("done", 3, False)


@pytest.mark.parametrize("poison", POISON)
def test_no_answer_is_too_odd_to_be_settled(hall: Hall, eventually: Callable[..., Any], poison: dict[str, Any]) -> None:
    """Whatever the upstream wrote, the row is settled soon, and nothing stays held."""
    guest = hall.guest()
    assert hall.raw(guest, script(**poison)).events[-1] == DONE
    eventually(lambda: hall.settled(guest), "the row is still open", seconds=3)
    eventually(lambda: hall.agrees(guest), seconds=3)


def test_a_hanging_upstream_ends_with_a_sentence(hall: Hall, eventually: Callable[..., Any]) -> None:
    """A turn that lasts longer than the house allows is ended, said and settled."""
    guest = hall.guest()
    told = error_in(hall.raw(guest, script(hang_after=2)))
    assert "longer than 20 seconds" in told["message"]
    (row,) = eventually(lambda: hall.settled(guest))
    assert row["completion_tokens"] > 0
    eventually(lambda: hall.agrees(guest))
