"""Run the benchmarks: `python -m benchmarks [b1] [b2] … [b12] [kinds] [quality]`, all of them unless some are named.

Exit code 0: measured, and every target holds; 1: one was missed; 2: nothing could be measured, or an answer was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from benchmarks import (
    b1,
    b2,
    b3,
    b4,
    b5,
    b5_report,
    b6,
    b6_report,
    b7,
    b8,
    b9,
    b10,
    b12,
    kinds,
    quality,
    quality_report,
    report,
    unary_report,
)
from benchmarks.cpu import load_average, machine
from benchmarks.work import Work
from maitre.errors import MaitreError

BUSY = 4.0  # load average above which a result is worth little


def main() -> int:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("bench", nargs="*", help=", ".join(BENCHES))
    parser.add_argument("--rounds", type=int, help="instead of each benchmark's own")
    parser.add_argument("--streams", type=int, help="in each round, instead of its own")
    parser.add_argument("--chunks", type=int, help="of a stream, instead of its own")
    parser.add_argument("--interval-ms", type=float, help="between two chunks, instead of its own")
    parser.add_argument("--ramp", type=float, help="seconds within which the streams begin, instead of its own")
    parser.add_argument("--rows", type=int, help="of a table of passages, instead of its own")
    parser.add_argument("--log-level", type=str.upper, help="GLOBAL_LOG_LEVEL of the unmodified servers, not WARNING")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order within the rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine too")
    given = parser.parse_args()
    if unknown := sorted(set(given.bench) - set(BENCHES)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    console, errors = Console(width=None if sys.stdout.isatty() else 170), Console(stderr=True, soft_wrap=True)
    before = load_average()
    if before > BUSY and not given.anyway:
        errors.print(
            f"The load average is {before:.1f}; above {BUSY:g} results mean little. --anyway measures all the same."
        )
        return 2
    cpus = sorted(os.sched_getaffinity(0))
    asked = {name: getattr(given, name) for name in _ASKED if getattr(given, name) is not None}
    asked["cpus"] = tuple(cpus[:2])
    if len(cpus) > 1:
        os.sched_setaffinity(0, {cpus[1]})  # and all that is started from here
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    holds, results = True, []
    try:
        for name in given.bench or BENCHES:
            held, result = BENCHES[name](console, asked)
            holds &= held
            results.append(result)
    except MaitreError as error:
        errors.print(str(error), markup=False, style="red")
        return 2
    except KeyboardInterrupt:
        errors.print("Stopped.")
        return 130
    after = load_average()
    console.print(f"{machine()}; load average {before:.1f} before, {after:.1f} after")
    if max(before, after) > BUSY:
        console.print(f"[yellow]The machine was busy (load average above {BUSY:g}): trust the ratios, not the rest.[/]")
    if given.json:
        told = {"machine": machine(), "load_average": {"before": before, "after": after}, "results": results}
        given.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if holds else 1


_ASKED = ("rounds", "streams", "chunks", "interval_ms", "ramp", "rows", "log_level", "seed")

Asked = Mapping[str, Any]  # fields of Work


def _streams(bench: ModuleType, console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    work: Work = replace(bench.WORK, **asked)
    name = bench.__name__.rpartition(".")[2]
    with console.status(name.upper()):
        rounds = bench.run(work)
    goals = bench.goals(rounds)
    report.tell(console, bench.TITLE, work, rounds, bench.TARGETS, goals)
    return all(goal.holds for goal in goals), report.as_json(name, work, rounds, bench.TARGETS, goals)


def _unary(bench: ModuleType, console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    work: Work = replace(bench.WORK, **asked)
    name = bench.__name__.rpartition(".")[2]
    with console.status(name.upper()):
        rounds = bench.run(work)
    goals = bench.goals(rounds)
    unary_report.tell(console, bench.TITLE, work, bench.SECONDS, rounds, bench.TARGETS, goals)
    told = unary_report.as_json(name, work, bench.SECONDS, rounds, bench.TARGETS, goals)
    return all(goal.holds for goal in goals), told


def _b5(console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    work = replace(b5.WORK, **asked)
    with console.status("B5"):
        rounds = b5.run(work)
    b5_report.tell(console, work, rounds)
    return all(goal.holds for goal in b5.goals(rounds, work)), b5_report.as_json(work, rounds)


def _b6(console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    work = replace(b6.WORK, **asked)
    with console.status("B6"):
        rounds, race = b6.measure(work)
    return b6_report.tell(console, work, rounds, race), b6_report.as_json(work, rounds, race)


def _b7(console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    work = replace(b7.WORK, **asked)
    with console.status("B7"):
        rounds = b7.run(work)
    b7.tell(console, work, rounds)
    return all(goal.holds for goal in b7.goals(rounds)), b7.as_json(work, rounds)


def _passages(bench: ModuleType, console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    work: Work = replace(bench.WORK, **asked)
    with console.status(bench.__name__.rpartition(".")[2].upper()):
        rounds = bench.run(work)
    bench.tell(console, work, rounds)
    return all(goal.holds for goal in bench.goals(rounds)), bench.as_json(work, rounds)


def _quality(console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    with console.status("Quality"):
        answers = quality.measure()
    seed = asked.get("seed", 0)
    return quality_report.tell(console, answers, seed), quality_report.as_json(answers, seed)


def _b12(console: Console, asked: Asked) -> tuple[bool, dict[str, Any]]:
    work = replace(b12.WORK, **asked)
    with console.status("B12"):
        rounds = b12.run(work)
    b12.tell(console, work, rounds)
    return all(goal.holds for goal in b12.goals(rounds)), b12.as_json(work, rounds)


BENCHES: dict[str, Callable[[Console, Asked], tuple[bool, dict[str, Any]]]] = {
    "b1": partial(_unary, b1),
    "b2": partial(_unary, b2),
    "b3": partial(_streams, b3),
    "b4": partial(_streams, b4),
    "b5": _b5,
    "b6": _b6,
    "b7": _b7,
    "b8": partial(_streams, b8),
    "b9": partial(_passages, b9),
    "b10": partial(_passages, b10),
    "b12": _b12,
    "kinds": partial(_passages, kinds),
    "quality": _quality,
}


if __name__ == "__main__":
    sys.exit(main())
