"""Run the benchmarks: `python -m benchmarks [b6] [b8]`, all of them unless some are named.

Exit code 0: measured, and every target holds; 1: one was missed; 2: nothing could be measured, or an answer was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from benchmarks import b6, b6_report, b8, report
from benchmarks.cpu import load_average, machine
from benchmarks.work import Work
from maitre.errors import MaitreError

BUSY = 4.0  # load average above which a result is worth little


def main() -> int:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("bench", nargs="*", help=", ".join(BENCHES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--interval-ms", type=float, default=20)
    parser.add_argument("--log-level", default="WARNING", help="GLOBAL_LOG_LEVEL of every server")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order within the rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine too")
    given = parser.parse_args()
    if unknown := sorted(set(given.bench) - set(BENCHES)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    console, errors = Console(width=None if sys.stdout.isatty() else 140), Console(stderr=True, soft_wrap=True)
    before = load_average()
    if before > BUSY and not given.anyway:
        errors.print(
            f"The load average is {before:.1f}; above {BUSY:g} results mean little. --anyway measures all the same."
        )
        return 2
    cpus = sorted(os.sched_getaffinity(0))
    work = Work(
        rounds=given.rounds,
        streams=given.streams,
        chunks=given.chunks,
        interval_ms=given.interval_ms,
        log_level=given.log_level.upper(),
        cpus=(cpus[0], cpus[1]) if len(cpus) > 1 else (cpus[0],),
        seed=given.seed,
    )
    if work.pinned:
        os.sched_setaffinity(0, {work.cpus[1]})  # and all that is started from here
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    holds, results = True, []
    try:
        for name in given.bench or BENCHES:
            held, result = BENCHES[name](console, work)
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


def _b6(console: Console, work: Work) -> tuple[bool, dict[str, Any]]:
    with console.status("B6"):
        rounds, race = b6.measure(work)
    return b6_report.tell(console, work, rounds, race), b6_report.as_json(work, rounds, race)


def _b8(console: Console, work: Work) -> tuple[bool, dict[str, Any]]:
    with console.status("B8"), b8.running(work) as bench:
        rounds = uvloop.run(b8.measure(bench))
    return report.tell(console, work, rounds), report.as_json(work, rounds)


BENCHES = {"b6": _b6, "b8": _b8}


if __name__ == "__main__":
    sys.exit(main())
