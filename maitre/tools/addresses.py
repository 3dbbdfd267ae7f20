"""Which addresses a tool may reach: those of the open internet, unless the operator says otherwise. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

#: Networks whose addresses carry an IPv4 address in their last four bytes: NAT64, IPv4-compatible.
_CARRIERS = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))


def is_open(text: str) -> bool:
    """Whether an address is one of the open internet: not private, loopback, link-local, multicast or reserved, in no
    disguise. Anything that is no address is not."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_open(one) for one in _meant(address))


def is_address(host: str) -> bool:
    """Whether a URL's host is an address, not a name to look up: `127.1` and `2130706433` are, to those who connect."""
    return ":" in host or host.replace(".", "").isdigit()


def _open(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, or what it stands for."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    if any(address in network for network in _CARRIERS):
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]
