"""What is stored by a newer release can be read by the one that it is rolled back to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from maitre.assistants.assistant import Assistant
from maitre.assistants.variable import Variable
from maitre.knowledge.wish import KnowledgeWish
from maitre.memory.memory import Memory
from maitre.quota.plan import Plan
from maitre.routing.routing import Routing, Rule, Similar, Way

PLAN = Plan("free", "Free", 0, "EUR", {"requests_per_minute": 5}, models=("small",))
ASSISTANT = Assistant(
    "coach",
    "Coach",
    "small",
    "Help {{name}}.",
    memory=Memory(),
    variables={"name": Variable("Who")},
    knowledge=KnowledgeWish(("handbook",)),
    routing=Routing((Rule((Way("general"),), ("code",)),), Similar(("general",), 0.1)),
)
FIELD = "of_the_next_release"


def extended(value: Any) -> Any:
    """The value with a field more wherever a dataclass was."""
    if isinstance(value, list):
        return [extended(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: extended(one) for name, one in value.items()} | {FIELD: {"deep": True}}


@pytest.mark.parametrize("stored", [PLAN, ASSISTANT])
def test_fields_of_a_newer_release_are_left_out(stored: Plan | Assistant) -> None:
    """Everything else is as it was written."""
    written = json.loads(json.dumps(stored.to_json()))
    more = extended(written)
    for name in ("limits", "variables"):  # names of the operator's, not fields
        if name in more:
            del more[name][FIELD]
    assert type(stored).from_json(more) == stored
    assert FIELD in more
