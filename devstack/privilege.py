"""Dropping root for Postgres, which refuses to run as root."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Set
from pathlib import Path

from maitre.errors import HouseError

ACCOUNT, GROUP = "nobody", "nogroup"

#: The capabilities that let a process search folders that are closed to it, the weaker first, with their bits.
#: Docker's default bounding set has only the second.
SEARCHERS = {"dac_read_search": 2, "dac_override": 1}


def closed_parents(paths: Iterable[Path]) -> list[Path]:
    """The folders on the way to the paths that others than their owner may not pass through."""
    parents = {parent for path in paths for parent in path.resolve().parents}
    return sorted(parent for parent in parents if not parent.stat().st_mode & stat.S_IXOTH)


def bounding_set() -> frozenset[str]:
    """Which of the searchers this process may hand on."""
    status = Path("/proc/self/status").read_text()
    bits = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), 16)
    return frozenset(name for name, bit in SEARCHERS.items() if bits >> bit & 1)


def drop(euid: int, closed: list[Path], may_keep: Set[str]) -> tuple[str, ...]:
    """The words before a command that make an unprivileged account run it; none for an ordinary user.
    Where parents are closed it keeps the right to search them, and nothing else."""
    if euid != 0:
        return ()
    words = ("setpriv", f"--reuid={ACCOUNT}", f"--regid={GROUP}", "--clear-groups", "--no-new-privs")
    if not closed:
        return (*words, "--bounding-set=-all")
    keep = next((name for name in SEARCHERS if name in may_keep), None)
    if keep is None:
        raise HouseError(
            f"Postgres does not run as root, and the account “{ACCOUNT}” may not pass through {closed[0]}."
            f" Open it (chmod o+x {closed[0]}), or run Maitre as an ordinary user."
        )
    # Without no_setuid_fixup the kernel's access(2), with which postgres looks for its own files, ignores
    # the capability of a process whose real user is not root.
    return (
        *words,
        f"--bounding-set=-all,+{keep}",
        "--securebits=+no_setuid_fixup",
        f"--inh-caps=+{keep}",
        f"--ambient-caps=+{keep}",
    )


def dropped(*paths: Path) -> tuple[str, ...]:
    """`drop` for this process and the paths that the command must reach."""
    euid = os.geteuid()
    return drop(euid, closed_parents(paths), bounding_set()) if euid == 0 else ()
