"""The live windows in Valkey or Redis (7.0 or newer): one script, one round trip, for each thing that happens.

All keys share one hash tag, because a call is counted in the windows of several subjects at once. Numbers and times
travel as integers (milliseconds since the epoch). The layout is told in common.lua.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from maitre.billing.row import Totals
from maitre.quota.reservation import (
    BACKGROUND,
    TASKS_PER_REQUEST,
    TOOL_CALLS_PER_TURN,
    TURN_TTL,
    Answer,
    Ask,
    Denied,
    Granted,
    Reading,
    Unloaded,
)
from maitre.quota.store import Live
from maitre.quota.subject import Subject
from maitre.quota.window import is_total
from maitre.valkey.redis_wire import Script, Valkey, Word


def _script(name: str) -> Script:
    folder = files("maitre.quota")
    parts = (files("maitre.valkey") / "epoch.lua", folder / "common.lua", folder / f"{name}.lua")
    return Script("\n".join(part.read_text("utf-8") for part in parts))


_RESERVE, _KNOWS, _SETTLE, _RELEASE, _BEAT, _LOAD, _GENERATION, _UNLOAD, _LIVE = (
    _script(name) for name in ("reserve", "knows", "settle", "release", "beat", "load", "generation", "unload", "live")
)


class RedisQuotaStore:
    """A QuotaStore in Valkey or Redis. Every method raises StoreDown when that does not answer."""

    def __init__(self, valkey: Valkey, *, prefix: str = "maitre") -> None:
        self._valkey = valkey
        self._prefix = prefix
        self._base = f"{prefix}:{{house}}"

    async def _run(self, script: Script, *args: Word) -> Any:
        return await self._valkey.run(script, [self._base], args)

    async def reserve(self, ask: Ask) -> Answer:
        names = [str(subject) for subject in ask.subjects]
        args: list[Word] = [
            _ms(ask.now),
            ask.periods.day,
            ask.hold_id,
            _ms(ask.expires_at),
            ask.kind,
            ask.turn_id,
            ask.prompt_tokens,
            ask.completion_tokens,
            ask.least_tokens,
            ask.prompt_price,
            ask.completion_price,
            TOOL_CALLS_PER_TURN,
            TURN_TTL,
            TASKS_PER_REQUEST,
            ask.periods.fields("tasks")[0],
            *ask.periods.fields("requests"),
            *(map(int, ask.stands) if ask.stands else (-1, -1)),
            len(names),
            *names,
        ]
        numbers = {subject: number for number, subject in enumerate(ask.subjects, 1)}
        for limit in ask.limits:
            args += (numbers[limit.subject], limit.window.resource, limit.field, limit.limit)
        verdict, *rest = await self._run(_RESERVE, *args)
        if verdict == b"granted":
            return Granted(bool(rest[0]), bool(rest[1]), rest[2], tuple(rest[3:]))
        if verdict == b"denied":
            counted, *told = rest
            threes = zip(told[0::3], told[1::3], told[2::3], strict=True)
            readings = (Reading(used, held, _moment(frees_at)) for used, held, frees_at in threes)
            return Denied(bool(counted), tuple(readings))
        return Unloaded(tuple(ask.subjects[names.index(name.decode())] for name in rest))

    async def knows(self, hold_id: str, subjects: tuple[Subject, ...]) -> bool:
        return bool(await self._run(_KNOWS, hold_id, *map(str, subjects)))

    async def settle(self, hold_id: str, subjects: tuple[Subject, ...], spent: Mapping[str, int]) -> bool:
        pairs = [part for pair in spent.items() for part in pair]
        return bool(await self._run(_SETTLE, hold_id, len(subjects), *map(str, subjects), *pairs))

    async def release(self, hold_id: str, subjects: tuple[Subject, ...], requests: tuple[str, ...]) -> bool:
        tasks = requests[0].replace("requests", "tasks", 1)
        return bool(await self._run(_RELEASE, hold_id, TASKS_PER_REQUEST, tasks, *requests, *map(str, subjects)))

    async def beat(self, holds: Iterable[str], expires_at: datetime) -> None:
        await self._run(_BEAT, _ms(expires_at), *holds)

    async def generation(self, subject: Subject) -> int:
        return int(await self._run(_GENERATION, str(subject)))

    async def load(self, subject: Subject, day: str, totals: Totals, generation: int) -> bool:
        counts = map(len, (totals.fields, totals.recent, totals.turns, totals.holds))
        args: list[Word] = [str(subject), generation, day, TURN_TTL, *counts, int(totals.ever)]
        for field, amount in totals.fields.items():
            args += [field, amount]
        for hold_id, at in totals.recent.items():
            args += [hold_id, _ms(at)]
        for turn_id, calls in totals.turns.items():
            args += [turn_id, calls]
        for hold_id, hold in totals.holds.items():
            args += [hold_id, hold.prompt_tokens + hold.completion_tokens, hold.money, int(hold.kind not in BACKGROUND)]
            args += [hold.completion_tokens, int(hold.counted), int(hold.kind == "tool"), hold.kind, hold.turn_id]
            args += [str(hold.subjects[0]), _ms(hold.expires_at)]
        return bool(await self._run(_LOAD, *args))

    async def unload(self, subjects: Iterable[Subject] | None = None) -> int:
        if subjects is not None:
            names = [str(subject) for subject in subjects]
            return int(await self._run(_UNLOAD, *names)) if names else 0
        beginning = f"{self._base}:s:"
        known = [key.removeprefix(beginning.encode()) async for key in self._keys(beginning)]
        count = sum([int(await self._run(_UNLOAD, *known[at : at + 1000])) for at in range(0, len(known), 1000)])
        await self._run(_UNLOAD)  # all at once, with those that were loaded meanwhile
        return count

    async def live(self, subject: Subject, now: datetime) -> Live | None:
        found = await self._run(_LIVE, str(subject), _ms(now))
        if not found:
            return None
        count, oldest, tokens, second, *words = found
        fields = {name.decode(): amount for name, amount in zip(words[0::2], words[1::2], strict=True)}
        ever = fields["ever"] != b"0"
        for name in ("epoch", "life", "day", "ever"):
            del fields[name]
        held = {resource: int(fields.pop(f"held:{resource}", 0)) for resource in ("tokens", "money", "calls")}
        return Live(
            fields={
                name: int(amount) for name, amount in fields.items() if int(amount) and (ever or not is_total(name))
            },
            minute=count,
            minute_frees_at=_moment(oldest + 60_000 if oldest >= 0 else -1),
            held=held,
            minute_tokens=tokens,
            minute_tokens_free_at=_moment((second + 61) * 1000 if second >= 0 else -1),
        )

    async def _keys(self, beginning: str) -> AsyncIterator[bytes]:
        cursor, seen = b"0", set[bytes]()  # SCAN may name a key twice
        while True:
            cursor, keys = await self._valkey.call("SCAN", cursor, "MATCH", f"{beginning}*", "COUNT", 1000)
            for key in keys:
                if key not in seen:
                    seen.add(key)
                    yield key
            if cursor == b"0":
                return


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(milliseconds: int) -> datetime | None:
    return None if milliseconds < 0 else datetime.fromtimestamp(milliseconds / 1000, UTC)
