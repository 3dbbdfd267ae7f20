"""What can be seen of a gateway's process from outside: memory, sockets, and the levels that it tells itself."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.engine.hall import Hall, resident

_LEVEL = re.compile(r"^maitre_(tasks|holds|running|connections\{to=\"([\w-]+)\"\}) ([0-9.e+]+)$", re.M)


@dataclass(frozen=True)
class Look:
    """One look. `levels`: tasks, holds, running, and connections by who is at the other end."""

    at: float  # seconds since the first request
    rss: int  # bytes, of the process and its children
    sockets: int
    levels: dict[str, int]

    @property
    def clients(self) -> int:
        """Sockets that are no connections to a store."""
        return self.sockets - self.levels.get("postgres", 0) - self.levels.get("valkey", 0)


def look(hall: Hall, begun: float) -> Look:
    """Look once. Raises requests.RequestException when the gateway does not answer."""
    family = _family(hall.who["gateway"].pid)
    sockets = sum(_sockets(pid) for pid in family)
    rss = sum(resident(pid) for pid in family)
    return Look(time.monotonic() - begun, rss, sockets, levels(hall))


def levels(hall: Hall) -> dict[str, int]:
    """The gauges of `/metrics`; without this very request."""
    headers = {"Authorization": f"Bearer {hall.house.secret('metrics_key')}", "Connection": "close"}
    text = requests.get(f"{hall.parts['gateway'].url}/metrics", headers=headers, timeout=30).text
    return {to or name: int(float(value)) for name, to, value in _LEVEL.findall(text)}


def growth(looks: Sequence[Look], seconds: float) -> tuple[float, float]:
    """The memory after the first fifth and at the end: medians over a tenth of the time each, in bytes."""

    def around(first: float, last: float) -> float:
        return statistics.median(one.rss for one in looks if first * seconds <= one.at <= last * seconds)

    return around(0.2, 0.3), around(0.9, 1.0)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _sockets(pid: int) -> int:
    count = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += str(one.readlink()).startswith("socket:")
        except FileNotFoundError:  # closed meanwhile
            continue
    return count
