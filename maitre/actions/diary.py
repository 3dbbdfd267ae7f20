"""A process's part of the action log: noted off the guest's path, written a little later, never fatal.

What a store that is down keeps from being written waits, bounded; the oldest is dropped first, and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from maitre.actions.action import Action, Actions
from maitre.chat.text import clean

#: Actions that may wait, and how many are written at once.
MOST_WAITING, AT_ONCE = 10_000, 500

#: Characters of a name or an address that are kept.
LONGEST = 300


class Diary:
    """Notes what happens in a process. Use it from one event loop."""

    def __init__(self, actions: Actions, clock: Callable[[], datetime], retention: timedelta) -> None:
        self._actions, self._clock, self._retention = actions, clock, retention
        self._waiting: deque[Action] = deque(maxlen=MOST_WAITING)
        self.dropped = 0  # since the process began

    def note(
        self, what: str, who: str, *, target: str = "", key: str = "", address: str = "", **detail: object
    ) -> None:
        """Note an action of just now. `detail` holds no secret."""
        if len(self._waiting) == MOST_WAITING:
            self.dropped += 1
        who, target, address = (clean(text)[:LONGEST] for text in (who, target, address))
        self._waiting.append(Action(self._clock(), who, what, target, key, address, detail))

    async def write(self) -> None:
        """Write what waits, and forget what is past its retention. Raises StoreDown; then it goes on waiting."""
        while self._waiting:
            some = [self._waiting[index] for index in range(min(AT_ONCE, len(self._waiting)))]
            dropped = self.dropped
            await self._actions.add(some)
            # Those that were dropped meanwhile were the first of these.
            for _ in range(len(some) - (self.dropped - dropped)):
                self._waiting.popleft()

    async def forget(self) -> int:
        """Delete what is past its retention; how many."""
        return await self._actions.forget(self._clock() - self._retention)
