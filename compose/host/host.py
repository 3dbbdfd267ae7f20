"""What this Linux machine says of itself: listening sockets and who holds them, its addresses, modes, names."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

_LISTENS = "0A"


def listening() -> Iterator[tuple[str, int, int]]:
    """Every listening TCP socket: address, port, inode."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except FileNotFoundError:
            continue  # a kernel without IPv6
        for fields in (line.split() for line in lines):
            if fields[3] == _LISTENS:
                address, port = fields[1].split(":")
                yield _address(address), int(port, 16), int(fields[9])


def holder(address: str, port: int) -> str | None:
    """Who listens where `address`:`port` would: a process's name and pid, "" when it may not be known; None: nobody."""
    for where, number, inode in listening():
        if number == port and _clash(where, address):
            return _process(inode)
    return None


def addresses() -> frozenset[str]:
    """The machine's own addresses."""
    trie = Path("/proc/net/fib_trie").read_text()
    found = set(re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", trie))
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    found |= {str(IPv6Address(int(line.split()[0], 16))) for line in lines}
    return frozenset(found)


def resolved(hosts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The addresses of each name; none for one that is not known."""
    names = list(hosts)
    with ThreadPoolExecutor(max(1, len(names))) as together:
        return dict(zip(names, together.map(_resolve, names), strict=True))


def modes(files: Iterable[Path]) -> dict[str, int | None]:
    """The mode of each file; None for one that is missing."""
    return {str(file): stat.S_IMODE(file.stat().st_mode) if file.exists() else None for file in files}


def _resolve(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


def _address(hexadecimal: str) -> str:
    """The kernel writes each 32-bit word of an address in the machine's byte order."""
    raw = bytes.fromhex(hexadecimal)
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return str(IPv4Address(turned) if len(turned) == 4 else IPv6Address(turned))


def _clash(where: str, wanted: str) -> bool:
    here, there = ip_address(where), ip_address(wanted)
    if here.is_unspecified:
        return here.version == there.version or here.version == 6  # :: takes IPv4 too, unless it was told not to
    return here == there or (there.is_unspecified and here.version == there.version)


def _process(inode: int) -> str:
    wanted = f"socket:[{inode}]"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if any(os.readlink(one) == wanted for one in (entry / "fd").iterdir()):
                return f"{(entry / 'comm').read_text().strip()} (pid {entry.name})"
        except OSError:
            continue  # it ended, or it is another user's
    return ""
