"""The benchmarks count what they say they count; nothing here asserts on speed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bench_house import PLAN, write_house
from benchmarks.cpu import cpu_seconds, pss_mb
from benchmarks.load import MOST_STREAMS, drive, request
from benchmarks.work import Round, Spread, gap, ratios, spread
from tests.raw_socket import split_events
from tests.upstream import ScriptedUpstream


def cost(target: str, number: int, cpu: float) -> Round:
    return Round(target, number, cpu, 0.0, 1000, 1000, 0.0, 0.0, 0.0, 0.0)


def test_cost() -> None:
    """The cost is CPU milliseconds for 1,000 upstream chunks."""
    assert Round("ours", 1, 0.5, 0.1, 4000, 4000, 0.0, 0.0, 0.0, 0.0).cost == 125
    assert Round("ours", 1, 0.5, 0.1, 4000, 4000, 0.0, 0.0, 0.0, 0.0).stores_cost == 25


def test_ratios() -> None:
    """A ratio compares two targets of the same round, whatever their order, and is told with its extremes."""
    rounds = [cost("b", 1, 2), cost("a", 1, 1), cost("a", 2, 3), cost("b", 2, 4), cost("a", 3, 1), cost("b", 3, 4)]
    assert ratios(rounds, "a", "b") == Spread(0.5, 0.25, 0.75)
    assert str(spread([10.4, 20, 30])) == "20 (10..30)"
    assert str(spread([0.5])) == "0.50 (0.50..0.50)"


def test_gap() -> None:
    """Pauses are those between two arrivals of one stream, and their 95th percentile is told."""
    assert gap([[0, 1, 2], [5, 6]]) == 1
    assert gap([[i * 0.5 for i in range(100)], [0, 9]]) == 0.5
    assert gap([[1]]) == 0


def test_cpu_of_a_tree() -> None:
    """The CPU of a process includes that of its children, running or gone."""
    burn = "sum(range(3_000_000))"
    child = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{burn}']); print('done', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"done\n"
        assert cpu_seconds(process.pid) > 0
        assert cpu_seconds(os.getpid()) >= cpu_seconds(process.pid)
        assert pss_mb(process.pid) > 1
        process.stdin.close()
        process.wait(10)
        assert cpu_seconds(process.pid) == 0


async def test_load() -> None:
    """The load delivers every byte of every stream, and refuses to be unbounded."""
    async with ScriptedUpstream() as up:
        words = {"stream": True, "messages": [{"role": "user", "content": 'script:{"n":50,"chunk_bytes":100}'}]}
        answers = await drive(up.port, [request(up.port, words, "key")] * 3, 0.001, 30)
        assert [(answer.status, answer.whole) for answer in answers] == [(200, True)] * 3
        assert sorted(a.body for a in answers) == sorted(b"".join(call.events) for call in up.calls)
        assert [len(split_events(answer.body)) for answer in answers] == [53] * 3
        with pytest.raises(ValueError, match="at most"):
            await drive(up.port, [b""] * (MOST_STREAMS + 1), 0, 1)


async def test_load_says_what_broke() -> None:
    """A refused or broken stream is told apart from a whole one."""
    async with ScriptedUpstream() as up:
        scripts = ({"cut_after": 2}, {"status": 503})
        bodies = [
            {"stream": True, "messages": [{"role": "user", "content": f"script:{json.dumps(script)}"}]}
            for script in scripts
        ]
        answers = await drive(up.port, [request(up.port, body, "key") for body in bodies], 0, 30)
        assert [(answer.status, answer.whole) for answer in answers] == [(200, False), (503, True)]


def test_house(tmp_path: Path) -> None:
    """The house of a benchmark is a good house, and every window of its plan is set."""
    house = write_house(tmp_path / "house", "http://127.0.0.1:9")
    plan = house.plans[PLAN]
    assert house.default_plan == PLAN
    assert house.provider("local").base_url == "http://127.0.0.1:9/v1"
    assert plan.limits.keys() >= {
        "requests_per_minute",
        "requests_per_month",
        "tokens_per_day",
        "tokens_per_month",
        "tokens_total",
    }


def test_refuses_a_busy_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a busy machine nothing is measured unless one insists."""
    from benchmarks import __main__ as command

    monkeypatch.setattr(command, "load_average", lambda: 35.0)
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    before = signal.getsignal(signal.SIGTERM)
    assert command.main() == 2
    assert "load average is 35.0" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
