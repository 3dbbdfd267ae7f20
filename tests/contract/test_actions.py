"""The action log, on the twin in memory and on Postgres alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from maitre.actions.action import Action, Actions
from maitre.actions.actions_memory import MemoryActions
from maitre.actions.actions_postgres import PostgresActions
from tests.contract.rows import NOON

pytestmark = pytest.mark.contract
MADE = Action(NOON, "u1", "key.generate", "k1", "k0", "192.0.2.7", {"name": "phone", "models": ["assistants.a"]})
ENDED = replace(MADE, at=NOON + timedelta(seconds=1), what="key.revoke", detail={})
CLOSED = Action(NOON + timedelta(seconds=2), "ada", "house.close")


@pytest.fixture(params=["memory", "postgres"])
def empty(request: pytest.FixtureRequest) -> Actions:
    """No actions yet."""
    return MemoryActions() if request.param == "memory" else PostgresActions(request.getfixturevalue("database"))


@pytest.fixture
async def actions(empty: Actions) -> Actions:
    """A log with three actions."""
    await empty.add([MADE, ENDED])
    await empty.add([CLOSED])
    return empty


async def test_the_newest_come_first_and_whole(actions: Actions) -> None:
    """Nothing of an action is lost."""
    assert await actions.newest() == [CLOSED, ENDED, MADE]
    assert await actions.newest(limit=1) == [CLOSED]


async def test_a_log_is_asked_by_person_time_and_name(actions: Actions) -> None:
    """A name's beginning up to its dot is enough."""
    assert await actions.newest(who="u1") == [ENDED, MADE]
    assert await actions.newest(since=ENDED.at) == [CLOSED, ENDED]
    assert await actions.newest(what="key") == [ENDED, MADE]
    assert await actions.newest(what="key.revoke") == [ENDED]
    assert await actions.newest(what="ke") == []


async def test_what_is_past_its_retention_goes(actions: Actions) -> None:
    """And nothing else."""
    assert await actions.forget(CLOSED.at) == 2
    assert await actions.newest() == [CLOSED]
