"""Where a request comes from. The host names among the house's proxies are looked up: a container that is replaced has
another address."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from gateway.asgi import Scope, header
from maitre.keys.proxies import Proxies, believed, client, names_of, resolved

log = logging.getLogger(__name__)

KEEP = 5.0  # seconds that what a name leads to is believed
AGAIN = 1.0  # seconds from one look-up to the next for those whom nobody knows, however many they are
PATIENCE = 1.0  # seconds that a request waits for a look-up

LookUp = Callable[[str], Awaitable[Sequence[str]]]


async def look_up(name: str) -> Sequence[str]:
    """The addresses of a host name. Raises OSError when it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Addresses:
    """Finds the client's address of each request. `clock` is in seconds."""

    def __init__(
        self, proxies: Sequence[Proxies], look_up: LookUp = look_up, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._names = names_of(proxies)
        self._told, self._nameless = proxies, resolved(proxies, {})
        self._known = self._nameless
        self._look_up, self._clock = look_up, clock
        self._asked = float("-inf")  # when what is known was asked for
        self._looking: asyncio.Task[None] | None = None
        self._lost: frozenset[str] = frozenset()  # the names that led nowhere

    async def client(self, scope: Scope) -> str:
        """The address of whoever sent the request, empty where the connection has none. While a name cannot be looked
        up, nobody is believed for it."""
        peer = str((scope.get("client") or ("",))[0])
        proxies = await self._proxies(peer) if self._names else self._known
        return client(peer, header(scope, b"x-forwarded-for"), proxies)

    async def _proxies(self, peer: str) -> Sequence[Proxies]:
        lasting = KEEP if believed(peer, self._known) else AGAIN
        if self._clock() - self._asked < lasting:
            return self._known
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        # Neither the one who began it nor anybody else who waits takes it away from the others by leaving.
        done, _ = await asyncio.wait((self._looking,), timeout=PATIENCE)
        for task in done:
            task.result()
        return self._known if done else self._nameless

    async def _look(self) -> None:
        try:
            asked = self._clock()
            found = {name: await self._addresses(name) for name in self._names}
            self._known, self._asked = resolved(self._told, found), asked
            lost = frozenset(name for name, addresses in found.items() if not addresses)
            for name in sorted(lost - self._lost):
                log.warning("The trusted proxy “%s” cannot be looked up: nobody is believed to be it.", name)
            self._lost = lost
        finally:
            self._looking = None

    async def _addresses(self, name: str) -> Sequence[str]:
        try:
            return await self._look_up(name)
        except OSError:
            return ()  # said once by the caller
