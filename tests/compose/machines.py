"""Machines to look at."""

from __future__ import annotations

from compose.host.machine import Machine

#: A rented one on which everything is as docs/sizing.md advises.
GOOD = Machine(
    cores=4,
    memory=8_200_000_000,
    flags=frozenset({"avx", "avx2"}),
    swap=0,
    swap_used=0,
    huge_pages=0,
    huge_free=0,
    transparent="madvise",
    overcommit=1,
    disk_free=60_000_000_000,
    gpus=0,
    nameservers=("192.0.2.53",),
    engine_dns=(),
    resolved=False,
    ufw=False,
    docker_user=True,
)
