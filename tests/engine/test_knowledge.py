"""Knowledge through the real Pipelines server: the passage is in the prompt, and a browser is told its source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from maitre.knowledge.collection import Readers
from tests.api.test_knowledge import KEYS, KNOWING, READER, WINE
from tests.engine.answers import DONE
from tests.engine.hall import Hall
from tests.engine.seeded import seeded_hall
from tests.engine.small_house import HOUSE
from tests.rag_double import RagDouble, put_up, running_rag_double
from tests.upstream import ScriptedUpstream


@pytest.fixture(scope="module")
def double() -> Iterator[RagDouble]:
    """The double of the RAG service."""
    with running_rag_double() as started:
        started.library.offer("handbook", Readers(everyone=True), KEYS)
        started.library.offer("cellar", Readers(groups=("sommeliers",)), WINE)
        yield started


@pytest.fixture(scope="module", params=["host", "bare"])
def reading_hall(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    upstream: ScriptedUpstream,
    double: RagDouble,
) -> Iterator[Hall]:
    """A house with knowledge, served by the host and by the bare server."""
    folder = tmp_path_factory.mktemp("knowledge")
    text = HOUSE + KNOWING.replace("{", "{{").replace("}", "}}")
    with seeded_hall(folder, upstream.url, text, {"reader": READER}) as hall:
        hall.bare = request.param == "bare"
        hall.traces = hall.traces
        put_up(hall.house, double)
        hall.start("pipelines")
        yield hall


def test_a_browsers_turn(
    reading_hall: Hall, upstream: ScriptedUpstream, double: RagDouble, eventually: Callable[..., Any]
) -> None:
    """One chip before the first word; what the upstream read; one row, whose prompt has the passage in it."""
    hall, guest = reading_hall, reading_hall.guest()
    double.fault = ""
    body = hall.body(guest, "Where are the keys?", model="assistants.reader", stream=True)
    got = hall.raw_post(hall.stamped(body), guest)
    assert (got.status, got.whole, got.events[-1]) == (200, True, DONE)
    told = [json.loads(event[6:]) for event in got.events[:-1]]
    assert told[0]["event"]["data"]["source"]["name"] == "Handbook, p. 3"
    assert not [one for one in told[1:] if "event" in one]
    (row,) = eventually(lambda: hall.settled(guest))
    (call,) = [one for one in upstream.calls if one.request_id == row["request_id"]]
    prompt = call.body["messages"][0]["content"]
    assert KEYS.text in prompt
    assert WINE.text not in prompt
    assert double.asked[-1]["claims"]["turn"] == row["turn_id"]


def test_a_turn_without_the_service(reading_hall: Hall, double: RagDouble) -> None:
    """The guest has an answer all the same."""
    hall, guest = reading_hall, reading_hall.guest()
    double.fault = "503"
    body = hall.body(guest, "Where are the keys?", model="assistants.reader", stream=True)
    got = hall.raw_post(hall.stamped(body), guest)
    assert (got.status, got.whole) == (200, True)
    assert b"source" not in b"".join(got.events)
