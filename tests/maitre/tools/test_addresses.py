"""Which addresses are of the open internet, in every disguise."""

from __future__ import annotations

import pytest

from maitre.tools.addresses import is_address, is_open

LISTED = """
127.0.0.1 127.255.255.254 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.2.1 198.18.0.1
224.0.0.1 240.0.0.1 255.255.255.255 ::1 :: fe80::1 fe80::1%eth0 fd00::1 fec0::1 ff02::1 2001:db8::1
::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1
64:ff9b:1::7f00:1 ::ffff:0:7f00:1 2002:7f00:1:: 2002:a00:1:: 2001:0:7f00:1:: 127.1
2130706433 0x7f000001 017700000001 localhost
"""
CLOSED = LISTED.split()
OPEN = ("8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808")
WRITTEN = [
    ("127.1", True),
    ("2130706433", True),
    ("127.0.0.1", True),
    ("::1", True),
    ("0x7f.1", False),
    ("a.io", False),
]


@pytest.mark.parametrize("text", ["", "nonsense", *CLOSED])
def test_the_houses_own_network_is_closed(text: str) -> None:
    """Loopback, private, link-local, shared, multicast, reserved; what is no address as well."""
    assert not is_open(text)


@pytest.mark.parametrize("text", OPEN)
def test_the_internet_is_open(text: str) -> None:
    """Whatever way it is written."""
    assert is_open(text)


@pytest.mark.parametrize(("host", "address"), WRITTEN)
def test_what_is_connected_to_without_a_look_up(host: str, address: bool) -> None:
    """A host that is connected to as it is written must be looked at as it is written."""
    assert is_address(host) is address
    assert not is_open(host)
