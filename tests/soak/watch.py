"""What can be seen of a gateway's process from outside: memory, sockets, and the levels that it tells itself."""

from __future__ import annotations

import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.engine.hall import STORES, Hall, resident

_LEVEL = re.compile(r"^maitre_(tasks|holds|running|connections\{to=\"([\w-]+)\"\}) ([0-9.e+]+)$", re.M)

_LISTEN = "0A"  # a socket's state


@dataclass(frozen=True)
class Look:
    """One look. `levels`: tasks, holds, running, and connections by who is at the other end."""

    at: float  # seconds since the first request
    rss: int  # bytes, of the process and its children
    sockets: dict[str, int]  # by who is at the other end: a part of the house, "client" or "upstream"
    levels: dict[str, int]

    @property
    def passing(self) -> int:
        """Connections that end with what they are for: of clients, and to upstreams. The stores and the traces' taker
        keep theirs."""
        return self.sockets.get("client", 0) + self.sockets.get("upstream", 0)


def look(hall: Hall, begun: float) -> Look:
    """Look once. Raises requests.RequestException when the gateway does not answer."""
    family = _family(hall.who["gateway"].pid)
    port = hall.ports["gateway"]
    known: dict[int | None, str] = {hall.ports[name]: name for name in STORES}
    known[urlsplit(hall.traces).port] = "traces"
    sockets = Counter(
        "client" if here == port else known.get(there, "upstream")
        for pid in family
        for here, there in _connections(pid)
    )
    rss = sum(resident(pid) for pid in family)
    return Look(time.monotonic() - begun, rss, dict(sockets), levels(hall))


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


def _connections(pid: int) -> Iterator[tuple[int, int]]:
    """Each TCP connection of a process: its own port, and the other's (proc_net_tcp(5))."""
    mine = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            mine.add(str(one.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, *rest = line.split()
        if f"socket:[{rest[5]}]" in mine and state != _LISTEN:
            yield int(here.split(":")[1], 16), int(there.split(":")[1], 16)
