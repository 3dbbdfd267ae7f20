"""What processes cost, read from /proc: CPU seconds of a process with all its descendants, memory, load."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(*roots: int) -> float:
    """User and system time of these processes, of their descendants, and of children that they have waited for."""
    stats = _stats()
    # Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; the list begins at field 3.
    return sum(int(tick) for pid in _family(stats, *roots) for tick in stats[pid][11:15]) / TICKS


def pss_mb(root: int) -> float:
    """The proportional memory of a process with all its descendants, in 10^6 bytes."""
    return sum(map(_pss, _family(_stats(), root))) * 1024 / 1e6


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has ended meanwhile
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def pin(pid: int, cpu: int) -> None:
    """Bind every thread of a process to one CPU; what it starts later inherits that."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {cpu})


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """The class of this machine, without its name."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown CPU",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB"


def _family(stats: Mapping[int, Sequence[bytes]], *roots: int) -> set[int]:
    """The processes and their descendants."""
    wanted: set[int] = set()
    fresh = {pid for pid in roots if pid in stats}
    while fresh:
        wanted |= fresh
        fresh = {pid for pid, fields in stats.items() if int(fields[1]) in wanted} - wanted
    return wanted


def _stats() -> dict[int, list[bytes]]:
    """The fields of /proc/PID/stat after the name: 0 is the state, 1 the parent."""
    stats: dict[int, list[bytes]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                raw = Path(f"/proc/{name}/stat").read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            stats[int(name)] = raw[raw.rindex(b")") + 2 :].split()
    return stats
