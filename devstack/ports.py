"""Loopback ports: free, and the same ones at the next start when they are still free."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from devstack.places import write_private
from maitre.errors import HouseError

#: Below the range (32768 and up) from which Linux lends ports to outgoing connections, so that no such
#: connection sits on a sleeping house's port.
RANGE = range(20_000, 32_000)


def choose(
    names: Iterable[str],
    remembered: Mapping[str, int],
    is_free: Callable[[int], bool],
    draw: Callable[[], int],
) -> dict[str, int]:
    """A port for each name: the remembered one if it is free, else one that is drawn, free and nobody else's."""
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            taken = {*chosen.values(), *remembered.values()}
            tries = (draw() for _ in range(1000))
            port = next((drawn for drawn in tries if drawn not in taken and is_free(drawn)), None)
            if port is None:
                raise HouseError(f"No free port on 127.0.0.1 between {RANGE.start} and {RANGE.stop} was found.")
        chosen[name] = port
    return chosen


def sticky(file: Path, names: Iterable[str], in_use: Mapping[str, int]) -> dict[str, int]:
    """Ports for the names, kept in the file. `in_use`: ports that running parts of this house hold already."""
    remembered = {**read(file), **in_use}
    chosen = choose(
        names,
        remembered,
        lambda port: port in in_use.values() or free(port),
        lambda: random.choice(RANGE),
    )
    write_private(file, json.dumps({**remembered, **chosen}, indent=2) + "\n")
    return chosen


def read(file: Path) -> dict[str, int]:
    """The remembered ports; none when the file is missing or spoilt, for they can be chosen anew."""
    try:
        return {str(name): int(port) for name, port in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do; ignores TIME_WAIT
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
