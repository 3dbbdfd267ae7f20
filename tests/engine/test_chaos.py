"""Guests by the dozen while stores come and go: in the end every call is one row, and nothing is left held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from maitre.settings import Endpoint
from tests.engine.hall import Hall
from tests.engine.lossy import Lossy
from tests.upstream import ScriptedUpstream

GUESTS, ROUNDS = 12, 5


def _forget(hall: Hall, name: Endpoint) -> None:
    hall.kill(name)
    hall.forget(name)


WAYS: dict[str, Callable[[Hall, Endpoint], object]] = {"stop": Hall.stop, "kill": Hall.kill, "forget": _forget}


@pytest.mark.parametrize(
    ("way", "name"),
    [
        pytest.param("stop", "postgres"),
        pytest.param("kill", "postgres"),
        pytest.param("stop", "valkey"),
        ("kill", "valkey"),
        ("forget", "valkey"),
    ],
)
def test_the_books_agree_after_a_storm(
    hall: Hall, upstream: ScriptedUpstream, eventually: Callable[..., Any], way: str, name: Endpoint
) -> None:
    """Every upstream call is one row and every row a call; the windows say what the ledger says; each guest
    read an answer or the sentence."""
    guests, log, before = [hall.guest() for _ in range(GUESTS)], hall.fresh_log(), len(upstream.calls)
    over = threading.Event()

    def chat(guest: dict[str, str]) -> set[int]:
        codes = set()
        while not over.is_set():
            codes.add(hall.chat(guest).status_code)
        return codes

    with ThreadPoolExecutor(GUESTS) as pool:
        storm = pool.map(chat, guests)
        try:
            for _ in range(ROUNDS):
                served = len(upstream.calls)
                eventually(lambda served=served: len(upstream.calls) > served + 3 * GUESTS)
                WAYS[way](hall, name)
                hall.start(name)
        finally:
            over.set()
    assert set.union(*storm) <= {200, 503}
    for guest in guests:
        eventually(lambda guest=guest: hall.agrees(guest), "the windows are not what the ledger says", seconds=8)
    rows = [row["request_id"] for guest in guests for row in hall.rows(guest)]
    assert sorted(rows) == sorted(str(call.request_id) for call in upstream.calls[before:])
    assert "Traceback" not in log()


@pytest.fixture
def lossy(hall: Hall, request: pytest.FixtureRequest) -> Iterator[Lossy]:
    """The named store behind a proxy that can lose answers; the server is started anew to talk to it."""
    name: Endpoint = request.param
    proxy, straight = Lossy(hall.ports[name]), hall.parts["pipelines"]
    behind = {name: hall.parts[name].url.replace(f":{proxy.target}/", f":{proxy.port}/")}
    hall.stop("pipelines")
    hall.parts["pipelines"] = hall.server(hall.ports["pipelines"], behind)
    hall.start("pipelines")
    yield proxy
    hall.stop("pipelines")
    hall.parts["pipelines"] = straight
    hall.start("pipelines")
    proxy.close()


@pytest.mark.parametrize(
    "lossy",
    [
        pytest.param("valkey"),
        "postgres",
    ],
    indirect=True,
)
def test_a_lost_confirmation_leaves_nothing_behind(
    hall: Hall, upstream: ScriptedUpstream, lossy: Lossy, eventually: Callable[..., Any]
) -> None:
    """What was taken without our hearing of it is given back: no hold, no row, no request of the plan."""
    guest = hall.guest()
    assert hall.chat(guest).status_code == 200
    eventually(lambda: hall.agrees(guest))
    before, lost = len(upstream.calls), lossy.lost
    with lossy.loses_answers():
        assert hall.chat(guest).status_code == 503
    assert lossy.lost > lost
    assert len(upstream.calls) == before
    assert hall.chat(guest).status_code == 200
    eventually(lambda: hall.agrees(guest), "the windows are not what the ledger says", seconds=8)
    assert len(hall.rows(guest)) == 2
