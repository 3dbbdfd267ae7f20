"""A process's part of the action log: noted off the guest's path, written a little later, never fatal.

What a store that is down keeps from being written waits, bounded; the oldest is dropped first, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from maitre.actions.action import Action, Actions
from maitre.actions.seldom import Seldom
from maitre.chat.text import clean, clean_deep
from maitre.errors import StoreDown
from maitre.keys.address import origin

log = logging.getLogger(__name__)

#: Actions that may wait, and how many are written at once.
MOST_WAITING, AT_ONCE = 10_000, 500

#: Characters of a name or an address that are kept.
LONGEST = 300

#: What fails is noted once a minute for each site, and who is seen once a day. Seconds, and how many are remembered.
FAILURES, SEEN = (60, 10_000), (86_400, 100_000)


class Diary:
    """Notes what happens in a process. Use it from one event loop."""

    def __init__(self, actions: Actions, clock: Callable[[], datetime], retention: timedelta) -> None:
        self._actions, self._clock, self._retention = actions, clock, retention
        self._waiting: deque[Action] = deque(maxlen=MOST_WAITING)
        self._failures, self._seen = Seldom(*FAILURES), Seldom(*SEEN)
        self.dropped = 0  # since the process began

    def note(
        self, what: str, who: str, *, target: str = "", key: str = "", address: str = "", **detail: object
    ) -> None:
        """Note an action of just now. `detail` holds no secret."""
        if len(self._waiting) == MOST_WAITING:
            self.dropped += 1
        who, target, address = (clean(text)[:LONGEST] for text in (who, target, address))
        self._waiting.append(Action(self._clock(), who, what, target, key, address, clean_deep(detail)))

    def failed(self, what: str, who: str, address: str, *, target: str = "", key: str = "", **detail: object) -> None:
        """Note that somebody was not let in: the first time in a minute, of an address's site. `who`: the account, if
        it is known."""
        if self._failures.first((what, who, origin(address)), self._clock().timestamp()):
            self.note(what, who, target=target, key=key, address=address, **detail)

    def seen(self, who: str) -> None:
        """Note that Open WebUI vouches for a user: the first time in a day. Its own sign-ins it tells nobody."""
        if self._seen.first(who, self._clock().timestamp()):
            self.note("sign_in.seen", who)

    async def write(self) -> None:
        """Write what waits, and forget what is past its retention. Raises StoreDown; then it goes on waiting."""
        while self._waiting:
            some = [self._waiting[index] for index in range(min(AT_ONCE, len(self._waiting)))]
            dropped = self.dropped
            await self._actions.add(some)
            # Those that were dropped meanwhile were the first of these.
            for _ in range(len(some) - (self.dropped - dropped)):
                self._waiting.popleft()

    async def drain(self, seconds: float) -> None:
        """Write what waits, if that takes no longer; the process ends."""
        writing = asyncio.create_task(self.write())
        # A client of Postgres that is cancelled may take seconds to notice.
        await asyncio.wait({writing}, timeout=seconds)
        if writing.done() and not isinstance(writing.exception(), StoreDown):
            writing.result()
            return
        writing.cancel()
        log.error("The action log does not answer; entries that are lost: %d.", len(self._waiting))

    async def forget(self) -> int:
        """Delete what is past its retention; how many."""
        return await self._actions.forget(self._clock() - self._retention)
