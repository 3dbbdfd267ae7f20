"""The live windows in Valkey or Redis (7.0 or newer): four scripts, one round trip each.

An account's keys share the hash tag {user id}, so that a cluster keeps them together. Numbers and times travel
as integers (milliseconds since the epoch).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from maitre.billing.row import Totals
from maitre.errors import StoreDown
from maitre.quota.reservation import (
    TASKS_PER_REQUEST,
    TOOL_CALLS_PER_TURN,
    TURN_TTL,
    Answer,
    Ask,
    Denied,
    Granted,
    Unloaded,
)
from maitre.quota.store import Live

#: An account that nobody used for this long leaves the store; the ledger still has it. Seconds.
ACCOUNT_TTL = 2 * 24 * 3600


class RedisQuotaStore:
    """A QuotaStore in Valkey or Redis."""

    def __init__(self, url: str, *, prefix: str = "maitre", timeout: float = 2.0) -> None:
        # One retry hides a connection that died while idle (a restarted server); every script is idempotent.
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(ConstantBackoff(0.05), 1),
            retry_on_error=[RedisConnectionError],
        )
        self._prefix = prefix
        folder = files("maitre.quota")
        self._reserve, self._settle, self._release, self._load = (
            self._redis.register_script((folder / f"{name}.lua").read_text("utf-8"))
            for name in ("reserve", "settle", "release", "load")
        )

    def _key(self, user_id: str, what: str) -> str:
        return f"{self._prefix}:{{{user_id}}}:{what}"

    async def _run(self, script: Any, keys: list[str], args: list[Any]) -> Any:
        try:
            return await script(keys=keys, args=args)
        except (RedisError, RedisTimeoutError, OSError) as fault:
            raise StoreDown(f"Valkey does not answer: {fault or type(fault).__name__}") from fault

    async def reserve(self, ask: Ask) -> Answer:
        key = self._key
        args: list[Any] = [
            _ms(ask.now),
            ask.periods.day,
            ask.hold_id,
            _ms(ask.expires_at),
            ask.tokens,
            ask.kind,
            -1 if ask.per_minute is None else ask.per_minute,
            TOOL_CALLS_PER_TURN,
            TURN_TTL,
            TASKS_PER_REQUEST,
            ask.periods.fields("tasks")[0],
            ACCOUNT_TTL,
            *ask.periods.fields("requests"),
        ]
        for limit in ask.limits:
            args += [limit.resource, limit.field, -1 if limit.limit is None else limit.limit]
        user = ask.user_id
        keys = [key(user, "account"), key(user, "minute"), key(user, "holds"), key(user, f"turn:{ask.turn_id}")]
        answer = await self._run(self._reserve, [*keys, key(user, "generation")], args)
        match answer[0]:
            case b"granted":
                return Granted(counted=answer[1] == 1, later=answer[2] == 1)
            case b"denied":
                frees_at = None if answer[3] < 0 else _time(answer[3])
                return Denied(counted=answer[1] == 1, held=answer[2], minute_frees_at=frees_at, used=tuple(answer[4:]))
            case _:
                return Unloaded()

    async def settle(self, user_id: str, hold_id: str, tokens: Mapping[str, int]) -> bool:
        keys = [self._key(user_id, what) for what in ("account", "holds", "generation")]
        pairs = [part for pair in tokens.items() for part in pair]
        return bool(await self._run(self._settle, keys, [hold_id, ACCOUNT_TTL, *pairs]))

    async def release(self, user_id: str, hold_id: str, turn_id: str, requests: tuple[str, ...]) -> bool:
        keys = [self._key(user_id, what) for what in ("account", "minute", "holds", f"turn:{turn_id}", "generation")]
        tasks = requests[0].replace("requests", "tasks", 1)
        return bool(await self._run(self._release, keys, [hold_id, ACCOUNT_TTL, TASKS_PER_REQUEST, tasks, *requests]))

    async def generation(self, user_id: str) -> int:
        try:
            return int(await self._redis.get(self._key(user_id, "generation")) or 0)
        except (RedisError, OSError) as fault:
            raise StoreDown(f"Valkey does not answer: {fault}") from fault

    async def load(self, user_id: str, day: str, totals: Totals, generation: int) -> bool:
        keys = [self._key(user_id, what) for what in ("account", "minute", "holds", "generation")]
        keys += [self._key(user_id, f"turn:{turn_id}") for turn_id in totals.turns]
        args: list[Any] = [
            generation,
            day,
            ACCOUNT_TTL,
            TURN_TTL,
            len(totals.fields),
            len(totals.recent),
            len(totals.holds),
        ]
        for field, amount in totals.fields.items():
            args += [field, amount]
        for hold_id, at in totals.recent.items():
            args += [_ms(at), hold_id]
        for hold_id, (tokens, expiry, counted) in totals.holds.items():
            args += [hold_id, f"{_ms(expiry)} {tokens} {int(counted)} 0"]
        args += totals.turns.values()
        return bool(await self._run(self._load, keys, args))

    async def live(self, user_id: str, now: datetime) -> Live | None:
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hgetall(self._key(user_id, "account"))
                pipe.zrangebyscore(self._key(user_id, "minute"), _ms(now) - 60_000, "+inf", withscores=True)
                pipe.hvals(self._key(user_id, "holds"))
                account, minute, holds = await pipe.execute()
        except (RedisError, OSError) as fault:
            raise StoreDown(f"Valkey does not answer: {fault}") from fault
        if not account:
            return None
        held = [tuple(map(int, hold.split()[:2])) for hold in holds]
        return Live(
            fields={field.decode(): int(amount) for field, amount in account.items() if field != b"day"},
            minute=len(minute),
            minute_frees_at=_time(int(minute[0][1]) + 60_000) if minute else None,
            held_tokens=sum(tokens for expiry, tokens in held if expiry >= _ms(now)),
        )

    async def count(self, what: str, amounts: Mapping[str, int]) -> None:
        """Publish a process's counters (dropped traces and the like) for `cli status`, for a day."""
        try:
            await self._redis.hset(
                f"{self._prefix}:counters:{what}", mapping={name: str(amount) for name, amount in amounts.items()}
            )
            await self._redis.expire(f"{self._prefix}:counters:{what}", 86_400)
        except (RedisError, OSError) as fault:
            raise StoreDown(f"Valkey does not answer: {fault}") from fault

    async def counters(self) -> dict[str, int]:
        """The counters of all processes, summed."""
        total: dict[str, int] = {}
        try:
            async for key in self._redis.scan_iter(f"{self._prefix}:counters:*"):
                for name, amount in (await self._redis.hgetall(key)).items():
                    counter = name.decode() if isinstance(name, bytes) else name
                    total[counter] = total.get(counter, 0) + int(amount)
        except (RedisError, OSError) as fault:
            raise StoreDown(f"Valkey does not answer: {fault}") from fault
        return total

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
