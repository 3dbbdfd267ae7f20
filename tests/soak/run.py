"""One soak: traffic for so long, looks meanwhile, then rest, and the verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from devstack.process import wait_until
from maitre.errors import HouseError
from maitre.settings import Endpoint
from tests.api.books import every_row
from tests.engine.hall import Hall
from tests.soak.house import Soaked
from tests.soak.traffic import traffic
from tests.soak.verdict import judge, uncalled
from tests.soak.watch import Look, growth, look

#: The memory may grow by so much from the first fifth to the end.
GROWTH = 0.05

#: When the stores are started anew, once each: so much of the time is over.
RESTARTS: tuple[tuple[Endpoint, float], ...] = (("valkey", 0.45), ("postgres", 0.6))

#: How long a store is away, and for how long afterwards guests may still be told of it. Seconds.
AWAY, MENDING = 2.0, 15.0

#: Words that no line of the gateway's log may have.
BAD = ("Traceback", "never retrieved", "was destroyed", "never awaited", "A request failed")

REST = 60.0  # seconds in which everything must have come to an end


@dataclass
class Report:
    """What was seen. `broken`: promises that were not kept, a sentence each."""

    minutes: float
    looks: list[Look]
    rest: tuple[Look, Look]  # before the first guest, and after the last one
    memory: tuple[float, float]  # bytes: after the first fifth, at the end
    rows: Counter[str]
    calls: int
    unseen: int  # rows whose call no upstream saw
    told: dict[str, int]
    restarts: list[str]
    broken: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        looks = [{"at": round(one.at, 1), "rss": one.rss, "sockets": one.sockets, **one.levels} for one in self.looks]
        return {
            "minutes": self.minutes,
            "memory": self.memory,
            "growth": self.memory[1] / self.memory[0] - 1,
            "rows": dict(self.rows),
            "calls": self.calls,
            "unseen": self.unseen,
            "told": self.told,
            "restarts": self.restarts,
            "broken": self.broken,
            "looks": looks,
        }


def soak(soaked: Soaked, minutes: float, seed: int, say: Callable[[str], None], *, restarts: bool) -> Report:
    """Soak the house. `say` hears how it goes; `restarts`: the stores are started anew meanwhile."""
    hall, seconds = soaked.hall, minutes * 60
    log = hall.log("gateway")
    first = _at_rest(soaked, None)
    looks: list[Look] = []
    done: list[str] = []
    with traffic(soaked, seed) as street:
        begun = said = mended = time.monotonic()
        while (now := time.monotonic()) < begun + seconds:
            looks.append(look(hall, begun))
            if restarts and (name := _due(done, (now - begun) / seconds)):
                street.mending = True
                hall.stop(name)
                time.sleep(AWAY)
                hall.start(name)
                done.append(name)
                mended = time.monotonic()
            street.mending = street.mending and time.monotonic() < mended + MENDING
            if now - said >= 20:
                said = now
                say(_line(looks[-1], sum(street.told.values())))
            time.sleep(min(5.0, seconds / 100))
    say("the guests have left")
    last = _at_rest(soaked, first)
    calls = [*soaked.steady.calls, *soaked.shaky.calls]
    wait_until(lambda: all(call.ended != "open" for call in calls), 20)
    wait_until(lambda: all(row["status"] != "open" for row in every_row(hall)), REST, every=1)
    rows = every_row(hall)
    report = Report(
        minutes,
        looks,
        (first, last),
        growth(looks, seconds),
        Counter(row["status"] for row in rows),
        len(calls),
        len(uncalled(rows, calls)),
        dict(sorted(street.told.items())),
        done,
    )
    report.broken = [
        *_grown(report),
        *judge(rows, calls, street.heard),
        *(f"{who.user['id']}: {what}" for who in [*street.wide, *street.tight] for what in _windows(hall, who.user)),
        *street.odd,
        *(f"the log: {line}" for line in log.read_text("utf-8", "replace").splitlines() if _is_bad(line)),
    ]
    return report


def _line(seen: Look, visits: int) -> str:
    levels = ", ".join(f"{name} {count}" for name, count in sorted(seen.levels.items()) if "-" not in name)
    opened = sum(seen.sockets.values())
    return f"{seen.at:5.0f} s: {visits} answers, {seen.rss / 2**20:.1f} MiB, {opened} connections, {levels}"


def _due(done: list[str], share: float) -> Endpoint | None:
    """The store that is to be started anew now."""
    return next((name for name, at in RESTARTS if share >= at and name not in done), None)


def _at_rest(soaked: Soaked, before: Look | None) -> Look:
    """The look when nothing is under way any more, or the last one that there was time for."""
    begun = time.monotonic()
    while True:
        try:
            seen = look(soaked.hall, begun)
        except requests.RequestException as fault:
            raise HouseError(f"The gateway does not answer: {fault}") from fault
        busy = seen.levels["holds"] or any(n for name, n in seen.levels.items() if name.startswith("upstream-"))
        grown = before is not None and (seen.levels["tasks"] > before.levels["tasks"] or seen.passing > before.passing)
        if not (busy or grown) or seen.at > REST:
            return seen
        time.sleep(1)


def _grown(report: Report) -> list[str]:
    before, after = report.rest
    begun, ended = report.memory
    found = []
    if ended > begun * (1 + GROWTH):
        found.append(f"the memory grew from {begun / 2**20:.1f} to {ended / 2**20:.1f} MiB")
    for name, count in after.levels.items():
        if name in ("tasks", "holds", "running") or name.startswith("upstream-"):
            was = before.levels.get(name, 0)
            if count > was:
                found.append(f"{name}: {count} at the end, and {was} before the first guest")
    if after.passing > before.passing or after.sockets.get("traces", 0) > 1:
        found.append(f"connections are left at the end: {after.sockets}; before the first guest: {before.sockets}")
    return found


def _windows(hall: Hall, guest: dict[str, str]) -> list[str]:
    """Where the live windows do not say what the ledger says."""
    if wait_until(lambda: hall.agrees(guest), 15, every=0.5):
        return []
    return [f"the live windows and the ledger do not agree: {hall.windows(guest)}"]


def _is_bad(line: str) -> bool:
    return any(word in line for word in BAD)
