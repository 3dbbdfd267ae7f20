"""Langfuse refuses, or hangs: guests notice nothing, memory stays bounded, and what was dropped is counted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from devstack.places import ROOT
from devstack.process import alive
from tests.engine.answers import script
from tests.engine.hall import Hall, resident
from tests.engine.receivers import hanging, refusing
from tests.upstream import ScriptedUpstream

WARM_UP, TURNS = 100, 2000
LIMIT = 50_000_000  # bytes

Receiver = Callable[[], AbstractContextManager[str]]


@pytest.fixture
def untraced_hall(hall: Hall, request: pytest.FixtureRequest) -> Iterator[Hall]:
    """The hall, its server started anew with a receiver of no use."""
    receiver: Receiver = request.param
    before = hall.traces
    with receiver() as url:
        hall.stop("pipelines")
        hall.traces = url
        hall.start("pipelines")
        yield hall
        if alive(hall.who["pipelines"]):
            hall.stop("pipelines")
    hall.traces = before
    hall.start("pipelines")


@pytest.mark.parametrize("untraced_hall", [refusing, hanging], indirect=True)
def test_two_thousand_turns_without_langfuse(
    untraced_hall: Hall,
    upstream: ScriptedUpstream,
    eventually: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The server grows by at most 50 MB, every turn is served and settled, the lost traces are counted, and it
    stops within ten seconds of its signal."""
    hall, guest = untraced_hall, untraced_hall.guest()
    pid = hall.who["pipelines"].pid
    before, dropped = len(upstream.calls), dropped_traces(hall)
    text = script(n=20) + " and tell me more" * 50

    def turn(number: int) -> bool:
        if number % 2:
            return hall.chat(guest, text).status_code == 200
        return hall.raw(guest, text).body.count(b"word") == 20

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(turn, range(WARM_UP)))
        small = resident(pid)
        assert all(pool.map(turn, range(TURNS)))
        grown = resident(pid) - small
    assert grown <= LIMIT, f"{grown / 1e6:.0f} MB"
    eventually(lambda: hall.agrees(guest))
    assert len(upstream.calls) - before == WARM_UP + TURNS
    eventually(lambda: dropped_traces(hall) > dropped, "dropped traces are not counted")
    stopped = hall.stop("pipelines")
    with capsys.disabled():
        print(f"\n2,000 turns without traces: grown by {grown / 1e6:.1f} MB, stopped in {stopped:.1f} s")


def dropped_traces(hall: Hall) -> int:
    """How many traces the house has lost."""
    return hall.ask(lambda books: books.counters()).get("traces_dropped", 0)


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_status_tells_of_dropped_traces(hall: Hall, as_json: bool, eventually: Callable[..., Any]) -> None:
    """`cli status` says how many traces were dropped, to people and to machines."""
    hall.chat(hall.guest())
    eventually(lambda: dropped_traces(hall) > 0)
    hall.write_down()
    words = [sys.executable, "cli.py", "status", "--house", str(hall.house.directory), *(["--json"] if as_json else [])]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in said.stderr
    if as_json:
        assert json.loads(said.stdout)["counters"]["traces_dropped"] > 0
    else:
        assert int(re.findall(r"Traces: \d+ sent, (\d+) dropped", said.stdout)[0]) > 0
