"""What this machine has, read from the kernel's files; nothing is changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from compose.host.machine import Machine

#: Where the engine keeps its data unless told otherwise.
ENGINE_DATA = Path("/var/lib/docker")


def read_machine(root: Path = Path("/"), engine_data: Path | None = None) -> Machine:
    """The host's facts. `root` is the folder that holds proc, sys and etc; `engine_data` is where Docker keeps its
    data, by default as its own settings say."""
    memory = _table(root / "proc/meminfo")
    daemon = _daemon(root / "etc/docker/daemon.json")
    data = engine_data or Path(str(daemon.get("data-root") or ENGINE_DATA))
    return Machine(
        cores=_cores(root),
        memory=memory.get("MemTotal", 0) * 1024,
        flags=_flags(root / "proc/cpuinfo"),
        swap=memory.get("SwapTotal", 0) * 1024,
        swap_used=(memory.get("SwapTotal", 0) - memory.get("SwapFree", 0)) * 1024,
        huge_pages=memory.get("HugePages_Total", 0),
        huge_free=memory.get("HugePages_Free", 0),
        transparent=_chosen(_text(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        overcommit=_number(_text(root / "proc/sys/vm/overcommit_memory")),
        disk_free=_free(data),
        gpus=_gpus(root),
        nameservers=_nameservers(_text(root / "etc/resolv.conf")),
        engine_dns=_texts(daemon.get("dns")),
        resolved=(root / "run/systemd/resolve/resolv.conf").exists(),
        ufw=_ufw(root / "etc/ufw/ufw.conf"),
        docker_user=_docker_user() if root == Path("/") else None,
    )


def _text(path: Path) -> str:
    """The file, or "" where it is not there or not ours to read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _table(path: Path) -> dict[str, int]:
    """`Name:  123 kB` lines."""
    pairs = (line.partition(":") for line in _text(path).splitlines())
    return {name: int(rest.split()[0]) for name, _, rest in pairs if rest.split() and rest.split()[0].isdigit()}


def _cores(root: Path) -> int:
    listed = sum(line.startswith("processor") for line in _text(root / "proc/cpuinfo").splitlines())
    return listed or os.cpu_count() or 1


def _flags(path: Path) -> frozenset[str]:
    for line in _text(path).splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _chosen(text: str) -> str:
    """Of `always [madvise] never` the chosen word."""
    return text.partition("[")[2].partition("]")[0]


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _free(folder: Path) -> int | None:
    """The free bytes where the folder is, or will be."""
    for place in (folder, *folder.parents):
        if place.exists():
            return shutil.disk_usage(place).free
    return None


def _gpus(root: Path) -> int:
    folder = root / "proc/driver/nvidia/gpus"
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _nameservers(text: str) -> tuple[str, ...]:
    words = (line.split() for line in text.splitlines())
    return tuple(one[1] for one in words if len(one) > 1 and one[0] == "nameserver")


def _daemon(path: Path) -> dict[str, object]:
    try:
        found = json.loads(_text(path) or "{}")
    except ValueError:
        return {}  # the engine itself refuses to start on it and says so
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _ufw(path: Path) -> bool | None:
    text = _text(path)
    return "ENABLED=yes" in text.replace(" ", "") if text else (None if os.geteuid() else False)


def _docker_user() -> bool | None:
    """Whether the chain DOCKER-USER has a rule of its own; None where it may not be read."""
    program = shutil.which("iptables", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None or os.geteuid() != 0:
        return None
    shown = subprocess.run([program, "-S", "DOCKER-USER"], capture_output=True, text=True, timeout=10, check=False)
    rules = [
        line for line in shown.stdout.splitlines() if line.startswith("-A") and line.split()[2:] != ["-j", "RETURN"]
    ]
    return bool(rules)
