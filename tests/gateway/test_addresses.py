"""Where a request comes from, while the names of proxies change what they lead to."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

import pytest

from gateway import addresses
from gateway.addresses import AGAIN, KEEP, Addresses, look_up
from gateway.asgi import Scope
from maitre.keys.proxies import proxies_of

GUEST, TRAEFIK, ANOTHER = "198.51.100.1", "172.18.0.3", "172.18.0.4"


class Names:
    """A resolver, its clock, and a gateway's addresses over both. No look-up ends before `held` is set."""

    def __init__(self, *trusted: object) -> None:
        self.now, self.asked = 0.0, 0
        self.leads: dict[str, list[str]] = {"traefik": [TRAEFIK]}
        self.began, self.held = asyncio.Event(), asyncio.Event()
        self.held.set()
        self.addresses = Addresses([proxies_of(one) for one in trusted], self._look_up, lambda: self.now)

    async def _look_up(self, name: str) -> Sequence[str]:
        self.asked += 1
        self.began.set()
        await self.held.wait()
        if name not in self.leads:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.leads[name]

    async def client(self, peer: str) -> str:
        """The client's address of a request that `peer` says is a guest's."""
        return await self.addresses.client(scope(peer))


def scope(peer: str) -> Scope:
    """A request over a connection of `peer`, sent on for a guest."""
    return {"client": (peer, 4711) if peer else None, "headers": [(b"X-Forwarded-For", GUEST.encode())]}


async def test_a_house_without_names_asks_no_resolver() -> None:
    """Networks are known as they are; a connection without an address has none."""
    names = Names("10.0.0.0/8")
    assert [await names.client(peer) for peer in ("10.0.0.1", ANOTHER, "")] == [GUEST, ANOTHER, ""]
    assert names.asked == 0


async def test_a_name_is_remembered_for_some_seconds() -> None:
    """Many requests of one proxy are one look-up; then it is looked up again, and may be somebody else's."""
    names = Names("traefik")
    for _ in range(100):
        assert await names.client(TRAEFIK) == GUEST
    assert names.asked == 1
    names.leads["traefik"] = [ANOTHER]
    names.now = KEEP
    assert await names.client(TRAEFIK) == TRAEFIK
    assert await names.client(ANOTHER) == GUEST
    assert names.asked == 2


async def test_a_replaced_proxy_is_known_at_its_first_request() -> None:
    """Its new address is nobody's so far, which is reason enough to ask."""
    names = Names("traefik")
    assert await names.client(TRAEFIK) == GUEST
    names.leads["traefik"] = [ANOTHER]
    names.now = AGAIN
    assert await names.client(ANOTHER) == GUEST


async def test_forged_requests_are_no_look_up_each() -> None:
    """A second has one of them, however many ask."""
    names = Names("traefik")
    for second in range(3):
        names.now = second * AGAIN
        for _ in range(100):
            assert await names.client(ANOTHER) == ANOTHER
    assert names.asked == 3


async def test_a_name_that_leads_nowhere_is_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    """Nor is it any more once it did; it is said once, and once the name is back it is believed."""
    names = Names("traefik")
    assert await names.client(TRAEFIK) == GUEST
    del names.leads["traefik"]
    with caplog.at_level(logging.WARNING):
        for second in range(3):
            names.now = KEEP + second * AGAIN
            assert await names.client(TRAEFIK) == TRAEFIK
    assert caplog.messages == ["The trusted proxy “traefik” cannot be looked up: nobody is believed to be it."]
    names.leads["traefik"] = [TRAEFIK]
    names.now += AGAIN
    assert await names.client(TRAEFIK) == GUEST


async def test_requests_at_once_share_a_look_up() -> None:
    """And one that is given up takes the answer from nobody."""
    names = Names("traefik")
    names.held.clear()
    asking = [asyncio.create_task(names.client(TRAEFIK)) for _ in range(10)]
    await names.began.wait()
    asking[0].cancel()
    await asyncio.wait(asking[:1])
    names.held.set()
    assert await asyncio.gather(*asking[1:]) == [GUEST] * 9
    assert names.asked == 1


async def test_a_resolver_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes on, and the proxy is not believed until the answer is there."""
    monkeypatch.setattr(addresses, "PATIENCE", 0.01)
    names = Names("traefik")
    assert await names.client(TRAEFIK) == GUEST
    names.now = KEEP
    names.held.clear()
    for _ in range(3):
        assert await names.client(TRAEFIK) == TRAEFIK
    assert names.asked == 2
    names.held.set()
    monkeypatch.undo()
    assert await names.client(TRAEFIK) == GUEST
    assert names.asked == 2


async def test_names_are_looked_up_by_the_machine() -> None:
    """This machine's own is on loopback."""
    assert {"127.0.0.1", "::1"} & set(await look_up("localhost"))
