"""A soak as a table to read."""

from __future__ import annotations

from tests.soak.run import GROWTH, Report

MIB = 2**20
SHOWN = 40  # broken promises


def table(report: Report) -> str:
    """The report."""
    begun, ended = report.memory
    before, after = report.rest
    rows = ", ".join(f"{count} {status}" for status, count in sorted(report.rows.items()))
    lines = [
        f"Soak of {report.minutes:g} minutes: {sum(report.told.values())} answers, {report.calls} upstream calls, "
        f"{sum(report.rows.values())} rows ({rows})",
        f"started anew meanwhile: {', '.join(report.restarts) or 'nothing'}",
        "",
        f"{'':28}{'first':>10}{'last':>10}",
        f"{'memory, MiB (1/5, end)':28}{begun / MIB:10.1f}{ended / MIB:10.1f}   {ended / begun - 1:+.1%}, "
        f"at most {GROWTH:+.0%}",
        f"{'clients and upstreams':28}{before.passing:10}{after.passing:10}   connections at rest",
    ]
    for name in sorted(after.levels):
        most = max((one.levels.get(name, 0) for one in report.looks), default=0)
        lines.append(f"{name:28}{before.levels.get(name, 0):10}{after.levels[name]:10}   at rest; at most {most}")
    lines += [f"{'rows that no upstream saw':28}{'':10}{report.unseen:10}   their guests had left before", ""]
    lines += [f"  {told:36}{count:8}" for told, count in report.told.items()]
    lines += ["", f"{len(report.broken)} promises broken" if report.broken else "Every promise held."]
    return "\n".join([*lines, *(f"  {one[:400]}" for one in report.broken[:SHOWN])])
