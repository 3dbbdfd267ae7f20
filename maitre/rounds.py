"""The same steps again and again, for as long as a process lives: what goes wrong is said once, and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from maitre.errors import StoreDown
from maitre.faults import outline

log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[object]]


class Rounds:
    """One round takes every step; a step that fails keeps no other from being taken."""

    def __init__(self, pause: float, *steps: Step) -> None:
        """`pause` is in seconds, between two rounds."""
        self._pause, self._steps = pause, steps
        self._said: dict[int, str] = {}  # what is wrong, by step

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            for number, step in enumerate(self._steps):
                await self._take(number, step)
            await asyncio.sleep(self._pause)

    async def _take(self, number: int, step: Step) -> None:
        try:
            await step()
        except StoreDown as fault:
            self._say(number, str(fault), logging.WARNING)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the process depends on the next round
            self._say(
                number, f"A step of the house-keeping failed, and is tried again: {outline(fault)}", logging.ERROR
            )
        else:
            if self._said.pop(number, None) and not self._said:
                log.warning("The house-keeping goes on as it should.")

    def _say(self, number: int, what: str, level: int) -> None:
        """Once for each thing that is wrong, not every round of a night."""
        if what not in self._said.values():
            log.log(level, "%s", what)
        self._said[number] = what
