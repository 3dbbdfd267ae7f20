"""Addresses and networks, as they are written, and whom requests from an address are counted for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Whoever gets IPv6 gets at least so many bits of it: addresses that differ only in them are one guest's.
IPV6_REST = 64


@lru_cache(4096)
def address_of(text: str) -> Address | None:
    """The address in a text, or None. One of IPv4 that is written as IPv6 is the one of IPv4."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


@lru_cache(4096)
def network_of(text: str) -> Network:
    """The addresses of a network such as `10.0.0.0/8`, or one address. Raises ValueError, whose text says why."""
    try:
        network = ip_network(text.strip())
    except ValueError:
        raise ValueError(f"“{text}” is no network; write 10.0.0.0/8, 2001:db8::/32 or one address") from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"“{text}” is a network of IPv4; write it as one")
    return network


def inside(address: Address, networks: Sequence[str]) -> bool:
    """Whether one of the networks has the address."""
    return any(address in network_of(text) for text in networks)


def origin(address: str) -> str:
    """Whom requests from an address are counted for: the address itself, of IPv6 its site."""
    if ":" not in address:
        return address
    found = address_of(address)
    if not isinstance(found, IPv6Address):
        return address if found is None else str(found)
    return str(IPv6Network((int(found) >> IPV6_REST << IPV6_REST, 128 - IPV6_REST)))
