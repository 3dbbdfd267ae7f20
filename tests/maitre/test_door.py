"""The door: what a refusal looks like in a stream and in a whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException

from maitre import door, portal
from maitre.chat.message import Guest, TurnRequest
from maitre.chat.sse import payload
from maitre.errors import BadRequest, QuotaExceeded, Refusal
from maitre.seats import Seats


class Turns:
    """Refuses every whole answer."""

    terms = SimpleNamespace(language="uk")

    def __init__(self, refused: Refusal) -> None:
        self.refused = refused

    async def answer(self, request: object) -> dict[str, Any]:
        raise self.refused

    async def stream(self, request: object, emit: object) -> None:
        raise AssertionError("the portal runs it, not the door")

    def sentence(self, refused: Refusal, request: object) -> str:
        return f"The sentence of {refused.key}."


class OpenPortal:
    """A portal and its engine in one."""

    def __init__(self, refused: Refusal, *, early: bool) -> None:
        self.engine = self.requests = self
        self.turns, self.early, self.refused = Turns(refused), early, refused
        self.seats = Seats(1)

    def request(self, model: str, body: object) -> TurnRequest:
        if self.early:
            raise self.refused
        return TurnRequest(Guest("u1", "", ""), model, (), {})

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)

    def stream(self, serve: object, *, heartbeat: bool, broken: Callable[[], bytes]) -> Iterator[str]:
        assert "обірвалася" in broken().decode()
        return iter(["relayed", f"heartbeat: {heartbeat}"])


def serve(monkeypatch: pytest.MonkeyPatch, refused: Refusal, early: bool, **body: Any) -> Any:
    """What the door gives back."""
    opened = OpenPortal(refused, early=early)
    monkeypatch.setattr(portal, "current", lambda: opened)
    return door.serve("assistants.coach", body)


FULL = QuotaExceeded("requests_minute", resets_at=None, retry_after=42)
NOBODY = BadRequest("nobody")


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("refused", "status", "headers"),
    [(FULL, 429, {"Retry-After": "42"}), (NOBODY, 400, None)],
    ids=["quota", "request"],
)
def test_a_whole_answer_is_refused_by_a_real_http_error(
    monkeypatch: pytest.MonkeyPatch, early: bool, refused: Refusal, status: int, headers: dict[str, str] | None
) -> None:
    """Its status, its sentence, and how long to wait."""
    with pytest.raises(HTTPException) as failed:
        serve(monkeypatch, refused, early)
    assert (failed.value.status_code, failed.value.headers) == (status, headers)
    assert failed.value.detail == f"The sentence of {refused.key}."


def test_a_stream_that_cannot_begin_is_an_error_event_and_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has sent its 200 by then; an empty answer would be silent."""
    first, last = serve(monkeypatch, NOBODY, True, stream=True)
    event = payload(first.encode())
    assert event is not None
    assert (event["error"]["code"], event["error"]["message"]) == (400, "The sentence of nobody.")
    assert last == "data: [DONE]"


def test_a_stream_is_the_portals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door adds nothing to it; only a browser's stream gets a heartbeat."""
    assert list(serve(monkeypatch, FULL, False, stream=True)) == ["relayed", "heartbeat: False"]


def test_a_full_house_refuses_whole_answers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole answer holds a thread from its beginning to its end."""
    opened = OpenPortal(FULL, early=False)
    monkeypatch.setattr(portal, "current", lambda: opened)
    opened.seats.take()
    with pytest.raises(HTTPException) as failed:
        door.serve("assistants.coach", {})
    assert (failed.value.status_code, failed.value.headers) == (429, {"Retry-After": "10"})
    assert failed.value.detail == "The sentence of house_full."
