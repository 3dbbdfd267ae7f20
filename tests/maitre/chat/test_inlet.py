"""What an inlet reads from the bodies that Open WebUI sends."""

from __future__ import annotations

from typing import Any

import pytest

from maitre.chat.inlet import REFUSED, base_model, is_ours, stamp_of, without_key
from maitre.chat.message import Guest, Stamp, TurnRequest
from maitre.chat.stamp import KEY, LIFETIME

BROWSER: dict[str, Any] = {
    "stream": True,
    "model": "support-bot",
    "messages": [{"role": "user", "content": "hello"}],
    "metadata": {
        "chat_id": "c1",
        "message_id": "m1",
        "session_id": "s1",
        "variables": {"{{USER_LANGUAGE}}": "uk-UA"},
        "model": {"id": "support-bot", "info": {"base_model_id": "assistants.coach"}},
    },
}
API: dict[str, Any] = {
    "model": "assistants.coach",
    "metadata": {"chat_id": "", "message_id": None, "session_id": None, "model": {"id": "assistants.coach"}},
}
TASK: dict[str, Any] = {**BROWSER, "metadata": {**BROWSER["metadata"], "task": "title_generation"}}


def stamped(body: dict[str, Any]) -> Stamp:
    """The stamp of this body for one guest."""
    return stamp_of(body, user_id="u1", model=base_model(body), turn_id="t1", now=1000.7)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BROWSER, Stamp("u1", "assistants.coach", "t1", 1000 + LIFETIME, "turn", "", "c1", True, "uk-UA")),
        (API, Stamp("u1", "assistants.coach", "t1", 1000 + LIFETIME)),
        (TASK, Stamp("u1", "assistants.coach", "t1", 1000 + LIFETIME, "task", "title_generation", "c1", True, "uk-UA")),
    ],
    ids=["browser", "api", "task"],
)
def test_the_stamp_of_a_body(body: dict[str, Any], expected: Stamp) -> None:
    """Browser, API and task bodies are told apart by Open WebUI's metadata alone."""
    assert stamped(body) == expected


@pytest.mark.parametrize("metadata", [None, [], "text", 5, {"model": None, "variables": None}, {"model": {"info": []}}])
def test_odd_metadata_is_no_metadata(metadata: object) -> None:
    """Whatever stands there, an ordinary API turn comes out."""
    body = {"model": "assistants.coach", "metadata": metadata}
    assert stamped(body) == Stamp("u1", "assistants.coach", "t1", 1000 + LIFETIME)


@pytest.mark.parametrize(
    ("body", "model"),
    [(BROWSER, "assistants.coach"), (API, "assistants.coach"), ({"model": "gpt-plain"}, "gpt-plain"), ({}, "")],
)
def test_the_base_of_a_workspace_model_is_what_counts(body: dict[str, Any], model: str) -> None:
    """A workspace model over an assistant is the assistant."""
    assert base_model(body) == model


@pytest.mark.parametrize(
    ("model", "ours"),
    [
        ("assistants.coach", True),
        ("models.small", True),
        (REFUSED, True),
        ("gpt.assistants.x", False),
        ("models", False),
    ],
)
def test_our_models_begin_with_our_manifolds(model: str, ours: bool) -> None:
    """Everything else is somebody else's model."""
    assert is_ours(model) is ours


def test_a_key_that_somebody_else_put_in_is_removed() -> None:
    """Nothing under our key survives, and nothing else is touched."""
    assert without_key({**API, KEY: "forged"}) == API


@pytest.mark.parametrize(
    ("stamp", "door"),
    [(None, "openai"), (stamped(BROWSER), "browser"), (stamped(API), "api"), (stamped(TASK), "browser")],
)
def test_the_door_follows_from_the_stamp(stamp: Stamp | None, door: str) -> None:
    """A turn without our stamp came by the bare pass-through, whatever it says of itself."""
    assert TurnRequest(Guest("u1", "", ""), "assistants.coach", (), {"session_id": "forged"}, stamp).door == door
