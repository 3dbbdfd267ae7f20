"""The benchmarks count what they say they count; nothing here asserts on speed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from contextlib import AsyncExitStack
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import b1, b2, b4, b5, b5_report, b6, b6_report, b12, redis_checks, report, streams, unary, unary_report
from benchmarks import litellm as litellm_server
from benchmarks.bench_house import PLAN, UNTRACED, write_house
from benchmarks.callers import MOST_CALLERS, Asked, ask
from benchmarks.cpu import cpu_seconds, pss_mb
from benchmarks.goal import Goal
from benchmarks.load import MOST_STREAMS, Received, drive, request
from benchmarks.work import Round, Spread, gap, late, ratios, spread
from devstack.places import ROOT
from maitre.errors import HouseError
from tests.raw_socket import split_events
from tests.upstream import ScriptedUpstream


def cost(target: str, number: int, cpu: float) -> Round:
    return Round(target, number, cpu, 0.1, 0, 4000, 4000, 5, 6, 7, 8, seconds=10.2, ideal_seconds=10, pss_mb=0)


def test_cost() -> None:
    """The cost is CPU milliseconds for 1,000 upstream chunks; a stream's time is told as a multiple of its pace."""
    assert cost("ours", 1, 0.5).cost == 125
    assert cost("ours", 1, 0.5).stores_cost == 25
    assert cost("ours", 1, 0.5).stretch == 1.02


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
    assert late(range(100)) == 95
    assert late([]) == 0


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
        answers = await drive(up.port, [request(up.port, words, {})] * 3, 0.001, 30)
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
        answers = await drive(up.port, [request(up.port, body, {}) for body in bodies], 0, 30)
        assert [(answer.status, answer.whole) for answer in answers] == [(200, False), (503, True)]


def test_house(tmp_path: Path) -> None:
    """The house of a benchmark is a good house, and every window of its plan is set."""
    house = write_house(tmp_path / "house", "http://127.0.0.1:9")
    plan = house.plans[PLAN]
    assert house.default_plan == PLAN
    assert house.plans[UNTRACED].record == "none"
    assert house.plans[UNTRACED].limits == plan.limits
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


def test_delays() -> None:
    """A delay is from the upstream's sending of a piece of text to the arrival of its event's last byte; events
    without text are passed over."""

    def event(text: str) -> bytes:
        return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"

    sent = [event(""), event("one"), event("two"), b"data: [DONE]\n\n"]
    whole = b"".join(sent)
    cut = len(sent[0]) + 10
    answer = Received(100, pieces=[whole[:cut], whole[cut:]], arrivals=[1.0, 2.0])
    call = {"times": [100.5, 101.0, 101.5, 101.8], "sent": [data.decode() for data in sent]}
    assert streams.delays(answer, call) == [1.0, 0.5]


def test_streams_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The report says of every goal whether it holds, and the same is in the file."""
    rounds = [cost(target, 1, cpu) for target, cpu in {"host": 1.0, "maitre": 2.0, "rival": 3.0}.items()]
    goals = b4.goals(rounds)
    report.tell(Console(width=200), b4.TITLE, b4.WORK, rounds, b4.TARGETS, goals)
    said = capsys.readouterr().out
    assert "the upstream's own time: 1.02 (1.02..1.02); target ≤ 1.03: holds" in said
    assert "host / rival: 0.33 (0.33..0.33); aim ≤ 0.25: not reached" in said
    told = json.loads(json.dumps(report.as_json("b4", b4.WORK, rounds, b4.TARGETS, goals)))
    assert [goal["reached"] for goal in told["goals"]] == [True, True, True, True, False]
    assert told["holds"] is True  # the last one is an aim
    missed = [Goal("late", Spread(1.1, 1, 2), 1)]
    assert "target ≤ 1: MISSED" in str(missed[0])
    assert report.as_json("b4", b4.WORK, rounds, b4.TARGETS, missed)["holds"] is False


def test_probes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What a probe met behind a crowd is compared with what it met alone in the same round."""
    rounds = [
        b5.Probed(target, number, waiting, 4.0 + waiting / 50, 9.0, refused=0, probes_refused=0)
        for number in (2, 1)
        for target, waiting in b5.cases(b5.WORK)
    ]
    b5_report.tell(Console(width=200), b5.WORK, rounds)
    said = capsys.readouterr().out
    assert "behind 200 / alone: 2; target ≤ 2: holds" in said
    told = json.loads(json.dumps(b5_report.as_json(b5.WORK, rounds)))
    assert told["holds"] is True
    assert len(told["rounds"]) == len(rounds)


