"""B6: what a check of four windows in Valkey costs its client, ours against redis-py's, with the same script.

Each client runs in a process of its own on one CPU, Valkey on the other. In the same run two processes race for
the last seats of a window.
"""

from __future__ import annotations

import json
import random
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.cpu import cpu_seconds
from benchmarks.redis_checks import RACERS, SEATS, WINDOWS
from benchmarks.servers import Server, free_port, running
from benchmarks.work import Spread, Work, spread
from devstack.places import ROOT, environment, valkey_binary, write_private
from devstack.probe import valkey_answers
from devstack.process import Command
from devstack.valkey import configuration
from maitre.errors import HouseError

TARGETS = ("maitre", "redis-py")
WORK = Work(rounds=5, streams=0, chunks=0, interval_ms=0, ramp=0)
CHECKS = {1: 2_000, 10: 10_000, 50: 20_000}  # by how many callers there are at once
JUDGED = 50
CPU_TARGET = 1 / 8  # our client's CPU per check, of redis-py's
RATE_AIM = 4.0  # our checks a second, of redis-py's
RACING = 2  # processes
PATIENCE = 120  # seconds for one process


@dataclass(frozen=True, slots=True)
class Checked:
    """What one target did in one round."""

    target: str
    callers: int
    number: int
    checks: int
    seconds: float
    cpu_seconds: float  # of the client's process
    valkey_cpu_seconds: float

    @property
    def rate(self) -> float:
        """Checks a second."""
        return self.checks / self.seconds

    @property
    def cost(self) -> float:
        """The client's CPU microseconds for a check."""
        return self.cpu_seconds * 1e6 / self.checks

    @property
    def busy(self) -> float:
        """The part of the time in which Valkey's one core worked; at 1 the server is what is measured."""
        return self.valkey_cpu_seconds / self.seconds


@dataclass(frozen=True, slots=True)
class Race:
    """All races together."""

    races: int
    asked: int
    granted_too_much: int
    granted_too_little: int


def measure(work: Work) -> tuple[list[Checked], Race]:
    """Both targets in every round, then the races. HouseError when a check was answered wrongly."""
    order = random.Random(work.seed)
    with tempfile.TemporaryDirectory(prefix="maitre-bench-") as name, _valkey(Path(name)) as (server, url):
        rounds: list[Checked] = []
        for number in range(1, work.rounds + 1):
            pairs = [(target, callers) for callers in CHECKS for target in TARGETS]
            order.shuffle(pairs)
            rounds += [_round(work, server, url, target, callers, number) for target, callers in pairs]
        return rounds, _race(work, url)


def rate_ratio(rounds: Sequence[Checked], callers: int) -> Spread:
    """Our checks a second as a multiple of theirs, round by round."""
    ours, theirs = _pairs(rounds, callers)
    return spread([one.rate / other.rate for one, other in zip(ours, theirs, strict=True)])


def cpu_ratio(rounds: Sequence[Checked], callers: int) -> Spread:
    """Our client's CPU as a part of theirs, round by round."""
    ours, theirs = _pairs(rounds, callers)
    return spread([one.cost / other.cost for one, other in zip(ours, theirs, strict=True)])


def _pairs(rounds: Sequence[Checked], callers: int) -> list[list[Checked]]:
    own = sorted((one for one in rounds if one.callers == callers), key=lambda one: one.number)
    return [[one for one in own if one.target == target] for target in TARGETS]


@contextmanager
def _valkey(base: Path) -> Iterator[tuple[Server, str]]:
    """A Valkey as the embedded house configures it."""
    port, password = free_port("valkey"), secrets.token_urlsafe()
    write_private(base / "valkey.conf", configuration(port, str(base), password))
    command = Command((str(valkey_binary()), str(base / "valkey.conf")), base, environment())
    with running("Valkey", command, base / "valkey.log", lambda: valkey_answers(port, password), port) as server:
        yield server, f"redis://:{quote(password, safe='')}@127.0.0.1:{port}/0"


def _round(work: Work, server: Server, url: str, target: str, callers: int, number: int) -> Checked:
    job = {"work": "load", "target": target, "url": url, "callers": callers, "checks": CHECKS[callers]}
    before = cpu_seconds(server.pid)
    (result,) = _results([job | {"seed": work.seed + number, "cpus": work.cpus[:1]}])
    used = cpu_seconds(server.pid) - before
    warmed = CHECKS[callers] * 1.1
    return Checked(
        target=target,
        callers=callers,
        number=number,
        checks=CHECKS[callers],
        seconds=result["seconds"],
        cpu_seconds=result["cpu_seconds"],
        valkey_cpu_seconds=used * CHECKS[callers] / warmed,
    )


def _race(work: Work, url: str) -> Race:
    job = {"work": "race", "url": url, "processes": RACING, "rounds": 20}
    results = _results([job | {"cpus": work.cpus[at % len(work.cpus) :][:1]} for at in range(RACING)])
    totals = [sum(granted) for granted in zip(*(result["granted"] for result in results), strict=True)]
    race = Race(
        races=len(totals),
        asked=len(totals) * RACING * RACERS * 2,
        granted_too_much=sum(max(0, total - SEATS) for total in totals),
        granted_too_little=sum(max(0, SEATS - total) for total in totals),
    )
    if race.granted_too_much or race.granted_too_little or len(totals) != 20 * len(WINDOWS):
        raise HouseError(f"maitre: the races did not grant exactly what there was: {race}.")
    return race


def _results(jobs: Sequence[dict[str, Any]]) -> list[Any]:
    """What the jobs answer, each in a process of its own, all at once. HouseError when one fails."""
    command = [sys.executable, "-m", "benchmarks.redis_checks"]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in jobs
    ]
    try:
        for process, job in zip(processes, jobs, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            process.stdin = None
        said = [process.communicate(timeout=PATIENCE) for process in processes]
    except subprocess.TimeoutExpired as late:
        raise HouseError(f"The checks took longer than {PATIENCE} s.") from late
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, (_, errors) in zip(processes, said, strict=True):
        if process.returncode:
            raise HouseError(f"The checks failed: {(errors.strip().splitlines() or ['without a word'])[-1]}")
    return [json.loads(answer) for answer, _ in said]
