"""Guests without end: streamed turns, whole ones and tasks, of three plans, at both hosts and both providers."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import Future
from random import Random
from typing import Any

import aiohttp

from maitre.chat.message import Stamp
from maitre.chat.stamp import KEY, sign
from maitre.settings import Endpoint
from tests.engine.answers import script
from tests.engine.crash.diary import Diary
from tests.engine.crash.house import ENGINES, CrashHall

Guest = dict[str, str]

#: Who is there all the time: plan, model, how many calls at once.
CROWD = (
    ("wide", "assistants.host", 2),
    ("wide", "models.scarce", 4),
    ("small", "assistants.host", 3),
    ("open", "assistants.host", 2),
    ("open", "models.scarce", 1),
)

#: After so many calls a small guest's plan is surely spent, and the next guest comes.
CALLS_OF_A_GUEST = 20

PAUSE = 0.05  # seconds before a host that is down is asked again
PATIENCE = 45  # seconds that a guest waits for an answer; longer than a turn may take


class Traffic:
    """All guests, on an event loop in a thread of its own."""

    def __init__(self, hall: CrashHall, diary: Diary, chance: Random, small: list[Guest]) -> None:
        self._hall, self._diary, self._chance = hall, diary, chance
        self._crowds = {(plan, model): (hall.guests(plan, 1) if plan != "small" else small) for plan, model, _ in CROWD}
        self.heard: Counter[str] = Counter()  # how the calls ended for their guests
        self._asked: Counter[tuple[str, str]] = Counter()
        self.odd: list[str] = []  # what no guest should hear
        self._over = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="traffic")
        self._crowd: Future[Any]

    def __enter__(self) -> Traffic:
        self._thread.start()
        self._crowd = asyncio.run_coroutine_threadsafe(self._all(), self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        """No more calls; those under way are read to their ends."""
        self._over.set()
        try:
            self._crowd.result(PATIENCE + 10)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def guests(self) -> list[Guest]:
        """Everybody who may have asked."""
        return [guest for guests in self._crowds.values() for guest in guests]

    def burst(self, engine: Endpoint) -> None:
        """Several calls at once, now."""
        for plan, model in (("wide", "assistants.host"), ("open", "assistants.host"), ("wide", "assistants.host")):
            guest = self._crowds[plan, model][0]
            asyncio.run_coroutine_threadsafe(self._turn(guest, model, engine), self._loop)

    async def _all(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as self._http:
            await asyncio.gather(
                *(self._sit(plan, model) for plan, model, count in CROWD for _ in range(count)), self._rest()
            )

    async def _rest(self) -> None:
        """Stays to the end, and sees what the bursts left to an end."""
        await asyncio.to_thread(self._over.wait)
        mine = asyncio.current_task()
        turns = [task for task in asyncio.all_tasks() if task is not mine and task.get_name() == "turn"]
        if turns:
            await asyncio.wait(turns)

    async def _sit(self, plan: str, model: str) -> None:
        while not self._over.is_set():
            engine = self._chance.choice(ENGINES)
            if not self._diary.lives[engine].now:
                engine = next(one for one in ENGINES if one != engine)
            if not await self._turn(self._next(plan, model), model, engine):
                await asyncio.sleep(PAUSE)

    def _next(self, plan: str, model: str) -> Guest:
        """Who asks now; all who sit at one table share their guests, one after another."""
        guests = self._crowds[plan, model]
        self._asked[plan, model] += 1
        return guests[self._asked[plan, model] // CALLS_OF_A_GUEST % len(guests)]

    async def _turn(self, guest: Guest, model: str, engine: Endpoint) -> bool:
        """One call, read to its end; whether the host was there."""
        task = asyncio.current_task()
        assert task is not None
        task.set_name("turn")
        body = self._body(guest, model, engine)
        url = f"{self._hall.parts[engine].url}/v1/chat/completions"
        try:
            async with self._http.post(url, json=body, headers=self._hall.headers(guest)) as answer:
                self._hear(answer.status, await answer.read())
                return answer.status == 200
        except TimeoutError:
            self.odd.append(f"a guest of {engine} heard nothing for {PATIENCE} seconds")
        except aiohttp.ClientError as gone:
            self.heard[type(gone).__name__] += 1
        return False

    def _hear(self, status: int, said: bytes) -> None:
        # 504 is the house's own limit of an answer's time, which a busy machine reaches.
        self.heard[str(status)] += 1
        if status not in (200, 429, 503, 504) or b"(number" in said:
            self.odd.append(f"{status}: {said[:300]!r}")

    def _body(self, guest: Guest, model: str, engine: Endpoint) -> dict[str, Any]:
        """A call whose text says which host was asked: the upstream's log tells it then."""
        manner = self._chance.choice(("streamed", "streamed", "streamed", "silent", "whole", "task"))
        usage = self._chance.random() > 0.1
        words, every = self._chance.choice((10, 30, 60, 110)), self._chance.choice((5, 15, 40, 75))
        if manner == "task":
            words, every = 8, 20
        first = 1500 if manner == "silent" else self._chance.randint(0, 60)
        text = f"At {engine} {script(n=words, interval_ms=every, ttft_ms=first, usage=usage)}"
        body = {
            "model": model,
            "stream": manner in ("streamed", "silent"),
            "messages": [{"role": "user", "content": text}],
            "user": guest,
        }
        if manner == "task":
            until = int(time.time()) + 600
            mark = Stamp(guest["id"], model, uuid.uuid4().hex, until, kind="task", task="title_generation")
            body[KEY] = sign(mark, self._hall.house.secret("stamp"))
        return body


def engine_of(body: dict[str, Any]) -> str:
    """Which host a call of the upstream's log came from."""
    return str(body["messages"][-1]["content"]).split()[1]
