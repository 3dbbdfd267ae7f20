"""Guests without end at both servers: so many short calls a second, and so many streams open at any time.

Nothing is tried again. Whatever a guest should not have seen is told with what was seen.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import aiohttp

from devstack.process import wait_until
from maitre.errors import HouseError
from tests.docker.busy import Busy
from tests.docker.deployed import SCRIPTED
from tests.engine.answers import script

DONE = b"data: [DONE]"

PATIENCE = 120  # seconds until a guest gives up
PAUSE = 0.2  # seconds before somebody who was refused asks for something else
RENEWED = 5  # seconds
AT_ONCE = 100  # short calls under way; a machine that is slower gets fewer of them


class Load:
    """The guests, on an event loop in a thread of its own, until the end of the block; then what has begun is read to
    its end. `rate`: short calls a second; `streams`: open at any time, each with so many `words`, one every
    `interval_ms`."""

    def __init__(
        self, busy: Busy, *, rate: float = 20, streams: int = 10, words: int = 250, interval_ms: int = 100
    ) -> None:
        self._doors = {door: f"{url}/v1/chat/completions" for door, url in busy.doors().items()}
        self._headers = {door: busy.headers(door) for door in self._doors}
        self._busy, self._rate, self._streams, self._words = busy, rate, streams, words
        self._stream = script(n=words, interval_ms=interval_ms)
        self.heard: Counter[str] = Counter()
        self.failures: list[str] = []
        self._served = {f"{door} {kind}": 0.0 for door in self._doors for kind in ("short", "stream")}
        self._over = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load")
        self._all: Future[None]

    def __enter__(self) -> Load:
        self._thread.start()
        self._all = asyncio.run_coroutine_threadsafe(self._crowd(), self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        try:
            self._all.result(2 * PATIENCE)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def until_served(self) -> None:
        """Wait until somebody who asks from now on is answered by each server, whole and in a stream."""
        began = time.time()
        if not wait_until(lambda: all(at > began for at in self._served.values()), PATIENCE, every=0.2):
            raise AssertionError(f"{self._served} since {began}; {self.failures[-3:]}")

    async def _crowd(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as self._http:
            doors = [door for _ in range(self._streams) for door in self._doors][: self._streams]
            await asyncio.gather(self._renew(), self._shorts(), *(self._sit(door) for door in doors))

    async def _renew(self) -> None:
        """A guest's token lasts some minutes, and a server that was started anew may be somewhere else."""
        while not await asyncio.to_thread(self._over.wait, RENEWED):
            self._headers = {door: self._busy.headers(door) for door in self._doors}
            try:
                found = await asyncio.to_thread(self._busy.doors)
            except HouseError:
                continue  # Traefik is down
            self._doors = {door: f"{url}/v1/chat/completions" for door, url in found.items()}

    async def _shorts(self) -> None:
        seats, under_way = asyncio.Semaphore(AT_ONCE), set[asyncio.Task[None]]()
        doors, began, number = tuple(self._doors), time.monotonic(), 0
        while not self._over.is_set():
            await seats.acquire()
            task = asyncio.create_task(self._short(doors[number % len(doors)]))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            task.add_done_callback(lambda _: seats.release())
            number += 1
            await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))
        await asyncio.gather(*under_way)

    async def _sit(self, door: str) -> None:
        while not self._over.is_set():
            await self._ask(door, "stream", self._stream)

    async def _short(self, door: str) -> None:
        await self._ask(door, "short", script(n=3))

    async def _ask(self, door: str, kind: str, text: str) -> None:
        body = {"model": _model(door), "stream": kind == "stream", "messages": [{"role": "user", "content": text}]}
        began, at = time.time(), time.monotonic()
        try:
            async with self._http.post(self._doors[door], json=body, headers=self._headers[door]) as answer:
                said = await answer.read()
                wrong = _wrong(answer.status, said, self._words) if kind == "stream" else _unlike(answer.status, said)
        except (aiohttp.ClientError, TimeoutError) as gone:
            wrong = f"{type(gone).__name__}: {gone}"
        self.heard[f"{door} {kind}{' failed' if wrong else ''}"] += 1
        if not wrong:
            self._served[f"{door} {kind}"] = began
        if wrong:
            when = time.strftime("%H:%M:%S", time.gmtime(began))
            await asyncio.sleep(PAUSE)
            self.failures.append(f"{when} {door} {kind}, after {time.monotonic() - at:.1f} s: {wrong}")


def _model(door: str) -> str:
    return SCRIPTED if door == "gateway" else f"models.{SCRIPTED}"


def _unlike(status: int, said: bytes) -> str:
    """What is wrong with a whole answer."""
    try:
        told: Mapping[str, Any] = json.loads(said)
    except ValueError:
        return f"{status}: {said[:200]!r}"
    return "" if status == 200 and told.get("choices") else f"{status}: {said[:300]!r}"


def _wrong(status: int, said: bytes, words: int) -> str:
    """What is wrong with a stream."""
    if status != 200:
        return f"{status}: {said[:300]!r}"
    events = [line for line in said.split(b"\n") if line.startswith(b"data: ")]
    if not events or events[-1].strip() != DONE:
        return f"a stream of {len(events)} events that ends with {said[-200:]!r}"
    found = sum(_has_text(event) for event in events[:-1])
    return "" if found == words else f"a stream with {found} words of {words}, which ends with {said[-400:]!r}"


def _has_text(event: bytes) -> bool:
    choices = json.loads(event.removeprefix(b"data: ")).get("choices") or [{}]
    return bool((choices[0].get("delta") or {}).get("content"))
