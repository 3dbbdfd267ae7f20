"""What is read of a machine's own files."""

from __future__ import annotations

from pathlib import Path

from compose.host.machine_facts import read_machine

FILES = {
    "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu avx avx2\n\nprocessor\t: 1\nflags\t\t: fpu avx avx2\n",
    "proc/meminfo": "MemTotal: 8000000 kB\nSwapTotal: 1000 kB\nSwapFree: 400 kB\nHugePages_Total: 8\nHugePages_Free: 3",
    "proc/sys/vm/overcommit_memory": "1\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "etc/resolv.conf": "# ours\nsearch example.com\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n",
    "etc/docker/daemon.json": '{"dns": ["192.0.2.9"], "data-root": "/nowhere"}',
    "etc/ufw/ufw.conf": "ENABLED=yes\nLOGLEVEL=low\n",
    "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: none\n",
    "run/systemd/resolve/resolv.conf": "nameserver 192.0.2.1\n",
}


def test_everything_is_read(tmp_path: Path) -> None:
    """Cores, memory, flags, pages, name servers, the engine's settings and the firewall are read from files."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    seen = read_machine(tmp_path, tmp_path)
    assert (seen.cores, seen.memory, seen.gpus) == (2, 8_192_000_000, 1)
    assert (seen.swap, seen.swap_used) == (1_024_000, 614_400)
    assert (seen.huge_pages, seen.huge_free, seen.transparent, seen.overcommit) == (8, 3, "madvise", 1)
    assert seen.flags == {"fpu", "avx", "avx2"}
    assert (seen.nameservers, seen.engine_dns) == (("192.0.2.1", "192.0.2.2"), ("192.0.2.9",))
    assert (seen.resolved, seen.ufw, seen.docker_user) == (True, True, None)
    assert seen.disk_free


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    """What is not there is unknown or nothing, and no error; a broken daemon.json is the engine's to complain of."""
    (tmp_path / "etc" / "docker").mkdir(parents=True)
    (tmp_path / "etc" / "docker" / "daemon.json").write_text("{", "utf-8")
    seen = read_machine(tmp_path, tmp_path / "not" / "yet")
    assert (seen.memory, seen.swap, seen.gpus, seen.overcommit) == (0, 0, 0, None)
    assert (seen.nameservers, seen.engine_dns, seen.transparent, seen.flags) == ((), (), "", frozenset())
    assert seen.disk_free


def test_this_machine() -> None:
    """The machine that runs the tests has cores and memory."""
    seen = read_machine()
    assert seen.cores
    assert seen.memory
