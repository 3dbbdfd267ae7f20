"""Strikes: wait until a turn is at its step, kill the part, start it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from maitre.errors import StoreDown
from maitre.settings import Endpoint
from tests.engine.crash.diary import Diary
from tests.engine.crash.house import ENGINES, CrashHall
from tests.engine.crash.plan import Kill
from tests.engine.crash.traffic import Traffic, engine_of
from tests.upstream import Call, ScriptedUpstream

PATIENCE = 6.0  # seconds that a strike waits for its step; then it strikes all the same
QUICK = 0.001  # seconds between two looks for a step
CALM = 0.02  # the same where a look is dear
SERVED = 3  # calls between two strikes


class Strikes:
    """Strikes one after another; a part that was struck is started again beside the next strike."""

    def __init__(self, hall: CrashHall, upstream: ScriptedUpstream, diary: Diary, traffic: Traffic) -> None:
        self._hall, self._upstream, self._diary, self._traffic = hall, upstream, diary, traffic
        self._pool = ThreadPoolExecutor(len(hall.parts))
        self._starting: dict[Endpoint, Future[None]] = {}
        self._seen = 0
        self.missed = 0  # strikes that did not find their step

    def strike(self, kill: Kill) -> None:
        """Kill at the step; the part is started again in the background."""
        self._mended(kill.part)
        self._mended(kill.engine)
        self._until(lambda: len(self._upstream.calls) >= self._seen + SERVED, CALM)
        if not self._found(kill):
            self.missed += 1
        time.sleep(kill.pause)
        self._diary.lives[kill.part].down()
        self._diary.kills.append((time.time(), kill))
        self._hall.kill(kill.part)
        if kill.victim == "valkey-empty":
            self._hall.forget("valkey")
        self._seen = len(self._upstream.calls)
        self._starting[kill.part] = self._pool.submit(self._start, kill.part)

    def mend(self) -> None:
        """Wait until every part lives."""
        for part in list(self._starting):
            self._mended(part)

    def close(self) -> None:
        """Wait for what is being started."""
        self._pool.shutdown()

    def _mended(self, part: Endpoint) -> None:
        if (starting := self._starting.pop(part, None)) is not None:
            starting.result()

    def _start(self, part: Endpoint) -> None:
        self._hall.start(part)
        self._diary.lives[part].up()

    # ── finding a step ──

    def _found(self, kill: Kill) -> bool:
        match kill.step:
            case "asking" | "opening":
                self._mended("postgres")
                self._mended("valkey")
                self._traffic.burst(kill.engine)
                return True
            case "waiting":
                return self._until(self._someone_waits, CALM)
            case "streaming":
                return self._until(lambda: any(call.deltas >= kill.depth for call in self._running(kill)), QUICK)
            case _:
                running: set[int] = set()
                return self._until(lambda: self._just_ended(kill, running), QUICK)

    def _until(self, true: Callable[[], bool], every: float) -> bool:
        until = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > until:
                return False
            time.sleep(every)
        return True

    def _someone_waits(self) -> bool:
        if not self._diary.lives["valkey"].now:
            self._mended("valkey")
        try:
            lines = self._hall.ask(lambda books: books.lines())
        except StoreDown:  # Postgres, which tells the time, may still be starting
            return False
        return any(line.waiting for line in lines.values())

    def _calls_of(self, kill: Kill) -> list[Call]:
        recent = self._upstream.calls[-100:]
        return [call for call in recent if kill.part not in ENGINES or engine_of(call.body) == kill.engine]

    def _running(self, kill: Kill) -> list[Call]:
        return [call for call in self._calls_of(kill) if call.ended == "open" and call.stream]

    def _just_ended(self, kill: Kill, running: set[int]) -> bool:
        """Whether a call that ran at the last look is complete."""
        calls = self._calls_of(kill)
        if any(call.number in running and call.ended == "completed" for call in calls):
            return True
        running |= {call.number for call in calls if call.ended == "open"}
        return False
