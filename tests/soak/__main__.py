"""`make soak`: a long soak of a real gateway; the exit code is 1 when a promise was broken.

python -m tests.soak --minutes 30 --json soak.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.soak.house import running
from tests.soak.report import table
from tests.soak.run import soak


def main() -> int:
    """Soak, and print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="of traffic (30)")
    parser.add_argument("--seed", type=int, default=1, help="of what the guests do (1)")
    parser.add_argument("--no-restarts", action="store_true", help="let the stores run all the time")
    parser.add_argument("--json", type=Path, help="write the report and every look there")
    wanted = parser.parse_args()
    with running() as soaked:
        restarts = not wanted.no_restarts
        report = soak(soaked, wanted.minutes, wanted.seed, lambda text: print(text, flush=True), restarts=restarts)
    if wanted.json:
        wanted.json.write_text(json.dumps(report.to_json(), indent=1), "utf-8")
    print(table(report))
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