def checked(target: str, number: int, seconds: float, cpu: float) -> b6.Checked:
    return b6.Checked(target, b6.JUDGED, number, 1000, seconds, cpu, seconds / 2)


def test_checks() -> None:
    """A check's cost is the client's CPU microseconds; rates and costs are compared within a round."""
    one = checked("maitre", 1, 0.5, 0.01)
    assert (one.rate, one.cost, one.busy) == (2000, 10, 0.5)
    rounds = [checked("redis-py", 2, 2, 0.4), one, checked("maitre", 2, 1, 0.02), checked("redis-py", 1, 1, 0.1)]
    assert b6.rate_ratio(rounds, b6.JUDGED) == Spread(2, 2, 2)
    assert astuple(b6.cpu_ratio(rounds, b6.JUDGED)) == pytest.approx((0.075, 0.05, 0.1))


def test_checks_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The report names the ratio that is judged, and the same numbers are in the file."""
    rounds = [
        b6.Checked(target, callers, 1, 100, 1, cpu, 0.5)
        for callers in b6.CHECKS
        for target, cpu in {"maitre": 0.1, "redis-py": 1.0}.items()
    ]
    work, race = replace(b6.WORK, rounds=1, cpus=(0, 1)), b6.Race(80, 64_000, 0, 0)
    assert b6_report.tell(Console(width=140), work, rounds, race)
    said = capsys.readouterr().out
    assert "0.10 (0.10..0.10); target ≤ 0.125: holds" in said
    assert "80 races, 64000 checks: 0 granted too much" in said
    told = json.loads(json.dumps(b6_report.as_json(work, rounds, race)))
    assert told["ratio"]["cpu"]["median"] == pytest.approx(0.1)
    assert len(told["rounds"]) == len(rounds)


@pytest.mark.parametrize("target", b6.TARGETS)
async def test_both_clients_check_alike(valkey_url: str, target: str) -> None:
    """The same script with the same words: granted while there is room, denied by the window that is full."""
    async with AsyncExitStack() as stack:
        check = await redis_checks.client(target, valkey_url, stack)
        names = redis_checks.keys(f"{target}-{uuid.uuid4().hex}")
        assert await check(names, redis_checks.words()) == [b"granted", 0]
        for _ in range(redis_checks.SEATS - 1):
            assert await check(names, redis_checks.words(2)) == [b"granted", 0]
        assert await check(names, redis_checks.words(2)) == [b"denied", 3]
        order = redis_checks.guests(100, 1)
        assert order == redis_checks.guests(100, 1)
        await redis_checks.load(check, 10, order)


async def test_a_race(valkey_url: str) -> None:
    """Racers of one process get exactly the seats of each window."""
    assert await redis_checks.raced(valkey_url, 1, 1) == {"granted": [redis_checks.SEATS] * 4}


def test_an_unknown_bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A bench that does not exist is named, with those that do."""
    from benchmarks import __main__ as command

    monkeypatch.setattr(sys, "argv", ["benchmarks", "b99"])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 2
    assert "there is no b99; there are b1, b2, " in capsys.readouterr().err


def whole(target: str, number: int, cpu: float, median_ms: float = 1.0) -> unary.Whole:
    return unary.Whole(target, number, 1000, 2.0, cpu, 0.1, median_ms, 2.0, 0.0, 60)


