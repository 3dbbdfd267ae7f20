"""A provider as the turn sees it: one Upstream over all its URLs, and how they are.

A call goes to the least busy address that is well. A second address is asked within one call only when the first one
surely did not take the request (it could not be connected to); whatever else fails is a call of its own, and a row.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from maitre.errors import ProviderError, Refusal
from maitre.providers.breaker import Breaker
from maitre.providers.provider import Provider
from maitre.providers.retry_budget import RetryBudget
from maitre.providers.upstream import Upstream
from maitre.providers.upstream_error import in_answer

T = TypeVar("T")


@dataclass(slots=True)
class Place:
    """One URL: who speaks to it, for how many calls at once it has room, and how many of ours it serves now."""

    upstream: Upstream
    slots: int = 1
    busy: int = 0
    breaker: Breaker = field(default_factory=Breaker)


class Pool:
    """An Upstream and its Health. `timeout` is in seconds: for a stream's first event, or a whole answer."""

    def __init__(self, places: Sequence[Place], *, timeout: float | None = None, clock: Callable[[], float]) -> None:
        self._places, self._timeout, self._clock = tuple(places), timeout, clock
        self._budget = RetryBudget()

    @property
    def busy(self) -> int:
        """How many calls are under way."""
        return sum(place.busy for place in self._places)

    # ── an Upstream ──────────────────────────────────────────────────────────────────────────────────────

    async def stream(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[bytes, None]:
        for place, last in self._choices():
            begun = False
            try:
                with self._calling(place):
                    async with aclosing(place.upstream.stream(body, request_id)) as events:
                        first = await self._in_time(anext(events, None))
                        if first is not None:
                            begun = True
                            place.breaker.answered(self._clock())
                            yield first
                            async for event in events:
                                yield event
                return
            except ProviderError as fault:
                if begun or last or not untaken(fault):
                    raise

    async def complete(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        return await self._whole(lambda upstream: upstream.complete(body, request_id))

    async def embed(self, body: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        return await self._whole(lambda upstream: upstream.embed(body, request_id))

    async def _whole(self, ask: Callable[[Upstream], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        for place, last in self._choices():
            try:
                with self._calling(place) as faults:
                    answer = await self._in_time(ask(place.upstream))
                    if told := answer.get("error"):  # with a status of 200; the turn reads it itself
                        faults.append(in_answer(told if isinstance(told, str) else json.dumps(told), False))
                    return answer
            except ProviderError as fault:
                if last or not untaken(fault):
                    raise
        raise AssertionError("unreachable")

    async def count_prompt(self, body: Mapping[str, Any]) -> int | None:
        return await self._best().upstream.count_prompt(body)

    async def count_text(self, model: str, text: str) -> int | None:
        return await self._best().upstream.count_text(model, text)

    async def close(self) -> None:
        for place in self._places:
            await place.upstream.close()

    # ── its Health ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def addresses(self) -> int:
        return len(self._places)

    def well(self) -> bool:
        now = self._clock()
        breakers = [place.breaker for place in self._places]
        return any(one.state(now) == "closed" for one in breakers) or any(one.probe(now) for one in breakers)

    def spare(self, tries: int) -> bool:
        now = self._clock()
        fit = [one for one in self._places if one.breaker.state(now) == "closed" and not one.breaker.shy(now)]
        return tries < len(self._places) and bool(fit)

    def again(self) -> bool:
        return self._budget.again(self._clock())

    # ── choosing ─────────────────────────────────────────────────────────────────────────────────────────

    def _choices(self) -> Iterator[tuple[Place, bool]]:
        """The addresses in the order in which to ask them; whether it is the last one."""
        now = self._clock()
        self._budget.asked(now)
        if len(self._places) == 1:
            yield self._places[0], True
            return
        # The guest whose call proves that an address is well again loses nothing when it cannot be reached.
        probed = next((one for one in self._places if one.breaker.probe(now)), None)
        ordered = sorted(self._places, key=lambda one: (one is not probed, *self._rank(one, now)))
        for number, place in enumerate(ordered, 1):
            yield place, number == len(ordered)

    def _best(self) -> Place:
        now = self._clock()
        return min(self._places, key=lambda one: self._rank(one, now))

    def _rank(self, place: Place, now: float) -> tuple[int, bool, float]:
        state = ("closed", "half-open", "open").index(place.breaker.state(now))
        return state, place.breaker.shy(now), place.busy / place.slots

    @contextmanager
    def _calling(self, place: Place) -> Iterator[list[ProviderError]]:
        """Within, the address serves a call. Its breaker hears how that ended, unless the guest left: well, with what
        is raised, or with what is put into the list."""
        place.busy += 1
        faults: list[ProviderError] = []
        try:
            yield faults
            if not faults:
                place.breaker.succeeded(self._clock())
        except ProviderError as fault:
            faults.append(fault)
            raise
        except Refusal:
            place.breaker.answered(self._clock())
            raise
        finally:
            place.busy -= 1
            for told in faults:
                self._blame(place, told)

    def _blame(self, place: Place, fault: ProviderError) -> None:
        now = self._clock()
        if fault.status >= 500:
            place.breaker.failed(now)
        else:
            place.breaker.answered(now)
        if fault.retry_after is not None:
            place.breaker.rest(now, fault.retry_after)

    async def _in_time(self, step: Awaitable[T]) -> T:
        if self._timeout is None:
            return await step
        try:
            async with asyncio.timeout(self._timeout):
                return await step
        except TimeoutError as late:
            cause = f"nothing came within {self._timeout:g} seconds"
            raise ProviderError("provider_down", status=504, cause=cause, accepted=True) from late


def pool_of(provider: Provider, at: Callable[[Provider], Upstream], clock: Callable[[], float]) -> Pool:
    """The pool of a provider; `at` makes what speaks to it at one URL."""
    places = [Place(at(one), one.slots) for one in provider.each()]
    return Pool(places, timeout=provider.timeout, clock=clock)


def untaken(fault: ProviderError) -> bool:
    """Whether the upstream surely never took the request."""
    return fault.key == "provider_down" and not fault.accepted
