"""What the machine says of itself, asked for real."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from compose.host import host


def test_a_held_port_names_its_process() -> None:
    """Ours, with its pid; a wildcard address is held by whoever listens on any; a free one by nobody."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        assert host.holder("127.0.0.1", port) is None
        listening.listen()
        assert f"(pid {os.getpid()})" in str(host.holder("127.0.0.1", port))
        assert host.holder("0.0.0.0", port) is not None
        assert host.holder("127.0.0.2", port) is None


def test_the_machines_addresses_and_names() -> None:
    """Loopback is among them; a name that nobody has leads nowhere."""
    assert "127.0.0.1" in host.addresses()
    found = host.resolved(["localhost", "no-such-host.invalid"])
    assert set(found["localhost"]) & {"127.0.0.1", "::1"}
    assert found["no-such-host.invalid"] == ()


def test_modes(tmp_path: Path) -> None:
    """Of files that are there; None for those that are not."""
    (tmp_path / "a").touch(0o600)
    assert host.modes([tmp_path / "a", tmp_path / "b"]) == {str(tmp_path / "a"): 0o600, str(tmp_path / "b"): None}