def test_whole_answers_cost() -> None:
    """A request's cost is CPU microseconds, and compared with a rival's of the same round."""
    one = whole("gateway", 1, 0.5)
    assert (one.cost, one.stores_cost, one.rate) == (500, 100, 500)
    rounds = [whole("litellm", 2, 8), one, whole("gateway", 2, 0.4), whole("litellm", 1, 5)]
    assert astuple(unary.ratios(rounds, "gateway", "litellm")) == pytest.approx((0.075, 0.05, 0.1))


def test_added_time() -> None:
    """What a gateway adds is its median without the upstream's of the same round."""
    rounds = [
        whole(target, 1, 1, ms) for target, ms in {"direct": 0.5, "gateway": 1.5, "traced": 2, "litellm": 10.5}.items()
    ]
    assert b2.added(rounds, "gateway") == [1.0]
    assert b2.goals(rounds)[0].measured.median == pytest.approx(0.1)
    assert all(goal.holds for goal in b2.goals(rounds))


def test_whole_answers_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The report says of every goal whether it holds, and the same is in the file."""
    costs = {"gateway": 0.3, "traced": 0.9, "litellm": 6.0, "pipelines": 1.4}
    rounds = [whole(target, 1, cpu) for target, cpu in costs.items()]
    goals = b1.goals(rounds)
    unary_report.tell(Console(width=200), b1.TITLE, b1.WORK, b1.SECONDS, rounds, b1.TARGETS, goals)
    said = capsys.readouterr().out
    assert "gateway / litellm: 0.05 (0.05..0.05); target ≤ 0.0666667: holds" in said
    assert "gateway / pipelines: 0.21 (0.21..0.21); target ≤ 0.2: MISSED" in said
    assert "traced / litellm: 0.15 (0.15..0.15); aim" in said
    told = unary_report.as_json("b1", b1.WORK, b1.SECONDS, rounds, b1.TARGETS, goals)
    assert json.loads(json.dumps(told))["holds"] is False


def test_memory_is_compared_with_streams_running() -> None:
    """The most that ours had, of the most that the rival had in the same round."""
    rounds = [b12.Memory("traced", 1, 50, 75), b12.Memory("litellm", 1, 200, 300), b12.Memory("pipelines", 1, 50, 60)]
    assert b12.goals(rounds)[0].measured == Spread(0.25, 0.25, 0.25)
    assert b12.as_json(b12.WORK, rounds)["goals"][0]["reached"] is True


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (200, b""),
        (200, b'{"choices":[]}'),
        (200, b'{"choices":[{"message":{"content":"Nothing."}}],"usage":{"completion_tokens":5}}'),
    ],
)
def test_a_wrong_answer_is_no_result(status: int, body: bytes) -> None:
    """Anything but the upstream's text and usage with a 200 ends the benchmark."""
    with pytest.raises(HouseError, match="gateway"):
        unary.check("gateway", Asked(1.0, [0.1], [status], [body]))


async def test_callers_ask_again() -> None:
    """Each asks as soon as it has its answer, over one connection, until the time is over; all answers are kept."""
    async with ScriptedUpstream() as up:
        body = {"stream": False, "messages": [{"role": "user", "content": "hello"}]}
        asked = await ask(up.port, [request(up.port, body, {})] * 3, 0.2)
        assert len(up.calls) == len(asked.statuses) == len(asked.latencies) > 3
        unary.check("direct", asked)
        with pytest.raises(ValueError, match="at most"):
            await ask(up.port, [b""] * (MOST_CALLERS + 1), 1)


def test_litellm_is_the_release_that_is_locked() -> None:
    """The version that the report names is the one that is installed, and its configuration holds no store."""
    lock = (ROOT / "requirements" / "litellm.txt").read_text("utf-8")
    assert f"litellm=={litellm_server.VERSION} " in lock
    assert set(litellm_server.settings("http://127.0.0.1:9", "scripted")) == {"model_list", "general_settings"}
