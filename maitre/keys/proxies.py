"""Whose address a request comes from, when proxies may stand between, and which proxies a house believes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from maitre.keys.address import Address, address_of, inside, network_of

#: As in DNS, and with the low line that containers' names have. What ends with a number is an address to a resolver.
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)({_LABEL}\.)*(?![0-9]){_LABEL}\Z", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxies whose X-Forwarded-For is believed. `places`: networks, addresses and host names; `once`: a request comes
    through one of them at most, so that the next address is the guest's, even if it is one of theirs."""

    places: tuple[str, ...]
    once: bool = False


def proxies_of(told: object) -> Proxies:
    """An entry of `trusted_proxies`: a place, or a list of the places of proxies that are passed once. Raises
    ValueError, whose text says why."""
    if isinstance(told, str):
        return Proxies((_place(told),))
    if not isinstance(told, list) or not told or not all(isinstance(one, str) for one in told):
        raise ValueError("must be a network, an address, a host name or a list of those")
    return Proxies(tuple(map(_place, told)), once=True)


def names_of(proxies: Sequence[Proxies]) -> tuple[str, ...]:
    """The host names among their places, each once."""
    return tuple(sorted({place for one in proxies for place in one.places if _NAME.match(place)}))


def resolved(proxies: Sequence[Proxies], found: Mapping[str, Sequence[str]]) -> tuple[Proxies, ...]:
    """The proxies by networks and addresses alone, given the addresses that were `found` by host name. A name without
    any is nobody's."""
    return tuple(
        Proxies(tuple(address for place in one.places for address in _addresses(place, found)), one.once)
        for one in proxies
    )


def believed(peer: str, proxies: Sequence[Proxies]) -> bool:
    """Whether who opened the connection is one of the proxies."""
    address = address_of(peer)
    return address is not None and _passed(address, list(proxies))


def client(peer: str, forwarded: Sequence[bytes], proxies: Sequence[Proxies]) -> str:
    """The client's address. `peer` is who opened the connection, `forwarded` the values of `X-Forwarded-For`, which
    are believed only as far as they come from the `proxies`, resolved: each writes last whom it was called by."""
    address, left = address_of(peer), list(proxies)
    if address is None or not _passed(address, left):
        return peer
    hops = b",".join(forwarded).decode("latin-1").split(",")
    for hop in reversed(hops):
        before = address_of(hop)
        if before is None:
            break
        address = before
        if not _passed(address, left):
            break
    return str(address)


def _passed(address: Address, left: list[Proxies]) -> bool:
    """Whether a proxy has the address; those that are passed once are not left then."""
    having = [one for one in left if _inside(address, one.places)]
    if having and all(one.once for one in having):
        left.remove(having[0])
    return bool(having)


#: A provider has dozens of networks, and the same few proxies and guests come again and again.
_inside = lru_cache(4096)(inside)


def _place(text: str) -> str:
    if _NAME.match(text):
        return text
    try:
        network_of(text)
    except ValueError as wrong:
        raise ValueError(f"{wrong}, or a host name") from None
    return text


def _addresses(place: str, found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if not _NAME.match(place):
        return (place,)
    return tuple(str(address) for text in found.get(place, ()) if (address := address_of(text)) is not None)
